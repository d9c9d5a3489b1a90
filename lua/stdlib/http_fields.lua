-- http_fields: header fields of HTTP, of requests and responses. For bindings and the `fetch` handler.
--
-- An object is made of a list of { name =, value = }, with names in lower case.
local concat = table.concat
local ipairs, next, setmetatable, tostring = ipairs, next, setmetatable, tostring

local fields = {}
fields.__index = fields

local function values(self, name)
  local found = {}
  name = tostring(name):lower()
  for _, field in ipairs(self) do
    if field.name == name then
      found[#found + 1] = field.value
    end
  end
  return found
end

function fields:getAll(name)
  return values(self, name)
end

function fields:get(name)
  local found = values(self, name)
  return #found > 0 and concat(found, ", ") or nil
end

function fields:has(name)
  return #values(self, name) > 0
end

function fields:each()
  local at
  return function()
    local field
    at, field = next(self, at)
    if field then
      return field.name, field.value
    end
  end
end

return {
  object = function(list)
    return setmetatable(list, fields)
  end,
  -- RFC 9110 section 5.6.2: a token.
  isName = function(name)
    return #name <= 128 and name:find("^[%w!#$%%&'*+.^_`|~-]+$") ~= nil
  end,
}
