-- What a test asks of `postern test`. The question travels as the reply to the message that is this test's
-- run, the answer as the name of what was "sent": the isolate of a test differs in nothing from a worker's.
local json = require "json"

local host = { message = nil }

-- `question` is a table for JSON, `bytes` a string that need not be UTF-8. Errors are raised at the line of
-- the caller's caller.
function host.ask(question, bytes)
  local raw = json.encode(question) .. "\n" .. (bytes or "")
  local ok, answer = pcall(host.message.reply, host.message, { raw = raw })
  if not ok then
    error(type(answer) == "table" and answer.message or answer, 3)
  end
  return json.decode(answer.messageId)
end

return host
