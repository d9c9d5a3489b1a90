local json = require "json"
local worker = load_worker "codes"

local HOOK = "https://chat.test/hook"

describe("codes", function()
  local env

  before_each(function()
    env = {
      SERVICES = "github.test, Bank.test",
      CODES = fake.kv(),
      PER_SERVICE = fake.limiter { limit = 3, period = 3600 },
    }
  end)

  local function write(text, fields)
    fields = fields or {}
    fields.text = text
    fields.from = fields.from or "noreply@github.test"
    fields.to = fields.to or "codes@corp.test"
    return worker:email(fake.message(fields), { env = env })
  end

  local function code_in(text, subject)
    local result = write(text, { subject = subject or "Hello" })
    assert.equal("ok", result.outcome, result.error)
    return result.kv.CODES and result.kv.CODES["github.test"]
  end

  describe("are found", function()
    local texts = {
      ["in a sentence"] = { "Your verification code is 123456.", "123456" },
      ["before the word"] = { "123456 is your GitHub code", "123456" },
      ["in two halves"] = { "Security code: 123-456\n", "123456" },
      ["with letters"] = { "Use this device code: AB12-CD34", "AB12CD34" },
      ["on a line of their own"] = { "Here is your password\n\nfor 2026:\n\n  7731\n\nBye.", "7731" },
      ["in other languages"] = { "Ihr Code lautet 0815", "0815" },
      ["past a number that is none"] = { "Order 99.123456\nYour PIN: 4711", "4711" },
    }
    for where, case in pairs(texts) do
      it(where, function()
        assert.equal(case[2], code_in(case[1]))
      end)
    end

    it("in the subject", function()
      assert.equal("8842", code_in("See above.", "8842 is your login code"))
    end)

    it("in HTML", function()
      local html = "<p>Your code:</p><table><tr><td><b>246 810</b></td></tr></table>"
      assert.equal("246810", write(nil, { html = html }).kv.CODES["github.test"])
    end)
  end)

  it("are not seen where there is none", function()
    for _, text in ipairs { "Our code of conduct.", "We are 123456 people.", "Code A1-B2, code x123456" } do
      assert.is_nil(code_in(text), text)
    end
  end)

  it("have the tag of the address in their key", function()
    local result = write("Code: 1234", { from = "info@mail.bank.test", to = "codes+Anna@corp.test" })
    assert.same({ ["bank.test/anna"] = "1234" }, result.kv.CODES)
  end)

  it("are not in the log", function()
    local result = write "Code: 1234"
    assert.equal("a code of github.test", result.logs[1].text)
  end)

  it("are told to a hook, and mail goes on", function()
    env.OWNER, env.HOOK, env.CHAT = "anna@corp.test", HOOK, fake.fetch { ["POST " .. HOOK] = "ok" }
    local result = write "Code: 1234"
    assert.equal("anna@corp.test", result.forwards[1].to)
    assert.same({ service = "github.test", code = "1234" }, json.decode(result.fetches[1].body))
  end)

  it("are kept even if the hook is down", function()
    env.HOOK, env.CHAT = HOOK, fake.fetch { ["POST " .. HOOK] = { status = 500 } }
    local result = write "Code: 1234"
    assert.equal("1234", result.kv.CODES["github.test"])
    assert.matches("not told: the hook answers 500", result.logs[2].text)
  end)

  describe("are asked for", function()
    local function ask(key, token)
      local headers = { Authorization = token }
      return worker:fetch({ url = "/codes/" .. key, headers = headers }, { env = env }).response
    end

    before_each(function()
      env.READER = "sesame"
      write "Code: 0815"
    end)

    it("once", function()
      local response = ask("github.test", "Bearer sesame")
      assert.same({ code = "0815" }, response:json())
      assert.equal("no-store", response.headers:get "Cache-Control")
      assert.equal(404, ask("github.test", "Bearer sesame").status)
    end)

    it("by who has the token", function()
      for _, token in ipairs { "Bearer guess", "Bearer ", "sesame" } do
        assert.equal(401, ask("github.test", token).status)
      end
      env.READER = nil
      assert.equal(401, ask("github.test", "Bearer sesame").status)
    end)
  end)

  it("are taken from nobody else", function()
    for _, result in ipairs {
      write("Code: 1234", { from = "mallory@sender.test" }),
      write("Code: 1234", { from = "mallory@notgithub.test" }),
      write("Code: 1234", { auth = { dmarc = "fail" } }),
      write("Code: 1234", { auth = false }),
    } do
      assert.matches("only the services", result.rejectReason)
      assert.same({}, result.kv)
    end
  end)

  it("stop at a flood", function()
    for _ = 1, 3 do
      assert.equal("ok", write("Code: 1234").outcome)
    end
    assert.equal("too many codes", write("Code: 1234").rejectReason)
  end)

  it("cost little in a bomb", function()
    assert.equal("this is too large for a code", write(("code 1 "):rep(50000)).rejectReason)
    local result = write(("code 12 "):rep(25000))
    assert.equal("ok", result.outcome)
    assert.equal("no code in Hello", result.logs[1].text)
  end)
end)
