-- What happens beside mail: for each handler a function that calls it with what the host says (worker/wire.h, EVENT)
-- made into the object that scripts know, and returns what the host is to be told of its result.
local native = ...

local events = {}

-- scheduled(event, env, ctx): { cron = "0 7 * * *", scheduledTime = milliseconds since 1970 }
function events.scheduled(handler, event, env, ctx)
  handler(event, env, ctx)
end

-- fetch(request, env, ctx): what it returns is the response.
function events.fetch(handler, event, env, ctx)
  local http = native.require "http_event"
  return http.response(handler, handler(http.request(event), env, ctx))
end

-- queue(batch, env, ctx)
function events.queue(handler, event, env, ctx)
  handler(native.require("queue_event")(event), env, ctx)
end

return events
