-- http_event: what the `fetch` handler is given, and what it may return. For the isolate's events.
local _, native = ...

local http_fields = native.require "http_fields"

local floor = math.floor
local format, find, gsub = string.format, string.find, string.gsub
local ipairs, pairs, setmetatable, sort, tostring, type =
  ipairs, pairs, setmetatable, table.sort, tostring, type

local BODY_BYTES_MAX = 10 * 1024 * 1024
local HEADERS_BYTES_MAX = 8192

-- What is about the connection is the server's to say.
local SERVERS = {
  connection = true,
  ["content-length"] = true,
  date = true,
  ["keep-alive"] = true,
  te = true,
  trailer = true,
  ["transfer-encoding"] = true,
  upgrade = true,
}

local http = {}

-- --- the request -----------------------------------------------------------------------------------

local request = {}

function request:text()
  return self.body
end

function request:json()
  return native.require("json").decode(self.body)
end

-- `query` is made when somebody wants it.
local request_meta = {
  __index = function(self, key)
    if key == "query" then
      local first = native.require("url").parseQuery(self.queryString)
      self.query = first
      return first
    end
    return request[key]
  end,
}

function http.request(event)
  event.client, event.ip = { ip = event.ip }, nil
  event.headers = http_fields.object(event.headers)
  return setmetatable(event, request_meta)
end

-- --- the response ----------------------------------------------------------------------------------

local FIELDS = { status = true, headers = true, body = true, json = true }

local function shown(value)
  return (gsub(tostring(value):sub(1, 80), "%c", "?"))
end

-- An error where the handler begins: it has returned, so there is no line to blame.
local function fail(handler, text, ...)
  native.error_at(handler, format("fetch: " .. text, ...))
end

local function add_header(handler, list, name, value)
  if type(value) == "number" then
    value = tostring(value)
  elseif type(value) ~= "string" then
    fail(handler, "the header %s must be a string, a number or a list of those, got %s", name,
      type(value))
  end
  if find(value, "[%c]") then
    fail(handler, "the header %s has a line end or another control character in its value", name)
  end
  list[#list + 1] = { name = name, value = value }
  list.bytes = list.bytes + #name + #value
end

local function read_headers(handler, given, kind)
  local list, names = { bytes = 0 }, {}
  local has_kind = false
  if type(given) ~= "table" then
    fail(handler, "headers must be a table such as { [\"Cache-Control\"] = \"no-store\" }, got %s",
      type(given))
  end
  for name in pairs(given) do
    if type(name) ~= "string" or not http_fields.isName(name) then
      fail(handler, "'%s' is no header name", shown(name))
    elseif SERVERS[name:lower()] or find(name:lower(), "^proxy%-") then
      fail(handler, "the header %s is the server's to set", name)
    end
    has_kind = has_kind or name:lower() == "content-type"
    names[#names + 1] = name
  end
  sort(names)
  for _, name in ipairs(names) do
    local value = given[name]
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      add_header(handler, list, name, item)
    end
  end
  if kind and not has_kind then
    add_header(handler, list, "Content-Type", kind)
  end
  if list.bytes > HEADERS_BYTES_MAX then
    fail(handler, "the headers are longer than %d bytes", HEADERS_BYTES_MAX)
  end
  list.bytes = nil
  return list
end

local function read_status(handler, status)
  if type(status) ~= "number" or status ~= floor(status) or status < 200 or status > 599 then
    fail(handler, "the status is a whole number from 200 to 599, not %s", shown(status))
  end
  return status
end

-- The body, and what kind of thing it is unless a header says.
local function read_body(handler, given)
  if given.json ~= nil then
    if given.body ~= nil then
      fail(handler, "give either body or json")
    end
    return native.require("json").encode(given.json), "application/json"
  end
  local body = given.body == nil and "" or given.body
  if type(body) ~= "string" then
    fail(handler, "the body must be a string, got %s; for a table write json = …", type(body))
  end
  return body, #body > 0 and "text/plain;charset=UTF-8" or nil
end

-- What the handler has returned, as the host wants it:
-- { status =, headers = { { name =, value = } }, body = }
function http.response(handler, given)
  if given == nil then
    return { status = 204, headers = {}, body = "" }
  elseif type(given) == "string" then
    given = { body = given }
  elseif type(given) ~= "table" then
    fail(handler, "it returned a %s; it returns { status =, headers =, body = }, a string or nothing",
      type(given))
  end
  for key in pairs(given) do
    if not FIELDS[key] then
      fail(handler, "a response has status, headers, body and json, not '%s'", shown(key))
    end
  end
  local body, kind = read_body(handler, given)
  if #body > BODY_BYTES_MAX then
    fail(handler, "the body is longer than %d MiB", BODY_BYTES_MAX / 1024 / 1024)
  end
  return {
    status = read_status(handler, given.status or 200),
    headers = read_headers(handler, given.headers or {}, kind),
    body = body,
  }
end

return http
