local crypto = require "crypto"
local json = require "json"
local worker = load_worker "hooks"

local BODY = json.encode { name = "postern", result = "failed", url = "https://builds.example.com/17" }

local function ask(signature)
  local headers = { ["X-Signature"] = signature }
  local request = { method = "POST", url = "/hooks/builds", headers = headers, body = BODY }
  return worker:fetch(request, { env = { KEY = "secret", EMAIL = fake.send() } })
end

describe("hooks", function()
  it("tells the team about a build", function()
    local result = ask(crypto.hmac.sha256("secret", BODY))
    assert.is_true(result.response:json().ok)
    assert.equal("postern: failed", result.sends[1].subject)
    assert.equal("See https://builds.example.com/17\n", result.sends[1].text)
  end)

  it("does not listen to strangers", function()
    for _, signature in ipairs { "wrong", "" } do
      local result = ask(signature)
      assert.equal(403, result.response.status)
      assert.same({}, result.sends)
    end
  end)
end)
