local worker = load_worker "lists"

local env = { ALLOW = "anna@corp.test, @partner.test", BLOCK = "@spam.test", OWNER = "me@corp.test" }

local function from(sender, auth)
  return worker:email(fake.message { from = sender, auth = auth }, { env = env })
end

describe("lists", function()
  it("lets everybody in who is on neither list", function()
    assert.equal("me@corp.test", from("carol@sender.test").forwards[1].to)
  end)

  it("lets an allowed domain in, whatever the case", function()
    local result = from "Ben@Partner.TEST"
    assert.equal("ok", result.outcome)
    assert.equal("allowed: Ben@Partner.TEST", result.logs[1].text)
  end)

  it("refuses a blocked domain", function()
    local result = from "mallory@spam.test"
    assert.equal("mail from you is not wanted here", result.rejectReason)
    assert.same({}, result.forwards)
  end)

  it("does not take a part of a domain for the domain", function()
    assert.equal("ok", from("mallory@notspam.test").outcome)
    assert.equal("ok", from("mallory@spam.test.sender.test").outcome)
  end)

  it("refuses who only says that he is one we trust", function()
    local result = from("anna@corp.test", { dmarc = "fail" })
    assert.equal(550, result.reply.code)
    assert.matches("DMARC", result.reply.text)
  end)

  it("lets bounces in", function()
    assert.equal("ok", from("").outcome)
  end)
end)
