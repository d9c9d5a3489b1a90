---@meta html
-- Text in HTML and out of it. Takes what comes, and time in proportion to its length.

---@class html
local html = {}

---& < > " ' as entities.
---@param text string
---@return string
function html.escape(text) end

---Named and numeric entities as UTF-8; what is none stays as it is.
---@param text string
---@return string
function html.unescape(text) end

---For people to read: links as text <url>, lists, quotes, tables roughly; scripts and styles are left out.
---@param text string
---@return string
function html.toText(text) end

---Text as HTML, nothing of it taken for markup: blank lines part paragraphs, web addresses become links.
---@param text string
---@return string
function html.fromText(text) end

return html
