local json = require "json"
local worker = load_worker "team"

local function env(blocked)
  return { BLOCKED = fake.kv(blocked), CHAT = fake.fetch { ["POST https://chat.example.com/hook"] = "ok" } }
end

it("forwards and tells the room", function()
  local result = worker:email(fake.message { subject = "Hi" }, { env = env() })
  assert.same({ ["X-Subject"] = "Hi" }, result.forwards[1].headers)
  assert.equal("Mail from anna@sender.test", json.decode(result.fetches[1].body).text)
end)

it("refuses who is blocked", function()
  local result = worker:email(fake.message(), { env = env { ["anna@sender.test"] = "yes" } })
  assert.equal("Address not allowed", result.rejectReason)
end)
