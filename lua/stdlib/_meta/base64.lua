---@meta base64
-- Bytes as letters and back (RFC 4648 sections 4 and 5).

---@class base64
local base64 = {}

---With padding, in one line.
---@param bytes string
---@return string
function base64.encode(bytes) end

---Line ends and blanks are passed over, padding may be missing; raises an error that says where the text is
---wrong.
---@param text string
---@return string
function base64.decode(text) end

---With - and _, without padding.
---@param bytes string
---@return string
function base64.encodeUrl(bytes) end

---@param text string
---@return string
function base64.decodeUrl(text) end

return base64
