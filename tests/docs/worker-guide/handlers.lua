-- Calls another handler of a worker, which its tests name in captures: what `postern test` gives messages to has `email`.
local json = require "json"

local workers = { hooks = require "hooks" }

-- A request as the server makes it, of { body =, headers = }.
local function request(fields)
  return {
    body = fields.body,
    headers = {
      get = function(_, name)
        return fields.headers[name]
      end,
    },
    json = function(self)
      return json.decode(self.body)
    end,
  }
end

return {
  email = function(message, env, ctx)
    local worker = workers[message.captures.worker]
    local fields = json.decode(message.captures.event)
    log.info(json.encode(worker.fetch(request(fields), env, ctx)))
  end,
}
