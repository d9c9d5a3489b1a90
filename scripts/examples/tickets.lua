-- A help desk whose tickets have running numbers, and whose answers find back to their ticket.
--
--   rules/example.com.yaml:
--     rules: [{to: support@, worker: tickets}]
--
--   rules/host.yaml:
--     workers:
--       tickets: {vars: {TEAM: team@corp.test}, kv: {TICKETS: tickets}}
--
--   variables:  TEAM      who answers requests
--   kv:         TICKETS   the last number, and for each ticket who opened it
local json = require "json"

-- The number in "Re: [#17] It is broken", if that is a ticket that this sender has opened: anybody can write
-- a number into a subject.
local function find_ticket(subject, sender, tickets)
  local number = subject:match "%[#(%d+)%]"
  local ticket = number and tickets:get("ticket:" .. number, { type = "json" })
  return ticket and ticket.from == sender and number or nil
end

local function open_ticket(subject, sender, tickets)
  local number = ("%d"):format(tickets:increment "last")
  tickets:put("ticket:" .. number, json.encode { from = sender, subject = subject, opened = os.time() })
  return number
end

local THANKS = [[
Thank you, we have your message.
Its number is %s; please keep it in the subject.
]]

return {
  email = function(message, env)
    local subject = message:parse().subject
    local known = find_ticket(subject, message.from, env.TICKETS)
    local number = known or open_ticket(subject, message.from, env.TICKETS)

    message:forward(env.TEAM or "team@corp.test", { ["X-Ticket"] = number })
    if known then
      return
    end

    -- Robots and lists get no reply, by Postern's own rules: fine.
    local ok, problem = pcall(message.reply, message, {
      subject = ("[#%s] %s"):format(number, subject),
      text = THANKS:format(number),
    })
    if not ok then
      log.info("no reply:", problem)
    end
  end,
}
