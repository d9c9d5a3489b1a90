local crypto = require "crypto"
local worker = load_worker "unsubscribe"

local function unsubscribe(mac)
  local env = { KEY = "secret", READERS = fake.kv { ["reader:a1"] = "anna@sender.test" } }
  return worker:email(fake.message { captures = { id = "A1", mac = mac } }, { env = env })
end

it("believes the right address only", function()
  local result = unsubscribe(crypto.hmac.sha256("secret", "a1"):sub(1, 16))
  assert.equal("ok", result.outcome)
  assert.same({}, result.kv)
  result = unsubscribe "0123456789abcdef"
  assert.equal("rejected", result.outcome)
  assert.equal("anna@sender.test", result.kv.READERS["reader:a1"])
end)
