-- Values as a person reads them, and where two of them differ.
local concat, sort = table.concat, table.sort
local ipairs, pairs, rawequal, rawget, tostring, type = ipairs, pairs, rawequal, rawget, tostring, type

local TEXT_BYTES_MAX = 300
local DEPTH_MAX = 4
local DIFFERENCES_MAX = 5

local show = {}

local function quoted(text)
  local short = #text > TEXT_BYTES_MAX and text:sub(1, TEXT_BYTES_MAX) or text
  short = short:gsub('[%c\\"]', function(c)
    local known = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }
    return known[c] or ("\\%d"):format(c:byte())
  end)
  return '"' .. short .. '"' .. (#text > TEXT_BYTES_MAX and ("… (%d bytes)"):format(#text) or "")
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  sort(keys, function(a, b)
    if type(a) == type(b) and type(a) ~= "table" and type(a) ~= "boolean" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function step(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then
    return "." .. key
  end
  return "[" .. show.value(key) .. "]"
end

local function shown_table(value, depth)
  if depth > DEPTH_MAX then
    return "{…}"
  end
  local pieces = {}
  for _, key in ipairs(sorted_keys(value)) do
    local item = show.value(rawget(value, key), depth + 1)
    local is_name = type(key) == "string" and key:find "^[%a_][%w_]*$"
    if key ~= #pieces + 1 then
      item = (is_name and key or "[" .. show.value(key) .. "]") .. " = " .. item
    end
    pieces[#pieces + 1] = item
  end
  return #pieces == 0 and "{}" or "{ " .. concat(pieces, ", ") .. " }"
end

function show.value(value, depth)
  if type(value) == "string" then
    return quoted(value)
  elseif type(value) == "table" then
    return shown_table(value, depth or 1)
  end
  return tostring(value)
end

-- In texts of many lines: where they part.
local function differing_line(expected, actual)
  local number = 1
  local next_expected, next_actual = (expected .. "\n"):gmatch "(.-)\n", (actual .. "\n"):gmatch "(.-)\n"
  while true do
    local a, b = next_expected(), next_actual()
    if a ~= b then
      a, b = a and quoted(a) or "the end", b and quoted(b) or "the end"
      return ("line %d: expected %s, got %s"):format(number, a, b)
    end
    number = number + 1
  end
end

local function compare(expected, actual, path, found)
  if rawequal(expected, actual) or expected == actual or #found >= DIFFERENCES_MAX then
    return
  end
  if type(expected) ~= "table" or type(actual) ~= "table" then
    found[#found + 1] = ("%s: expected %s, got %s"):format(
      path == "" and "the value" or path,
      show.value(expected, DEPTH_MAX),
      show.value(actual, DEPTH_MAX)
    )
    return
  end
  for _, key in ipairs(sorted_keys(expected)) do
    compare(rawget(expected, key), rawget(actual, key), path .. step(key), found)
  end
  for _, key in ipairs(sorted_keys(actual)) do
    if rawget(expected, key) == nil then
      compare(nil, rawget(actual, key), path .. step(key), found)
    end
  end
end

-- The differences in depth, as a list of texts: empty when there is none.
function show.differences(expected, actual)
  local found = {}
  compare(expected, actual, "", found)
  return found
end

-- What was expected and what came, and where they part.
function show.contrast(expected, actual)
  local lines = { "  expected: " .. show.value(expected), "  got:      " .. show.value(actual) }
  if type(expected) == "string" and type(actual) == "string" and (expected .. actual):find "\n" then
    lines[#lines + 1] = "  " .. differing_line(expected, actual)
  elseif type(expected) == "table" and type(actual) == "table" then
    for _, difference in ipairs(show.differences(expected, actual)) do
      lines[#lines + 1] = "  " .. difference
    end
  end
  return concat(lines, "\n")
end

return show
