-- Tells a chat room about each mail, and passes the mail on. The mail comes first: it goes on whether or not
-- the room hears of it.
--
--   rules/example.com.yaml:
--     rules: [{to: info@, worker: webhook}]
--
--   rules/host.yaml:
--     workers:
--       webhook:
--         vars: {OWNER: anna@corp.test}
--         secrets: {HOOK: {file: /etc/postern/chat-hook}}
--         fetch: {CHAT: {hosts: [chat.example.com]}}
--
--   variables:  OWNER   where the mail goes
--   secrets:    HOOK    the room's URL: whoever knows it can write there
--   fetch:      CHAT    with the hook's host in `hosts:`
local json = require "json"

local TEXT_MAX = 200

-- The beginning of the text, in one line. The limit counts bytes; a character that it cuts is left out.
local function beginning(text)
  text = text:gsub("%s+", " "):gsub("^ ", "")
  if #text <= TEXT_MAX then
    return text
  end
  return text:sub(1, TEXT_MAX):gsub("[\192-\255][\128-\191]*$", "") .. "…"
end

local function tell(env, mail, sender)
  local answer = env.CHAT:fetch(env.HOOK, {
    method = "POST",
    headers = { ["Content-Type"] = "application/json" },
    body = json.encode {
      text = ("%s: %s\n%s"):format(sender, mail.subject, beginning(mail.text or "")),
    },
    timeout = 10,
  })
  if not answer.ok then
    error("the room answers " .. answer.status, 0)
  end
end

return {
  email = function(message, env, ctx)
    message:forward(env.OWNER or "owner@corp.test")

    local mail, sender = message:parse(), message.from
    ctx:waitUntil(function() -- the sender's server does not wait for the room
      local ok, problem = pcall(tell, env, mail, sender)
      if not ok then
        log.warn("the room was not told:", problem)
      end
    end)
  end,
}
