-- load_worker(name): the script NAME.lua beside the test, to be given messages, times and batches.
local fake = require "test.fake"
local host = require "test.host"
local http_fields = require "http_fields"
local json = require "json"
local mime = require "mime"

local error, ipairs, pairs, setmetatable, tostring, type = error, ipairs, pairs, setmetatable, tostring, type

local Worker = {}
Worker.__index = Worker

-- A message as it was sent: `to` (of the envelope), `raw`, `upstream` …, and what mime.parse finds in it.
local Sent = {
  __index = function(sent, key)
    return mime.parse(sent.raw)[key]
  end,
}

-- { dmarc = "pass" } as "dmarc=pass", { ["me@dest.test"] = "550" } as a list of "me@dest.test=550".
local function pairs_as_texts(values)
  local texts = {}
  for key, value in pairs(values or {}) do
    texts[#texts + 1] = tostring(key) .. "=" .. tostring(value)
  end
  return texts
end

local function texts_by_name(values)
  local texts = {}
  for name, value in pairs(values or {}) do
    texts[tostring(name)] = tostring(value)
  end
  return next(texts) and texts or nil
end

-- The variables among what a test has put into env, its bindings, what is in namespaces that no message has
-- seen yet, and what servers answer.
local function parts_of(env)
  local variables, bindings, namespaces, web = {}, {}, {}, {}
  for name, value in pairs(env or {}) do
    local fields = fake.binding(value)
    if fields then
      bindings[#bindings + 1] = {
        name = name,
        kind = fields.kind,
        space = fields.space,
        limit = fields.limit,
        periodMs = fields.periodMs,
      }
      web[name] = fields.web
      if fields.pairs then
        namespaces[fields.space], fields.pairs = fields.pairs, nil
      end
    else
      variables[name] = value
    end
  end
  table.sort(bindings, function(a, b)
    return a.name < b.name
  end)
  return texts_by_name(variables), bindings, next(namespaces) and namespaces, next(web) and web
end

-- Errors are raised at the line of the test.
local function check_options(method, options)
  if type(options) ~= "table" then
    error(("worker:%s: the options must be a table, got %s"):format(method, type(options)), 3)
  end
  for name, value in pairs(options) do
    if name ~= "env" and name ~= "upstream" then
      error(("worker:%s: unknown option '%s'; there are env and upstream"):format(method, tostring(name)), 3)
    elseif type(value) ~= "table" then
      error(("worker:%s: %s must be a table, got %s"):format(method, name, type(value)), 3)
    end
  end
end

-- Adds what every question has.
local function question_of(worker, options, question)
  local variables, bindings, namespaces, web = parts_of(options.env)
  question.worker = worker.name
  question.now = fake.clock()
  question.env = variables
  question.bindings = bindings
  question.namespaces = namespaces or nil
  question.web = web or nil
  question.upstreams = pairs_as_texts(options.upstream)
  return question
end

-- `message` is nil where there was none.
local function result_of(report, message)
  for _, list in ipairs { report.sends, report.forwards, report.replies } do
    for _, sent in ipairs(list) do
      sent.raw = sent.raw or message.raw -- a forward that changes nothing
      setmetatable(sent, Sent)
    end
  end
  local kv = {}
  for _, pair in ipairs(report.kv) do
    kv[pair.binding] = kv[pair.binding] or {}
    kv[pair.binding][pair.key] = pair.value
  end
  return {
    outcome = report.outcome,
    forwards = report.forwards,
    replies = report.replies,
    sends = report.sends,
    fetches = report.fetches,
    queued = report.queued,
    messages = report.messages,
    rejectReason = report.rejectReason,
    error = report.error,
    traceback = report.traceback,
    logs = report.log,
    reply = report.smtpReply,
    kv = kv,
    cpuUs = report.cpuUs,
  }
end

-- Gives the worker a message, waits until it is done with it (waitUntil functions included) and returns
-- { outcome, forwards, replies, sends, fetches, rejectReason, logs, reply, error, traceback, kv }.
function Worker:email(message, options)
  options = options or {}
  check_options("email", options)
  if type(message) ~= "table" or not message.raw then
    error("worker:email: the message is what fake.message{ … } makes", 2)
  end
  local question = question_of(self, options, {
    ask = "email",
    from = message.from,
    to = message.to,
    auth = table.concat(pairs_as_texts(message.auth), ","),
    spamScore = message.spamScore,
    captures = texts_by_name(message.captures),
    client = texts_by_name(message.client),
  })
  local report = host.ask(question, message.raw)
  if report.outcome == "broken" then
    error(report.error, 2)
  end
  return result_of(report, message)
end

local event_kinds = { cron = "string", scheduledTime = "number" }

-- The same for a time of its `cron:`, { cron, scheduledTime }; returns what email() does, without what only a
-- message brings about.
function Worker:scheduled(event, options)
  options, event = options or {}, event or {}
  check_options("scheduled", options)
  if type(event) ~= "table" then
    error("worker:scheduled: the event must be a table { cron, scheduledTime }, got " .. type(event), 2)
  end
  for name, value in pairs(event) do
    if type(value) ~= event_kinds[name] then
      local got = tostring(name) .. ", a " .. type(value)
      error("worker:scheduled: the event has cron, a string, and scheduledTime, a number; got " .. got, 2)
    end
  end
  local now_ms = (fake.clock() or os.time()) * 1000
  local report = host.ask(question_of(self, options, {
    ask = "scheduled",
    cron = event.cron or "* * * * *",
    scheduledTime = event.scheduledTime or now_ms - now_ms % 60000,
  }))
  if report.outcome == "broken" then
    error(report.error, 2)
  end
  return result_of(report)
end

local request_kinds = { method = "string", url = "string", headers = "table", body = "string", ip = "string" }

local function check_request(request)
  if type(request) ~= "table" or request.url == nil then
    error("worker:fetch: the request is a table such as { method = \"POST\", url = \"/hooks/x\" }", 3)
  end
  for name, value in pairs(request) do
    if not request_kinds[name] then
      error(("worker:fetch: unknown field '%s'; there are method, url, headers, body, ip")
        :format(tostring(name)), 3)
    elseif type(value) ~= request_kinds[name] then
      error(("worker:fetch: %s must be a %s, got %s"):format(name, request_kinds[name], type(value)), 3)
    end
  end
end

local function header_list(headers)
  local list = {}
  for name, value in pairs(headers or {}) do
    list[#list + 1] = { name = tostring(name), value = tostring(value) }
  end
  return list
end

local Response = {}
Response.__index = Response

function Response:json()
  return json.decode(self.body)
end

local function response_of(given)
  for _, field in ipairs(given.headers) do
    field.name = field.name:lower()
  end
  http_fields.object(given.headers)
  return setmetatable(given, Response)
end

-- The same for an HTTP request, { method, url, headers, body, ip }; the result's response is what its client
-- gets: { status, headers, body }, and json().
function Worker:fetch(request, options)
  options = options or {}
  check_options("fetch", options)
  check_request(request)
  local report = host.ask(question_of(self, options, {
    ask = "fetch",
    method = request.method or "GET",
    target = request.url,
    headers = header_list(request.headers),
    ip = request.ip,
  }), request.body)
  if report.outcome == "broken" then
    error(report.error, 2)
  end
  local result = result_of(report)
  result.response = response_of(report.response)
  return result
end

local message_kinds = { id = "string", timestamp = "number", attempts = "number" }

local function check_batch(batch)
  if type(batch) ~= "table" or type(batch.messages) ~= "table" or #batch.messages == 0 then
    error("worker:queue: the batch is a table such as { messages = { { body = 1 } } }", 3)
  end
  for _, message in ipairs(batch.messages) do
    for name, value in pairs(type(message) == "table" and message or { message }) do
      if name ~= "body" and type(value) ~= message_kinds[name] then
        error("worker:queue: a message has body, and may have id (a string), timestamp and attempts", 3)
      end
    end
  end
end

-- The same for a batch, { queue, messages = { { body, attempts, id, timestamp } } }; the result's messages
-- say what became of each: { id, result = "ack" or "retry", delaySeconds }.
function Worker:queue(batch, options)
  options = options or {}
  check_options("queue", options)
  check_batch(batch)
  local report = host.ask(question_of(self, options, {
    ask = "queue",
    queue = batch.queue or "queue",
    messages = batch.messages,
  }))
  if report.outcome == "broken" then
    error(report.error, 2)
  end
  return result_of(report)
end

return function(name)
  if type(name) ~= "string" or name:find "[^%w_.-]" then
    error("load_worker: the name is that of a script beside the test, without .lua", 2)
  end
  return setmetatable({ name = name }, Worker)
end
