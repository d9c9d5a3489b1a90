---@meta re
-- Perl's patterns (PCRE2).

---Groups by number and by name, the whole match as [0]; nil where a group took no part.
---@alias Captures table<string|integer, string>

---Flags, any of: i without case, m ^ and $ at each line, s dot takes line ends, x blanks and comments,
---U ungreedy, n only named groups capture, b bytes instead of UTF-8.
---@alias Flags string

---@alias Replacement string|table<string, string|number>|fun(captures: Captures): string|number|nil

---@class re
local re = {}

---The first match, from byte `init` on, or nil.
---@param text string
---@param pattern string
---@param flags? Flags
---@param init? integer
---@return Captures?
function re.match(text, pattern, flags, init) end

---The first and last byte of the first match and its captures, or nil.
---@param text string
---@param pattern string
---@param flags? Flags
---@param init? integer
---@return integer? first
---@return integer? last
---@return Captures? captures
function re.find(text, pattern, flags, init) end

---@param text string
---@param pattern string
---@param flags? Flags
---@return boolean
function re.test(text, pattern, flags) end

---Every match in turn: `for m in re.gmatch(text, "\\d+") do`.
---@param text string
---@param pattern string
---@param flags? Flags
---@return fun(): Captures?
function re.gmatch(text, pattern, flags) end

---Replaces matches, at most `max`. In a string $1, ${name}, $& and $$ have their meaning; a table is asked
---for the first group or the match; a function is given the captures; nil or false keep the match.
---@param text string
---@param pattern string
---@param replacement Replacement
---@param flags? Flags
---@param max? integer
---@return string text
---@return integer count
function re.gsub(text, pattern, replacement, flags, max) end

---What stands between the matches, at most `max` pieces.
---@param text string
---@param pattern string
---@param flags? Flags
---@param max? integer
---@return string[]
function re.split(text, pattern, flags, max) end

---The pattern that matches exactly this text.
---@param text string
---@return string
function re.escape(text) end

return re
