-- One mail a day instead of many: what comes to an address is put down, and told to its owner in the morning,
-- by one of the hosts. The mail itself is not kept.
--
--   rules/example.com.yaml:
--     rules: [{to: alerts@, worker: digest}]
--
--   rules/host.yaml:
--     workers:
--       digest:
--         cron: "0 7 * * *"
--         vars: {OWNER: anna@corp.test, FROM: alerts@example.com, URGENT: "down, critical"}
--         kv: {ITEMS: digest}
--         send: {EMAIL: {from: [alerts@example.com], to: [anna@corp.test]}}
--         limits: {calls: 600}
--
--   variables:  OWNER    who gets it
--               FROM     in whose name
--               URGENT   words in a subject that do not wait: such mail goes on at once
--   kv:         ITEMS    for each message that has not been told: who, what, when
local crypto = require "crypto"
local time = require "time"

local WEEK_S = 7 * 24 * 3600
local LINES_MAX = 500 -- of one mail; what is more comes with the next
local SUBJECT_BYTES_MAX = 200

local function is_urgent(subject, words)
  subject = subject:lower()
  for word in (words or ""):lower():gmatch "[^%s,]+" do
    if subject:find(word, 1, true) then
      return true
    end
  end
  return false
end

local function shortened(text)
  if #text <= SUBJECT_BYTES_MAX then
    return text
  end
  return text:sub(1, SUBJECT_BYTES_MAX):gsub("[\192-\255][\128-\191]*$", "") .. "…"
end

-- Keys sort by time, and no two messages have the same.
local function put_down(mail, sender, items)
  items:put("item:" .. crypto.uuid(7), "", {
    metadata = { from = sender, subject = shortened(mail.subject), at = os.time() },
    expirationTtl = WEEK_S,
  })
end

local function told(items)
  local lines = {}
  for i, item in ipairs(items) do
    local what = item.metadata
    lines[i] = ("%s  %s\n       %s\n"):format(time.format("%H:%M", what.at), what.from, what.subject)
  end
  return table.concat(lines, "\n")
end

return {
  email = function(message, env)
    local mail = message:parse()
    if is_urgent(mail.subject, env.URGENT) then
      return message:forward(env.OWNER)
    end
    put_down(mail, message.from ~= "" and message.from or "a mail system", env.ITEMS)
  end,

  scheduled = function(event, env)
    local page = env.ITEMS:list { prefix = "item:", limit = LINES_MAX }
    if #page.keys == 0 then
      return
    end
    local day = time.format("%A, %d %B", event.scheduledTime / 1000)
    local more = page.listComplete and "" or "\nThere are more, which come with the next mail.\n"
    env.EMAIL:send {
      from = env.FROM,
      to = env.OWNER,
      subject = ("%d messages until %s"):format(#page.keys, day),
      text = told(page.keys) .. more,
    }
    -- Only now: what could not be sent is told the next time.
    for _, item in ipairs(page.keys) do
      env.ITEMS:delete(item.name)
    end
  end,
}
