local digest = load_worker "digest"

describe("digest", function()
  local env

  before_each(function()
    env = { SUBJECTS = fake.kv(), EMAIL = fake.send() }
  end)

  local function run()
    local result = digest:scheduled({ cron = "0 7 * * mon-fri" }, { env = env })
    assert.equal("ok", result.outcome, result.error)
    return result
  end

  it("tells what has come, once", function()
    for _, subject in ipairs { "First", "Zweite Grüße" } do
      local result = digest:email(fake.message { subject = subject }, { env = env })
      assert.equal("archive@corp.test", result.forwards[1].to)
    end
    local sent = run().sends[1]
    assert.equal("2 messages", sent.subject)
    assert.equal(" * First\n * Zweite Grüße\n", sent.text)
    assert.same({}, run().sends)
  end)

  it("is silent when nothing has come", function()
    local result = run()
    assert.same({}, result.sends)
    assert.equal("nothing has come", result.logs[1].text)
  end)
end)
