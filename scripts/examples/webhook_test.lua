local json = require "json"
local worker = load_worker "webhook"

local HOOK = "https://chat.test/hook/17"

local function tell(answer, fields)
  local chat = fake.fetch { ["POST " .. HOOK] = answer }
  local env = { OWNER = "me@corp.test", HOOK = HOOK, CHAT = chat }
  local result = worker:email(fake.message(fields), { env = env })
  assert.equal("ok", result.outcome)
  assert.equal("me@corp.test", result.forwards[1].to)
  return result
end

describe("webhook", function()
  it("tells the room who wrote what", function()
    local result = tell("ok", { subject = "Grüße", text = "Hello\nall.\n" })
    assert.equal(1, #result.fetches)
    assert.equal("application/json", result.fetches[1].headers["Content-Type"])
    assert.equal("anna@sender.test: Grüße\nHello all. ", json.decode(result.fetches[1].body).text)
    assert.same({}, result.logs)
  end)

  it("tells the beginning of a long text, in whole characters", function()
    local body = tell("ok", { text = "x" .. ("ü"):rep(300) .. "\n" }).fetches[1].body
    assert.equal("anna@sender.test: Hello\nx" .. ("ü"):rep(99) .. "…", json.decode(body).text)
  end)

  it("notes that the room does not want to hear", function()
    local result = tell { status = 403 }
    assert.matches("not told: the room answers 403", result.logs[1].text)
  end)

  it("notes that the room is not there", function()
    local result = worker:email(fake.message(), { env = { HOOK = HOOK, CHAT = fake.fetch() } })
    assert.equal("ok", result.outcome)
    assert.matches("not told", result.logs[1].text)
  end)
end)
