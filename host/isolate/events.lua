-- What happens beside mail: for each handler a function that calls it with what the host says (worker/wire.h, EVENT)
-- made into the object that scripts know, and returns what the host is to be told of its result.
local events = {}

-- scheduled(event, env, ctx): { cron = "0 7 * * *", scheduledTime = milliseconds since 1970 }
function events.scheduled(handler, event, env, ctx)
  handler(event, env, ctx)
end

return events
