-- The bindings in `env`: an object for each, whose methods ask the host. What is checked here is checked for
-- the script's author; the host checks all of it again.
local native = ...

local raise, settle = native.raise, native.settle
local concat, sort = table.concat, table.sort
local ipairs, pairs, setmetatable, tostring, type = ipairs, pairs, setmetatable, tostring, type
local ceil, floor = math.ceil, math.floor
local find, format, gsub = string.find, string.format, string.gsub

local KEY_BYTES_MAX = 512
local VALUE_BYTES_MAX = 25 * 1024 * 1024
local METADATA_BYTES_MAX = 1024
local KEYS_LISTED_MAX = 1000
local RECIPIENTS_MAX = 50

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
  local value = found.value
  if kind == "json" then
    value = native.require("json").decode(value)
  end
  return value, read_metadata(found.metadata)
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

-- --- send ----------------------------------------------------------------------------------------

local send = {}
kinds.send = send

local SEND_FIELDS = "from to cc bcc replyTo returnPath subject text html headers attachments inReplyTo references raw"

-- A person: an address, "Anna <anna@corp.test>" or { name =, email = }, as mime.build takes it.
local function person(at, value, field)
  if type(value) == "table" then
    local address = value.email or value.address or fail(at, "%s has a table without email", field)
    return { name = value.name, address = address }
  end
  return check(at, value, "string", field)
end

-- One or a list of them; nil when there is none.
local function people(at, value, field)
  if value == nil then
    return nil
  elseif type(value) ~= "table" or value.email or value.address then
    return { person(at, value, field) }
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = person(at, item, field)
  end
  return #list > 0 and list or nil
end

