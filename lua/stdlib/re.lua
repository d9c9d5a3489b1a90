-- re: Perl's patterns (PCRE2), where Lua's own are not enough.
--
--   local m = re.match(subject, [[\[#(?<ticket>\d+)\]]])
--   if m then print(m.ticket, m[1], m[0]) end
--
-- Flags: i without case, m ^ and $ at each line, s dot takes line ends, x blanks and comments, U ungreedy,
-- n only named groups capture, b bytes instead of UTF-8. Captures are tables: [0] the whole match, groups by
-- number and by name; nil where one took no part. A pattern that takes too many steps for a text is an error.
local _, native = ...

local check, raise, match_at = native.check, native.raise, native.re_match
local byte, concat, find, sub = string.byte, table.concat, string.find, string.sub

local CACHE_MAX = 64

local re = {}

-- --- compiled patterns: the CACHE_MAX that were used last ------------------------------------------

local remembered = native.remembering(CACHE_MAX, function(pattern, flags)
  local code, names = native.re_compile(pattern, flags)
  return { code = code, names = #names > 0 and names or nil }
end)

local function compiled(call, pattern, flags)
  check(call .. ": the pattern", pattern, "string")
  flags = check(call .. ": the flags", flags or "", "string")
  return remembered(flags .. "/" .. pattern, pattern, flags)
end

-- --- matches ---------------------------------------------------------------------------------------

local function with_names(entry, captures)
  for _, name in ipairs(entry.names or {}) do
    local value = captures[name[2]]
    if value ~= nil then
      captures[name[1]] = value
    end
  end
  return captures
end

-- Iterates over first byte, last byte, captures. An empty match is not found again where another ended.
local function matches(entry, text, init, wants_captures)
  local is_valid = native.mime_is_utf8(text)
  local at, is_retry = init, false
  return function()
    local first, last, captures = match_at(entry.code, text, at, is_valid, is_retry, wants_captures)
    if not first then
      return nil
    end
    at, is_retry = last + 1, last < first
    return first, last, captures and with_names(entry, captures)
  end
end

local function check_init(call, init)
  if init == nil then
    return 1
  end
  check(call .. ": the place to begin at", init, "number")
  if init < 1 or init % 1 ~= 0 then
    raise(call .. ": the place to begin at must be 1 or more")
  end
  return init
end

function re.find(text, pattern, flags, init)
  check("re.find: the text", text, "string")
  return matches(compiled("re.find", pattern, flags), text, check_init("re.find", init), true)()
end

function re.match(text, pattern, flags, init)
  check("re.match: the text", text, "string")
  local entry = compiled("re.match", pattern, flags)
  local _, _, captures = matches(entry, text, check_init("re.match", init), true)()
  return captures
end

function re.test(text, pattern, flags)
  check("re.test: the text", text, "string")
  return matches(compiled("re.test", pattern, flags), text, 1, false)() ~= nil
end

function re.gmatch(text, pattern, flags)
  check("re.gmatch: the text", text, "string")
  local next_match = matches(compiled("re.gmatch", pattern, flags), text, 1, true)
  return function()
    local _, _, captures = next_match()
    return captures
  end
end

-- --- replacing -------------------------------------------------------------------------------------

local function piece_of_group(captures, name)
  return captures[tonumber(name) or name] or ""
end

-- The text between two dollars' meanings, and what each means: $1 ${12} ${name} $& $$.
local function parse_replacement(replacement)
  local pieces, at = {}, 1
  while true do
    local dollar = find(replacement, "$", at, true)
    if not dollar then
      break
    end
    pieces[#pieces + 1] = sub(replacement, at, dollar - 1)
    local _, last, name = find(replacement, "^(%d)", dollar + 1)
    if not last then
      _, last, name = find(replacement, "^{([%w_]+)}", dollar + 1)
    end
    if last then
      pieces[#pieces + 1] = { name }
    elseif byte(replacement, dollar + 1) == 38 then -- &
      last = dollar + 1
      pieces[#pieces + 1] = { "0" }
    elseif byte(replacement, dollar + 1) == 36 then
      last = dollar + 1
      pieces[#pieces + 1] = "$"
    else
      raise("re.gsub: a $ in the replacement is followed by a digit, {name}, & or $; write $$ for a dollar")
    end
    at = last + 1
  end
  pieces[#pieces + 1] = sub(replacement, at)
  return pieces
end

local function filled(pieces, captures)
  local result = {}
  for i, piece in ipairs(pieces) do
    result[i] = type(piece) == "table" and piece_of_group(captures, piece[1]) or piece
  end
  return concat(result)
end

local function replacer(replacement)
  local kind = type(replacement)
  if kind == "function" then
    return replacement
  elseif kind == "table" then
    return function(captures)
      return replacement[captures[1] or captures[0]]
    end
  elseif kind ~= "string" then
    raise("re.gsub: the replacement must be a string, a table or a function, got " .. kind)
  end
  local pieces = parse_replacement(replacement)
  return function(captures)
    return filled(pieces, captures)
  end
end

local function text_of(value, whole)
  if value == nil or value == false then
    return whole
  end
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then
    raise("re.gsub: the replacement gave a " .. kind .. ", not a string")
  end
  return tostring(value)
end

function re.gsub(text, pattern, replacement, flags, max)
  check("re.gsub: the text", text, "string")
  local entry = compiled("re.gsub", pattern, flags)
  local replace, at, count, pieces = replacer(replacement), 1, 0, {}
  max = check("re.gsub: the greatest count", max or math.huge, "number")
  if max < 1 then
    return text, 0
  end
  for first, last, captures in matches(entry, text, 1, true) do
    pieces[#pieces + 1] = sub(text, at, first - 1)
    pieces[#pieces + 1] = text_of(replace(captures), captures[0])
    at, count = last + 1, count + 1
    if count >= max then
      break
    end
  end
  pieces[#pieces + 1] = sub(text, at)
  return concat(pieces), count
end

-- Empty matches split between characters, but never before the first or after the last.
function re.split(text, pattern, flags, max)
  check("re.split: the text", text, "string")
  local entry, pieces, at = compiled("re.split", pattern, flags), {}, 1
  max = check("re.split: the greatest count", max or math.huge, "number")
  if max > 1 then
    for first, last in matches(entry, text, 1, false) do
      if last >= first or (first > at and first <= #text) then
        pieces[#pieces + 1] = sub(text, at, first - 1)
        at = last + 1
      end
      if #pieces + 1 >= max then
        break
      end
    end
  end
  pieces[#pieces + 1] = sub(text, at)
  return pieces
end

-- The pattern that matches exactly this text.
function re.escape(text)
  check("re.escape: the text", text, "string")
  return (text:gsub("[^%w\128-\255_ ]", function(c)
    return c == "\0" and "\\x00" or "\\" .. c
  end))
end

return re
