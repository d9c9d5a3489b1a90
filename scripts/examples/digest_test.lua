local worker = load_worker "digest"

local MORNING = 1795330800 -- Sunday, 2026-11-22 07:00

describe("digest", function()
  local env

  before_each(function()
    fake.now(MORNING - 3600)
    env = {
      OWNER = "anna@corp.test",
      FROM = "alerts@corp.test",
      URGENT = "down, critical",
      ITEMS = fake.kv(),
      EMAIL = fake.send(),
    }
  end)

  local function write(subject, from)
    local fields = { subject = subject, from = from or "monitor@sender.test", to = "alerts@corp.test" }
    return worker:email(fake.message(fields), { env = env })
  end

  local function morning(days)
    fake.now(MORNING + (days or 0) * 86400)
    return worker:scheduled({ cron = "0 7 * * *" }, { env = env })
  end

  it("tells once a day what has come", function()
    assert.same({}, write("Disk at 80 %").forwards)
    write("Sicherung für heute fertig", "")
    local result = morning()
    assert.equal("ok", result.outcome, result.error)
    assert.equal(1, #result.sends)
    local mail = result.sends[1]
    assert.equal("anna@corp.test", mail.to)
    assert.equal("2 messages until Sunday, 22 November", mail.subject)
    assert.contains("06:00  monitor@sender.test\n       Disk at 80 %\n", mail.text)
    assert.contains("a mail system\n       Sicherung für heute fertig\n", mail.text)
    assert.same({}, result.kv)
  end)

  it("tells each message once", function()
    write "One"
    morning()
    assert.same({}, morning(1).sends)
  end)

  it("is silent when there is nothing", function()
    assert.same({}, morning().sends)
  end)

  it("lets through what is urgent", function()
    local result = write "Database is DOWN"
    assert.equal("anna@corp.test", result.forwards[1].to)
    assert.same({}, morning().sends)
  end)

  it("keeps what could not be sent", function()
    write "One"
    local email = env.EMAIL
    env.EMAIL = nil
    assert.equal("exception", morning().outcome)
    env.EMAIL = email
    assert.contains("One", morning(1).sends[1].text)
  end)

  it("forgets what nobody has asked for in a week", function()
    write "One"
    assert.same({}, morning(8).sends)
  end)

  it("cuts long subjects between letters", function()
    write("x" .. ("ü"):rep(150))
    assert.contains("       x" .. ("ü"):rep(99) .. "…\n", morning().sends[1].text)
  end)

  it("has at most 500 lines", function()
    local items = {}
    for i = 1, 501 do
      local metadata = { from = "a@b.test", subject = i .. ".", at = 0 }
      items[("item:%04d"):format(i)] = { value = "", metadata = metadata }
    end
    env.ITEMS = fake.kv(items)
    local mail = morning().sends[1]
    assert.equal("500 messages until Sunday, 22 November", mail.subject)
    assert.contains("There are more", mail.text)
    assert.contains(" 501.", morning(1).sends[1].text)
  end)
end)
