-- Reads what mail systems say about mail that we have sent: addresses that are no good, and people who call
-- it spam, are written to no more. lib/suppression.lua tells how the workers that send ask for that.
--
--   rules/example.com.yaml:
--     subaddressing: true
--     rules: [{to: bounces@, worker: bounces}]
--
--   rules/host.yaml (the same for the workers that send):
--     workers:
--       bounces:
--         kv: {SUPPRESSED: suppressed}
--         secrets: {BOUNCE_KEY: {file: /etc/postern/bounce-key}}
--
-- A message sent with env.EMAIL:send comes back, if it does, to its returnPath (without one, to its From).
-- Anybody can write a report; these here are believed because the address that they come to, the return path,
-- is signed, and they count against nobody but the one to whom the message with that return path was sent.
local dsn = require "dsn"
local suppression = require "lib.suppression"

local DAYS_AFTER_BOUNCE = 180 -- addresses are given to others, mailboxes are opened again

-- Of the failures that a report has, the one that weighs most.
local function worst_of(recipients)
  local worst
  for _, recipient in ipairs(recipients) do
    if recipient.action == "failed" and (not worst or recipient.isHard) then
      worst = recipient
    end
  end
  return worst
end

-- What is said about us, not about the address; a person has to look at it.
local OURS = { spam = true, policy = true, block = true, authentication = true, content = true, loop = true }

local reports = {}

function reports.bounce(report, who, env)
  local failure = worst_of(report.recipients)
  local text = ("%s %s"):format(failure.status or "", failure.diagnostic)
  if failure.isHard then
    suppression.add(env.SUPPRESSED, who, "bounce", text, DAYS_AFTER_BOUNCE)
  elseif OURS[failure.class] then
    log.warn("mail to", who, "was refused for what it is:", text)
  else
    suppression.add_soft(env.SUPPRESSED, who, text)
  end
end

function reports.feedback(report, who, env)
  local kind = report.feedback.type
  if kind == "abuse" or kind == "fraud" then
    suppression.add(env.SUPPRESSED, who, "complaint", kind) -- until somebody takes it off the list
  end
end

return {
  email = function(message, env)
    local report = dsn.parse(message)
    local read = report and reports[report.kind]
    if not read then -- a vacation notice, a delay: nothing has failed
      return log.info("passed over:", message:parse().subject)
    end

    -- A complaint comes to where its sender was told to send complaints, and has the return path within.
    local return_path = report.kind == "feedback" and report.feedback.sender or message.to
    local who = suppression.recipient_of(return_path, env.BOUNCE_KEY)
    if not who then
      return log.warn("a", report.kind, "of what was not sent with our return path:", return_path)
    end
    read(report, who, env)
  end,
}
