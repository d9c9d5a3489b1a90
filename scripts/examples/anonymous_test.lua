local worker = load_worker "anonymous"

local OWNER = "carol@corp.test"

describe("an anonymous address", function()
  local env

  before_each(function()
    env = {
      USERS = "Carol@corp.test, dave@corp.test",
      ALIASES = fake.kv { ["alias:shop.abc234"] = '{"owner": "carol@corp.test"}' },
      EMAIL = fake.send(),
    }
  end)

  local function write(from, to, fields)
    fields = fields or {}
    fields.from, fields.to = from, to .. "@anon.test"
    return worker:email(fake.message(fields), { env = env })
  end

  local function sent(result)
    assert.equal("ok", result.outcome, result.error)
    assert.equal(1, #result.sends)
    return result.sends[1]
  end

  describe("is made", function()
    it("for those who may", function()
      local result = write(OWNER, "new", { subject = "Book shop" })
      local made = result.replies[1].subject
      assert.matches("^bookshop%.%w%w%w%w%w%w@anon%.test$", made)
      assert.contains(made, result.replies[1].text)
      assert.contains(made:gsub("@", "+off@"), result.replies[1].text)
      assert.equal(OWNER, sent(write("anna@sender.test", made:match "^[^@]+")).to)
    end)

    it("for nobody else", function()
      for _, result in ipairs {
        write("mallory@sender.test", "new"),
        write(OWNER, "new", { auth = { dmarc = "fail" } }),
        write("anna@sender.test", "shop.zzz999"),
      } do
        assert.equal("there is no such address here", result.rejectReason)
      end
    end)
  end)

  describe("brings mail", function()
    it("to its owner, with an address to answer to", function()
      local mail = sent(write("anna@sender.test", "shop.abc234", {
        subject = "Your order",
        html = "<p>Hello</p>",
        headers = {
          From = "Anna <anna@sender.test>",
          Cc = "ben@sender.test",
          ["Disposition-Notification-To"] = "anna@sender.test",
          ["X-Mailer"] = "m",
        },
      }))
      assert.equal(OWNER, mail.to)
      assert.equal("shop.abc234+bounce@anon.test", mail.returnPath)
      assert.equal("Anna via shop.abc234", mail.from.name)
      assert.equal("shop.abc234+anna=sender.test@anon.test", mail.from.address)
      assert.equal("Your order", mail.subject)
      assert.equal("<p>Hello</p>\n", mail.html)
      assert.equal("<1@sender.test>", mail.messageId)
      assert.equal("shop.abc234@anon.test", mail.headers:get "To")
      assert.equal("anna@sender.test", mail.headers:get "X-Alias-From")
      assert.equal("pass", mail.headers:get "X-Alias-DMARC")
      for _, name in ipairs { "Cc", "Reply-To", "Disposition-Notification-To", "X-Mailer" } do
        assert.is_nil(mail.headers:get(name), name)
      end
    end)

    it("that is answered where its author wants it", function()
      local headers = { ["Reply-To"] = "Sales <sales+eu@sender.test>" }
      local mail = sent(write("anna@sender.test", "shop.abc234", { headers = headers }))
      assert.equal("shop.abc234+sales+eu=sender.test@anon.test", mail.from.address)
      assert.equal("sales+eu@sender.test", sent(write(OWNER, mail.from.address:match "^[^@]+")).to)
    end)

    it("from long addresses, too", function()
      local long = ("reply-"):rep(8) .. "17@news.sender.test"
      local mail = sent(write(long, "shop.abc234"))
      assert.matches("^shop%.abc234%+%w+@anon%.test$", mail.from.address)
      assert.equal(long, sent(write(OWNER, mail.from.address:match "^[^@]+")).to)
    end)

    it("until it is switched off", function()
      assert.contains("is off now", write(OWNER, "shop.abc234+off").replies[1].text)
      assert.matches("not in use", write("anna@sender.test", "shop.abc234").rejectReason)
      write(OWNER, "shop.abc234+on")
      assert.equal(1, #write("anna@sender.test", "shop.abc234").sends)
    end)

    it("and tells nobody what its owner's server bounces", function()
      local result = write("", "shop.abc234+bounce")
      assert.equal("ok", result.outcome)
      assert.same({}, result.sends)
      assert.matches("cannot be delivered", result.logs[1].text)
    end)
  end)

  describe("answers", function()
    local TO = "shop.abc234+anna=sender.test"

    it("without a trace of its owner", function()
      local result = write(OWNER, TO, {
        subject = "Re: Your order",
        text = "Thanks!\n\nAnna <shop.abc234+anna=sender.test@anon.test> wrote:\n> Hi\n-- \nCarol@Corp.test",
        html = '<a href="mailto:carol@corp.test">me</a>',
        attachments = { { filename = "a.txt", type = "text/plain", content = "x" } },
        headers = {
          From = "Carol Jones <carol@corp.test>",
          ["Message-ID"] = "<5@mail.corp.test>",
          ["In-Reply-To"] = "<1@sender.test>",
          ["References"] = "<0@mail.corp.test> <1@sender.test>",
          ["X-Originating-IP"] = "192.0.2.7",
        },
      })
      local mail = sent(result)
      assert.equal("anna@sender.test", mail.to)
      assert.equal("shop.abc234@anon.test", mail.returnPath)
      assert.same({ name = "", address = "shop.abc234@anon.test" }, mail.from)
      assert.equal("Re: Your order", mail.subject)
      assert.equal("<1@sender.test>", mail.inReplyTo)
      assert.equal("no", mail.headers:get "Auto-Submitted")
      assert.contains("Anna <anna@sender.test> wrote", mail.text)
      assert.equal("a.txt", mail.attachments[1].filename)
      for _, secret in ipairs { "corp.test", "Carol", "192.0.2.7", "%+anna" } do
        assert.not_matches(secret, mail.raw)
      end
    end)

    it("without the identifiers of its owner's server", function()
      local mail = sent(write(OWNER, TO, { headers = { ["In-Reply-To"] = "<5@mail.corp.test>" } }))
      assert.is_nil(mail.inReplyTo)
    end)

    it("saying so if a machine has written it", function()
      local mail = sent(write(OWNER, TO, { headers = { ["Auto-Submitted"] = "auto-replied" } }))
      assert.equal("auto-replied", mail.headers:get "Auto-Submitted")
    end)

    it("for its owner alone", function()
      for _, result in ipairs {
        write("dave@corp.test", TO),
        write(OWNER, TO, { auth = { dmarc = "none" } }),
        write("mallory@sender.test", "shop.abc234+off"),
      } do
        assert.equal("there is no such address here", result.rejectReason)
        assert.same({}, result.sends)
      end
    end)

    it("nobody who is not known", function()
      assert.matches("nobody is known", write(OWNER, "shop.abc234+nonsense").rejectReason)
      assert.matches("nobody is known", write(OWNER, "shop.abc234+a=b=").rejectReason)
    end)
  end)
end)
