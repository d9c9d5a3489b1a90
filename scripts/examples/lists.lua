-- Lets in who is on one list and nobody who is on the other; both are about senders that have proved who they
-- are, since anybody can write any name on an envelope.
--
--   rules/example.com.yaml:
--     catch_all: {worker: lists}
--
--   rules/host.yaml:
--     workers:
--       lists: {vars: {ALLOW: "@partner.test", BLOCK: "@spam.test", OWNER: anna@corp.test}}
--
--   variables:  ALLOW   "anna@corp.test, @partner.test": these get in, whatever else
--               BLOCK   "@spam.test, bob@sender.test": these do not
--               OWNER   where mail goes that gets in
local function entries(list)
  local wanted = {}
  for entry in (list or ""):gmatch "[^%s,]+" do
    wanted[entry:lower()] = true
  end
  return wanted
end

-- An entry is an address, or a domain after an @.
local function is_on(list, sender)
  local wanted = entries(list)
  sender = sender:lower()
  return wanted[sender] or wanted[sender:match "@[^@]*$" or ""] or false
end

return {
  email = function(message, env)
    local is_proved = message.auth.dmarc.result == "pass"

    if is_on(env.ALLOW, message.from) and is_proved then
      log.info("allowed:", message.from)
    elseif is_on(env.BLOCK, message.from) then
      return message:setReject "mail from you is not wanted here"
    elseif is_on(env.ALLOW, message.from) then
      -- Somebody uses the name of one we trust: said openly, so that a friend with a broken set-up knows.
      return message:setReject "your domain's DMARC policy does not let this message pass"
    end

    message:forward(env.OWNER or "owner@corp.test")
  end,
}
