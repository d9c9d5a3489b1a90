---@meta address
-- Mail addresses. What is no address gives nil. Domains are in normal form: lower case, A-labels.

---@class Address
---@field name string "" if there is none.
---@field address string
---@field localPart string Unquoted, case kept.
---@field domain string
---@field user string The local part without its tag.
---@field tag? string What follows the first + of the local part.

---@class address
local address = {}

---One address, with or without a name: "Anna <anna@corp.test>".
---@param text string
---@return Address?
function address.parse(text) end

---All addresses of a field such as To; what is malformed is left out.
---@param text string
---@return Address[]
function address.list(text) end

---@param text string
---@return string?
function address.normalize(text) end

---@param text string
---@return string?
function address.domain(text) end

---@param text string
---@return string?
function address.localPart(text) end

---Whether it is an address with nothing around it.
---@param text any
---@return boolean
function address.isValid(text) end

---The user and the tag of user+tag@domain.
---@param text string
---@param separator? string Default "+".
---@return string? user
---@return string? tag
function address.subaddress(text, separator) end

---user@domain of user+tag@domain.
---@param text string
---@param separator? string Default "+".
---@return string?
function address.base(text, separator) end

---user+tag@domain; a tag that is there is replaced.
---@param text string
---@param tag string
---@return string?
function address.withTag(text, tag) end

---Whether two addresses are the same mailbox: local parts are compared without case.
---@param a string
---@param b string
---@return boolean
function address.same(a, b) end

---As a header field has it: Anna <anna@corp.test>, the name quoted or encoded where it needs it.
---@param text string
---@param name? string
---@return string
function address.format(text, name) end

---A domain in normal form; nil when it is none.
---@param domain string
---@return string?
function address.toAscii(domain) end

---A domain as people read it; nil when it is none.
---@param domain string
---@return string?
function address.toUnicode(domain) end

return address
