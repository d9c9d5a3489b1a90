-- json: JSON texts to Lua values and back (RFC 8259).
--
--   local order = json.decode(body)          -- raises an error with the byte's position
--   json.encode { items = json.array {} }    -- {"items":[]}
--
-- null is json.null in both directions, so that a member that is null is there. Lists that come from JSON,
-- and those that json.array marks, stay lists when they are empty. Integers are exact up to 2^53.
local _, native = ...

local check, raise = native.check, native.raise
local list = native.json_array

local json = { null = native.json_null }

function json.decode(text)
  check("json.decode: the text", text, "string")
  local value, problem, at = native.json_decode(text)
  if problem then
    raise(("json.decode: %s at byte %d"):format(problem, at))
  end
  return value
end

function json.encode(value, options)
  if options ~= nil then
    check("json.encode: the options", options, "table")
  end
  local text, problem = native.json_encode(value, options and options.pretty)
  if problem then
    raise("json.encode: " .. problem)
  end
  return text
end

function json.array(items)
  return setmetatable(check("json.array: the items", items or {}, "table"), list)
end

function json.isArray(value)
  return type(value) == "table" and (getmetatable(value) == list or value[1] ~= nil)
end

return json
