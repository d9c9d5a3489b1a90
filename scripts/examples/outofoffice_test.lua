local worker = load_worker "outofoffice"

describe("outofoffice", function()
  local env

  before_each(function()
    env = { OWNER = "me@corp.test", AWAY = "I am away.", TOLD = fake.kv() }
  end)

  local function write(from, more)
    more = more or {}
    more.from = from
    local result = worker:email(fake.message(more), { env = env })
    assert.equal("me@corp.test", result.forwards[1].to)
    return result
  end

  it("tells each sender once", function()
    assert.equal("I am away.\n", write("anna@sender.test").replies[1].text)
    assert.same({}, write("Anna@sender.test").replies)
    assert.equal(1, #write("ben@sender.test").replies)
  end)

  it("tells them again after a week", function()
    fake.now(1795305600) -- 2026-11-22
    assert.equal(1, #write("anna@sender.test").replies)
    fake.now(1795305600 + 6 * 86400)
    assert.equal(0, #write("anna@sender.test").replies)
    fake.now(1795305600 + 8 * 86400)
    assert.equal(1, #write("anna@sender.test").replies)
  end)

  it("tells those again who could not be told", function()
    local list = write("anna@sender.test", { headers = { ["List-Id"] = "<talk.sender.test>" } })
    assert.same({}, list.replies)
    assert.same({}, list.kv)
    assert.equal(1, #write("anna@sender.test").replies)
  end)

  it("answers no bounce", function()
    assert.same({}, write("").replies)
  end)

  it("is silent without a text", function()
    env.AWAY = nil
    assert.same({}, write("anna@sender.test").replies)
  end)
end)
