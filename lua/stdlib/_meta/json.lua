---@meta json
-- JSON texts to Lua values and back (RFC 8259).

---@class json
---@field null userdata What stands for null in both directions.
local json = {}

---Raises an error with the byte's position when the text is no JSON.
---@param text string
---@return any
function json.decode(text) end

---A table with keys 1 to n is a list, any other an object; the empty table is an object unless json.array
---made it. Names are in order.
---@param value any
---@param options? { pretty: boolean }
---@return string
function json.encode(value, options) end

---Marks a table as a list, which it stays when it is empty.
---@generic T: table
---@param items? T
---@return T
function json.array(items) end

---Whether a value is a list as encode sees it.
---@param value any
---@return boolean
function json.isArray(value) end

return json
