-- queue_event: what the `queue` handler is given. For the isolate's events. What it says of a message goes
-- to the host at once, which remembers it whatever becomes of the handler. The first word about a message
-- counts: there is no need to ask for the others.
local _, native = ...

local raise, settle = native.raise, native.settle
local format = string.format

local DELAY_SECONDS_MAX = 86400

local numbers = setmetatable({}, { __mode = "k" }) -- of message objects in their batch; of batch objects, 0
local is_said = setmetatable({}, { __mode = "k" })

local function check_object(self, call)
  return numbers[self] or raise(format("%s: call it with a colon, as in %s()", call, call))
end

local function check_delay(call, options)
  if options == nil then
    return nil
  elseif type(options) ~= "table" then
    raise(format("%s: write it as %s{ delaySeconds = 60 }, got %s", call, call, type(options)))
  end
  for key in pairs(options) do
    if key ~= "delaySeconds" then
      raise(format("%s: unknown field '%s'; it takes delaySeconds", call, tostring(key)))
    end
  end
  local delay = options.delaySeconds
  local is_good = type(delay) == "number" and delay >= 0 and delay <= DELAY_SECONDS_MAX
  if delay ~= nil and not is_good then
    raise(format("%s: delaySeconds is a number from 0 to %d, got %s", call, DELAY_SECONDS_MAX,
      tostring(delay)))
  end
  return delay
end

local function say(self, call, word, delay)
  local number = check_object(self, call)
  if not is_said[self] then
    local what = { message = number > 0 and number or nil, delaySeconds = delay }
    settle(call, native.wait_binding("", word, what))
    is_said[self] = true
  end
end

local message_methods, batch_methods = {}, {}

function message_methods.ack(self)
  say(self, "message:ack", "ack")
end

function message_methods.retry(self, options)
  say(self, "message:retry", "retry", check_delay("message:retry", options))
end

function batch_methods.ackAll(self)
  say(self, "batch:ackAll", "ack")
end

function batch_methods.retryAll(self, options)
  say(self, "batch:retryAll", "retry", check_delay("batch:retryAll", options))
end

local message_meta = { __index = message_methods, __metatable = "message" }
local batch_meta = { __index = batch_methods, __metatable = "batch" }

-- Of the host's event: { queue =, messages = { { id =, timestamp =, attempts =, body = bytes } } }.
return function(batch)
  for i, message in ipairs(batch.messages) do
    message.body = native.decode_value(message.body)
    numbers[setmetatable(message, message_meta)] = i
  end
  numbers[setmetatable(batch, batch_meta)] = 0
  return batch
end
