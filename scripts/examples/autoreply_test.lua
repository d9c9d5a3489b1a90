local worker = load_worker "autoreply"

local env = { OWNER = "me@corp.test", AWAY = "I am away until Monday." }

local function answered(fields)
  local result = worker:email(fake.message(fields), { env = env })
  assert.equal("ok", result.outcome)
  assert.equal("me@corp.test", result.forwards[1].to, "the mail itself goes on in any case")
  return result.replies[1], result.logs[1] and result.logs[1].text
end

describe("autoreply", function()
  it("tells the sender", function()
    local reply = answered { subject = "Lunch?", headers = { ["Message-ID"] = "<7@sender.test>" } }
    assert.equal("anna@sender.test", reply.to)
    assert.equal("Re: Lunch?", reply.subject)
    assert.contains("away until Monday", reply.text)
    assert.equal("<7@sender.test>", reply.inReplyTo)
    assert.matches("^auto%-replied", reply.headers:get "Auto-Submitted")
  end)

  describe("does not answer", function()
    -- Each would be the beginning of a loop, or a nuisance to many.
    local robots = {
      ["another robot"] = { headers = { ["Auto-Submitted"] = "auto-replied" } },
      ["a mailing list"] = { headers = { ["List-Id"] = "<talk.sender.test>" } },
      ["bulk mail"] = { headers = { Precedence = "bulk" } },
      ["a bounce"] = { from = "" },
      ["who may be somebody else"] = { auth = { dmarc = "fail" } },
    }
    for who, fields in pairs(robots) do
      it(who, function()
        local reply, log = answered(fields)
        assert.is_nil(reply)
        assert.matches("^no reply:", log)
      end)
    end
  end)

  it("is silent without a text", function()
    local result = worker:email(fake.message(), { env = { OWNER = "me@corp.test" } })
    assert.same({}, result.replies)
  end)

  it("says nothing when the mail could not be passed on", function()
    local upstream = { ["me@corp.test"] = "550 5.1.1 gone" }
    local result = worker:email(fake.message(), { env = env, upstream = upstream })
    assert.equal(550, result.reply.code)
    assert.same({}, result.replies)
  end)
end)
