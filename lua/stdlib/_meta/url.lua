---@meta url
-- Addresses on the web (RFC 3986).

---@class UrlParts
---@field scheme string Lower case.
---@field user? string Decoded.
---@field password? string Decoded.
---@field host? string In normal form: lower case, A-labels; an IPv6 address in brackets.
---@field port? integer
---@field path string Percent-encoded, as the query and the fragment.
---@field query? string
---@field fragment? string

---What url.build takes.
---@class UrlToBuild
---@field scheme string
---@field user? string
---@field password? string
---@field host? string
---@field port? integer
---@field path? string
---@field query? string|table<string, string|number|boolean|(string|number|boolean)[]>
---@field fragment? string

---@class url
local url = {}

---Nil and the reason when the text is no URL.
---@param text string
---@return UrlParts? parts
---@return string? reason
function url.parse(text) end

---What must not stand in a part is percent-encoded; what is encoded already stays.
---@param parts UrlToBuild
---@return string
function url.build(parts) end

---What a reference means in a document at `base`. Nil and the reason when one of them is malformed.
---@param base string
---@param reference string
---@return string? url
---@return string? reason
function url.join(base, reference) end

---Percent-encodes one component: all but letters, digits, - . _ ~.
---@param text string
---@return string
function url.encode(text) end

---What is no percent-encoding stays as it is.
---@param text string
---@return string
function url.decode(text) end

---The first value of each name, and all values of each name.
---@param text string
---@return table<string, string> first
---@return table<string, string[]> all
function url.parseQuery(text) end

---In the order of the names; a list gives its name several times.
---@param values table<string, string|number|boolean|(string|number|boolean)[]>
---@return string
function url.buildQuery(values) end

return url
