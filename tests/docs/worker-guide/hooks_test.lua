local crypto = require "crypto"
local json = require "json"
local handlers = load_worker "handlers"

local BODY = json.encode { name = "postern", result = "failed", url = "https://builds.example.com/17" }

local function ask(signature)
  local event = json.encode { body = BODY, headers = { ["X-Signature"] = signature } }
  local captures = { worker = "hooks", handler = "fetch", event = event }
  local env = { KEY = "secret", EMAIL = fake.send() }
  local result = handlers:email(fake.message { captures = captures }, { env = env })
  assert.equal("ok", result.outcome, result.error)
  return json.decode(result.logs[1].text), result.sends[1]
end

describe("hooks", function()
  it("tells the team about a build", function()
    local answer, sent = ask(crypto.hmac.sha256("secret", BODY))
    assert.is_true(answer.json.ok)
    assert.equal("postern: failed", sent.subject)
    assert.equal("See https://builds.example.com/17\n", sent.text)
  end)

  it("does not listen to strangers", function()
    local answer, sent = ask "wrong"
    assert.equal(403, answer.status)
    assert.is_nil(sent)
    assert.equal(403, ask().status)
  end)
end)
