local json = require "json"
local worker = load_worker "codes"

local function run(text, answer)
  local env = { TESTS = fake.fetch { ["POST https://tests.example.com/codes"] = answer or "ok" } }
  return worker:email(fake.message { text = text }, { env = env })
end

it("finds the code", function()
  assert.equal("rejected", run("Hello.\n").outcome)
  local result = run "Your sign-in code is\n\n  123456\n"
  assert.equal("123456", json.decode(result.fetches[1].body).code)
  assert.equal("ok", result.outcome)
end)

it("lets the sender come again when the tests are down", function()
  assert.equal(451, run("PIN: 1234", { status = 503 }).reply.code)
end)
