-- An out-of-office that tells each sender once a week, however much he writes. What must never be answered
-- (robots, lists, bounces, senders who may be somebody else) Postern itself refuses to answer.
--
--   rules/example.com.yaml:
--     rules: [{to: dora@, worker: outofoffice}]
--
--   rules/host.yaml:
--     workers:
--       outofoffice: {vars: {OWNER: dora@corp.test, AWAY: "I am away."}, kv: {TOLD: told}}
--
--   variables:  OWNER   where the mail really goes
--               AWAY    what the sender is told; without it nobody is told anything
--   kv:         TOLD    who has been told, for a week
local WEEK_S = 7 * 24 * 3600

local function tell(message, env)
  local sender = message.from:lower()
  if sender == "" or env.TOLD:get(sender) then
    return
  end
  local ok, problem = pcall(message.reply, message, { text = env.AWAY .. "\n" })
  if not ok then
    return log.info("no reply:", problem)
  end
  -- Kept only now: who could not be told is told next time.
  env.TOLD:put(sender, os.date "!%Y-%m-%d", { expirationTtl = WEEK_S })
end

return {
  email = function(message, env, ctx)
    message:forward(env.OWNER or "owner@corp.test")
    if env.AWAY then
      ctx:waitUntil(function() -- the sender's server need not wait for our answer
        tell(message, env)
      end)
    end
  end,
}
