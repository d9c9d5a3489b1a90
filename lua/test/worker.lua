-- load_worker(name): the script NAME.lua beside the test, to be given messages.
local fake = require "test.fake"
local host = require "test.host"
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

local function check_options(options)
  if type(options) ~= "table" then
    error("worker:email: the options must be a table, got " .. type(options), 3)
  end
  for name, value in pairs(options) do
    if name ~= "env" and name ~= "upstream" then
      error(("worker:email: unknown option '%s'; there are env and upstream"):format(tostring(name)), 3)
    elseif type(value) ~= "table" then
      error(("worker:email: %s must be a table, got %s"):format(name, type(value)), 3)
    end
  end
end

local function result_of(report, message)
  for _, list in ipairs { report.forwards, report.replies, report.sends } do
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
  check_options(options)
  if type(message) ~= "table" or not message.raw then
    error("worker:email: the message is what fake.message{ … } makes", 2)
  end
  local variables, bindings, namespaces, web = parts_of(options.env)
  local report = host.ask({
    ask = "email",
    worker = self.name,
    now = fake.clock(),
    env = variables,
    bindings = bindings,
    namespaces = namespaces or nil,
    web = web or nil,
    upstreams = pairs_as_texts(options.upstream),
    from = message.from,
    to = message.to,
    auth = table.concat(pairs_as_texts(message.auth), ","),
    spamScore = message.spamScore,
    captures = texts_by_name(message.captures),
    client = texts_by_name(message.client),
  }, message.raw)
  if report.outcome == "broken" then
    error(report.error, 2)
  end
  return result_of(report, message)
end

return function(name)
  if type(name) ~= "string" or name:find "[^%w_.-]" then
    error("load_worker: the name is that of a script beside the test, without .lua", 2)
  end
  return setmetatable({ name = name }, Worker)
end