local function add_addresses(at, recipients, list)
  for _, item in ipairs(list or {}) do
    local text = type(item) == "table" and item.address or item
    if find(text, "<", 1, true) then
      local read = native.require("mime_address").read(text)
      text = #read == 1 and read[1].address or fail(at, "'%s' is not one address", shown(text))
    end
    recipients[#recipients + 1] = text
  end
end

local function attachment(at, given)
  check_options(at, check(at, given, "table", "an attachment"), "filename type content disposition contentId")
  local disposition = given.disposition or "attachment"
  if disposition ~= "attachment" and disposition ~= "inline" then
    fail(at, "the disposition of an attachment is \"attachment\" or \"inline\", not '%s'", shown(disposition))
  end
  return {
    filename = given.filename,
    type = given.type,
    content = given.content,
    contentId = given.contentId,
    inline = disposition == "inline",
  }
end

local function build(at, message, to, cc)
  local attachments = {}
  for i, item in ipairs(check(at, message.attachments or {}, "table", "attachments")) do
    attachments[i] = attachment(at, item)
  end
  if message.text == nil and message.html == nil then
    fail(at, "give it a text, an html or a raw message")
  end
  return native.require("mime").build {
    from = person(at, message.from, "from"),
    to = to,
    cc = cc,
    replyTo = message.replyTo and person(at, message.replyTo, "replyTo"),
    subject = message.subject or "",
    text = message.text,
    html = message.html,
    headers = message.headers,
    attachments = attachments,
    inReplyTo = message.inReplyTo,
    references = message.references,
  }
end

-- With raw, a whole message, only its envelope is to be said.
local function check_raw(at, message)
  for key in pairs(message) do
    if key ~= "raw" and key ~= "to" and key ~= "from" and key ~= "returnPath" then
      fail(at, "raw is a whole message; '%s' is part of it", shown(key))
    end
  end
  return check(at, message.raw, "string", "raw")
end

function send.send(at, message)
  message = check_options(at, check(at, message, "table", "the message"), SEND_FIELDS)
  local to, cc = people(at, message.to, "to"), people(at, message.cc, "cc")
  local recipients = {}
  add_addresses(at, recipients, to)
  add_addresses(at, recipients, cc)
  add_addresses(at, recipients, people(at, message.bcc, "bcc"))
  if #recipients == 0 or #recipients > RECIPIENTS_MAX then
    fail(at, "a message has 1 to %d recipients in to, cc and bcc, this one %d", RECIPIENTS_MAX, #recipients)
  end
  local raw = message.raw ~= nil and check_raw(at, message) or build(at, message, to, cc)
  local return_path = message.returnPath ~= nil and check(at, message.returnPath, "string", "returnPath") or nil
  return ask(at, { recipients = recipients, raw = raw, returnPath = return_path })
end

-- --- fetch ---------------------------------------------------------------------------------------

local fetch = {}
kinds.fetch = fetch

local REDIRECTS = { follow = true, manual = true, error = true }

local response = {}
response.__index = response

function response:text()
  return self.body
end

function response:json()
  return native.require("json").decode(self.body)
end

local function request_headers(at, headers)
  local list = {}
  for name, value in pairs(check(at, headers or {}, "table", "headers")) do
    if type(name) ~= "string" or not native.require("http_fields").isName(name) then
      fail(at, "'%s' is no header name", shown(name))
    elseif type(value) ~= "number" then
      check(at, value, "string", "the header " .. name)
    end
    list[#list + 1] = { name = name, value = tostring(value) }
  end
  return list
end

function fetch.fetch(at, url, options)
  options = check_options(at, options, "method headers body timeout redirect")
  local method = check(at, options.method or "GET", "string", "method"):upper()
  local redirect = options.redirect or "follow"
  if not REDIRECTS[redirect] then
    fail(at, "redirect is \"follow\", \"manual\" or \"error\", not '%s'", shown(redirect))
  end
  local timeout = check(at, options.timeout or 30, "number", "timeout (seconds)")
  if not (timeout > 0 and timeout <= 30) then
    fail(at, "timeout is more than 0 and at most 30 seconds, got %s", shown(timeout))
  end
  local answer = ask(at, {
    url = check(at, url, "string", "the URL"),
    method = method,
    headers = request_headers(at, options.headers),
    body = options.body ~= nil and check(at, options.body, "string", "body") or nil,
    timeoutMs = ceil(timeout * 1000),
    redirect = redirect,
  })
  answer.ok = answer.status >= 200 and answer.status <= 299
  native.require("http_fields").object(answer.headers)
  return setmetatable(answer, response)
end

-- --- queue ---------------------------------------------------------------------------------------

local queue = {}
kinds.queue = queue

local BODY_BYTES_MAX = 128 * 1024
local BATCH_BYTES_MAX = 256 * 1024
local BATCH_MESSAGES_MAX = 100
local DELAY_SECONDS_MAX = 86400

local function check_delay(at, seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0 and seconds <= DELAY_SECONDS_MAX
      and seconds == floor(seconds)) then
    fail(at, "delaySeconds is a whole number from 0 to %d, got %s", DELAY_SECONDS_MAX, shown(seconds))
  end
  return seconds
end

local function written_body(at, body)
  local bytes = native.encode_value(body, format("env.%s:%s: the body", at.binding, at.method))
  if #bytes > BODY_BYTES_MAX then
    fail(at, "the body has %d bytes, and may have %d", #bytes, BODY_BYTES_MAX)
  end
  return bytes
end

local function send_messages(at, messages)
  ask({ binding = at.binding, method = "send" }, { messages = messages })
end

function queue.send(at, body, options)
  options = check_options(at, options, "delaySeconds")
  send_messages(at, { { body = written_body(at, body), delaySeconds = check_delay(at, options.delaySeconds) } })
end

function queue.sendBatch(at, messages, options)
  options = check_options(at, options, "delaySeconds")
  local list, bytes = {}, 0
  for i, message in ipairs(check(at, messages, "table", "what is sent")) do
    message = check_options(at, check(at, message, "table", "each message"), "body delaySeconds")
    local delay = message.delaySeconds == nil and options.delaySeconds or message.delaySeconds
    list[i] = { body = written_body(at, message.body), delaySeconds = check_delay(at, delay) }
    bytes = bytes + #list[i].body
  end
  if #list == 0 or #list > BATCH_MESSAGES_MAX then
    fail(at, "it takes a list of 1 to %d messages such as { body = 1 }, not of %d", BATCH_MESSAGES_MAX, #list)
  elseif bytes > BATCH_BYTES_MAX then
    fail(at, "the bodies have %d bytes together, and may have %d", bytes, BATCH_BYTES_MAX)
  end
  send_messages(at, list)
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
