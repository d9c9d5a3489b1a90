-- The bindings in `env`: an object for each, whose methods ask the host. What is checked here is checked for the
-- script's author; the host checks all of it again.
local native = ...

local raise, settle = native.raise, native.settle
local concat, sort = table.concat, table.sort
local ipairs, pairs, setmetatable, tostring, type = ipairs, pairs, setmetatable, tostring, type
local find, floor, format, gsub = string.find, math.floor, string.format, string.gsub

local KEY_BYTES_MAX = 512
local VALUE_BYTES_MAX = 25 * 1024 * 1024
local METADATA_BYTES_MAX = 1024
local KEYS_LISTED_MAX = 1000

-- What is called: { binding =, method = }. Each method gets its own as its first argument.

local function fail(at, text, ...)
  raise(format("env.%s:%s: " .. text, at.binding, at.method, ...))
end

local function ask(at, arguments)
  return settle(at.binding .. ":" .. at.method, native.wait_binding(at.binding, at.method, arguments)).value
end

local function shown(value)
  return gsub(tostring(value):sub(1, 80), "%c", "?")
end

local function check(at, value, kind, what)
  if type(value) ~= kind then
    fail(at, "%s must be a %s, got %s", what, kind, type(value))
  end
  return value
end

-- The table of options (none is an empty one), whose keys are all among those named.
local function check_options(at, options, names)
  if options == nil then
    return {}
  end
  for key in pairs(check(at, options, "table", "what follows")) do
    if type(key) ~= "string" or not find(" " .. names .. " ", " " .. key .. " ", 1, true) then
      fail(at, "unknown field '%s'; it takes %s", shown(key), (gsub(names, " ", ", ")))
    end
  end
  return options
end

local function check_count(at, value, what)
  if type(value) ~= "number" or value ~= floor(value) or value < 1 or value > 2 ^ 53 then
    fail(at, "%s must be a whole number from 1 up, got %s", what, shown(value))
  end
  return value
end

local kinds = {}

-- --- kv ------------------------------------------------------------------------------------------

local kv = {}
kinds.kv = kv

local function check_key(at, key)
  check(at, key, "string", "the key")
  if key == "" or key == "." or key == ".." or #key > KEY_BYTES_MAX then
    fail(at, "a key has 1 to %d bytes and is neither '.' nor '..'", KEY_BYTES_MAX)
  end
  return key
end

local function check_expiration(at, options)
  if options.expiration ~= nil and options.expirationTtl ~= nil then
    fail(at, "give either expiration or expirationTtl")
  end
  return options.expiration and check_count(at, options.expiration, "expiration (Unix seconds)"),
    options.expirationTtl and check_count(at, options.expirationTtl, "expirationTtl (seconds)")
end

local function write_metadata(at, metadata)
  if metadata == nil then
    return nil
  end
  local text = native.require("json").encode(metadata)
  if #text > METADATA_BYTES_MAX then
    fail(at, "the metadata is longer than %d bytes as JSON", METADATA_BYTES_MAX)
  end
  return text
end

local function read_metadata(text)
  return text and native.require("json").decode(text)
end

-- The options of get: a type by itself, or { type = }.
local function check_type(at, options)
  if type(options) == "string" then
    options = { type = options }
  end
  local kind = check_options(at, options, "type").type or "text"
  if kind ~= "text" and kind ~= "json" then
    fail(at, "the type is \"text\" or \"json\", not '%s'", shown(kind))
  end
  return kind
end

local function get(at, key, options)
  local kind = check_type(at, options)
  local found = ask({ binding = at.binding, method = "get" }, { key = check_key(at, key) })
  if not found then
    return nil
  end
  return kind == "json" and native.require("json").decode(found.value) or found.value, read_metadata(found.metadata)
end

function kv.get(at, key, options)
  return (get(at, key, options))
end

function kv.getWithMetadata(at, key, options)
  local value, metadata = get(at, key, options)
  return { value = value, metadata = metadata }
end

function kv.put(at, key, value, options)
  options = check_options(at, options, "expiration expirationTtl metadata")
  if type(value) == "number" then
    value = tostring(value)
  elseif type(value) == "table" then
    fail(at, "the value must be a string; write json.encode(value), and read it with { type = \"json\" }")
  end
  if #check(at, value, "string", "the value") > VALUE_BYTES_MAX then
    fail(at, "the value is longer than %d MiB", VALUE_BYTES_MAX / 1024 / 1024)
  end
  local expiration, ttl = check_expiration(at, options)
  ask(at, {
    key = check_key(at, key),
    value = value,
    expiration = expiration,
    expirationTtl = ttl,
    metadata = write_metadata(at, options.metadata),
  })
end

function kv.delete(at, key)
  ask(at, { key = check_key(at, key) })
end

function kv.increment(at, key, by, options)
  options = check_options(at, options, "expiration expirationTtl")
  by = by == nil and 1 or check(at, by, "number", "what is added")
  if by ~= floor(by) or by > 2 ^ 53 or by < -2 ^ 53 then
    fail(at, "what is added must be a whole number, got %s", shown(by))
  end
  local expiration, ttl = check_expiration(at, options)
  return ask(at, { key = check_key(at, key), by = by, expiration = expiration, expirationTtl = ttl })
end

function kv.list(at, options)
  options = check_options(at, options, "prefix limit cursor")
  local limit = options.limit == nil and KEYS_LISTED_MAX or check_count(at, options.limit, "limit")
  if limit > KEYS_LISTED_MAX then
    fail(at, "limit is at most %d", KEYS_LISTED_MAX)
  end
  local found = ask(at, {
    prefix = check(at, options.prefix or "", "string", "prefix"),
    cursor = check(at, options.cursor or "", "string", "cursor"),
    limit = limit,
  })
  for _, key in ipairs(found.keys) do
    key.metadata = read_metadata(key.metadata)
  end
  return found
end

-- --- limiter -------------------------------------------------------------------------------------

local limiter = {}
kinds.limiter = limiter

function limiter.limit(at, options)
  local key = check_options(at, options, "key").key
  if type(key) ~= "string" or #key > KEY_BYTES_MAX then
    fail(at, "write it as { key = message.from }, with a string of at most %d bytes", KEY_BYTES_MAX)
  end
  return ask(at, { key = key })
end

-- --- objects -------------------------------------------------------------------------------------

local names = setmetatable({}, { __mode = "k" }) -- of the objects

local function method_list(methods)
  local list = {}
  for name in pairs(methods) do
    list[#list + 1] = name
  end
  sort(list)
  return concat(list, ", ")
end

-- The method as scripts call it.
local function exposed(name, fn)
  return function(self, ...)
    local binding = names[self]
    if not binding then
      raise(format("call it with a colon, as in env.NAME:%s(...)", name))
    end
    return fn({ binding = binding, method = name }, ...)
  end
end

for _, methods in pairs(kinds) do
  for name, fn in pairs(methods) do
    methods[name] = exposed(name, fn)
  end
end

return function(name, kind)
  local methods = kinds[kind]
  local object = setmetatable({}, {
    __index = function(_, key)
      return methods[key]
        or raise(format("env.%s has no '%s'; a binding of kind %s has %s", name, shown(key), kind,
          method_list(methods)))
    end,
    __newindex = function()
      raise(format("env.%s is read-only", name))
    end,
    __tostring = function()
      return format("env.%s (%s)", name, kind)
    end,
    __metatable = kind,
  })
  names[object] = name
  return object
end
