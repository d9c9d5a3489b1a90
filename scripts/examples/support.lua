-- A help desk in one file: gives each request a number, passes it on to the team, and tells the sender.
--
--   rules/example.com.yaml:
--     rules: [{to: support@, worker: support}]
--
--   rules/host.yaml:
--     workers:
--       support: {vars: {TEAM: team@corp.test}}
--
--   variables:  TEAM    who answers requests
--
-- A worker keeps nothing when it is restarted, so a number is made of the date and of chance; without vowels,
-- since nobody wants a ticket that spells something.
local LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

local THANKS = [[
Thank you, we have your message.
Its number is %s; please keep it in the subject.
]]

local function new_ticket()
  local letters = {}
  for i = 1, 4 do
    local n = math.random(#LETTERS)
    letters[i] = LETTERS:sub(n, n)
  end
  return os.date "%y%m%d-" .. table.concat(letters)
end

return {
  email = function(message, env, ctx)
    local subject = message.headers:get "Subject" or "(no subject)"

    -- An answer to a request we know keeps its number.
    local ticket = subject:match "%[#(%d+%-%u+)%]"
    local is_new = ticket == nil
    ticket = ticket or new_ticket()

    -- The team first: when this fails the error goes up, the sender's server keeps the message and tries
    -- again later. Nothing is lost, nobody has been told anything untrue.
    message:forward(env.TEAM or "team@corp.test", { ["X-Ticket"] = ticket })
    log.info("ticket", ticket, is_new and "opened by" or "continued by", message.from)

    if is_new then
      -- Robots and lists get no reply, by Postern's own rules: fine.
      local ok, problem = pcall(message.reply, message, {
        subject = ("[#%s] %s"):format(ticket, subject),
        text = THANKS:format(ticket),
      })
      if not ok then
        log.info("no reply:", problem)
      end
    end
  end,
}
