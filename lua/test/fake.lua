-- What tests make up: messages, and the time.
local json = require "json"
local mime = require "mime"
local time = require "time"

local error, next, pairs, pcall = error, next, pairs, pcall
local setmetatable, tostring, type = setmetatable, tostring, type

local fake = {}

-- Header fields that mime.build writes from fields of its own.
local BUILT = {
  ["from"] = "from",
  ["sender"] = "sender",
  ["to"] = "to",
  ["cc"] = "cc",
  ["reply-to"] = "replyTo",
  ["subject"] = "subject",
  ["in-reply-to"] = "inReplyTo",
  ["references"] = "references",
  ["message-id"] = "messageId",
}

local KNOWN = {
  from = "string",
  to = "string",
  subject = "string",
  text = "string",
  html = "string",
  attachments = "table",
  headers = "table",
  raw = "string",
  spamScore = "number",
  captures = "table",
  client = "table",
}

-- Of a sender who has proved who he is: reply() is for nobody else.
local AUTH = { spf = "pass", dkim = "pass", dmarc = "pass" }

local function check(fields)
  for name, value in pairs(fields) do
    if name == "auth" then
      if value ~= false and type(value) ~= "table" then
        error('fake.message: auth is { dmarc = "pass", … }, or false: nothing was verified', 3)
      end
    elseif not KNOWN[name] then
      error(("fake.message: unknown field '%s'"):format(tostring(name)), 3)
    elseif type(value) ~= KNOWN[name] then
      error(("fake.message: %s must be a %s, got %s"):format(name, KNOWN[name], type(value)), 3)
    end
  end
end

local function build(fields, from, to)
  local mail = {
    from = from ~= "" and from or "postmaster@sender.test",
    to = to,
    subject = fields.subject or "Hello",
    text = fields.text or (not fields.html and "Hello.\n" or nil),
    html = fields.html,
    attachments = fields.attachments,
    messageId = "<1@sender.test>",
    headers = {},
  }
  for name, value in pairs(fields.headers or {}) do
    local built = BUILT[name:lower()]
    if built then
      mail[built] = value
    else
      mail.headers[name] = value
    end
  end
  local ok, raw = pcall(mime.build, mail)
  if not ok then
    error("fake.message: " .. tostring(raw):gsub("^.-mime%.build: ", ""), 3)
  end
  return raw
end

-- A message for worker:email(). What is not given is made up, and passes every check.
function fake.message(fields)
  fields = fields or {}
  check(fields)
  local from, to = fields.from or "anna@sender.test", fields.to or "support@corp.test"
  return {
    from = from,
    to = to,
    raw = fields.raw or build(fields, from, to),
    auth = fields.auth == nil and AUTH or fields.auth or {},
    spamScore = fields.spamScore,
    captures = fields.captures or {},
    client = fields.client or {},
  }
end

-- What worker:email() takes in env for a binding, in place of a text.
local bindings = setmetatable({}, { __mode = "k" })
local space_count = 0

local function binding(fields)
  local object = {}
  bindings[object] = fields
  return object
end

-- What is kept for a key: a value, or { value =, metadata = }.
local function kept(value)
  if type(value) ~= "table" then
    return { value = tostring(value) }
  end
  for name in pairs(value) do
    if name ~= "value" and name ~= "metadata" then
      error(("fake.kv: a pair has value and metadata, not '%s'"):format(tostring(name)), 3)
    end
  end
  local metadata = value.metadata ~= nil and json.encode(value.metadata) or nil
  return { value = tostring(value.value), metadata = metadata }
end

-- A KV namespace in memory, with these pairs in it. The same object is the same namespace in all messages of
-- a test, for all its workers.
function fake.kv(values)
  local given = {}
  for key, value in pairs(values or {}) do
    given[tostring(key)] = kept(value)
  end
  space_count = space_count + 1
  return binding { kind = "kv", space = tostring(space_count), pairs = given }
end

-- A limiter as in host.yaml: `limit` calls in `period` seconds, for each key. Time is the real one.
function fake.limiter(options)
  options = options or {}
  if type(options.limit) ~= "number" or type(options.period) ~= "number" then
    error("fake.limiter: write { limit = 10, period = 60 }", 2)
  end
  return binding { kind = "limiter", limit = options.limit, periodMs = options.period * 1000 }
end

-- What env.EMAIL is, say. Messages of the worker's own are in result.sends; anybody may be written to, in any
-- name.
function fake.send()
  return binding { kind = "send" }
end

-- What env.JOBS is, say. What is sent there is in result.queued; nobody handles it.
function fake.queue(name)
  if name ~= nil and type(name) ~= "string" then
    error("fake.queue: the queue's name must be a string, got " .. type(name), 2)
  end
  return binding { kind = "queue", space = name or "queue" }
end

-- What env.API is, say: each URL ("https://…" or "POST https://…") with what it is answered: a text, or
-- { status =, headers =, body = }. What was asked is in result.fetches; what has no answer here fails.
function fake.fetch(answers)
  local web = {}
  for url, answer in pairs(answers or {}) do
    if type(answer) ~= "table" then
      answer = { body = tostring(answer) }
    end
    for name in pairs(answer) do
      if name ~= "status" and name ~= "headers" and name ~= "body" then
        error(("fake.fetch: an answer has status, headers and body, not '%s'"):format(tostring(name)), 2)
      end
    end
    web[url] = answer
  end
  return binding { kind = "fetch", web = next(web) and web or nil }
end

-- Nil for what is no binding.
function fake.binding(object)
  return bindings[object]
end

local os_time, os_date, time_now = os.time, os.date, time.now
local now

-- Sets the clock of this test, of the workers it runs and of their KV, in seconds since 1970; it stands still
-- then. Nil lets it run again, as at the beginning of each test.
function fake.now(seconds)
  if seconds ~= nil and type(seconds) ~= "number" then
    error("fake.now: the time must be a number of seconds since 1970, got " .. type(seconds), 2)
  end
  now = seconds
  if now then
    require "test.clock"(now)
  else
    os.time, os.date, time.now = os_time, os_date, time_now -- luacheck: ignore 122
  end
end

function fake.clock()
  return now
end

return fake
