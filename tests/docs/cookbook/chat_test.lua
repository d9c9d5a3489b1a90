local json = require "json"
local worker = load_worker "chat"

local HOOK = "https://chat.example.com/hooks/1"

it("tells the room", function()
  local env = { HOOK = HOOK, CHAT = fake.fetch { ["POST " .. HOOK] = "ok" } }
  local result = worker:email(fake.message { subject = "Grüße" }, { env = env })
  assert.equal("team@corp.test", result.forwards[1].to)
  assert.equal("anna@sender.test: Grüße", json.decode(result.fetches[1].body).text)
end)

it("loses no mail to a room that is down", function()
  local result = worker:email(fake.message(), { env = { HOOK = HOOK, CHAT = fake.fetch() } })
  assert.equal("ok", result.outcome)
  assert.equal(250, result.reply.code)
end)
