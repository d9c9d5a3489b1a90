local worker = load_worker "mailinglist"

local LIST = "talk@corp.test"

describe("a mailing list", function()
  local env

  before_each(function()
    env = {
      NAME = "Talk",
      MODERATOR = "mo@corp.test",
      LIST = fake.kv(),
      EMAIL = fake.send(),
      ASKED = fake.limiter { limit = 2, period = 3600 },
    }
  end)

  -- To talk+tag@, or to talk@.
  local function write(from, tag, fields)
    fields = fields or {}
    fields.from = from
    fields.to = tag and "talk+" .. tag .. "@corp.test" or LIST
    return worker:email(fake.message(fields), { env = env })
  end

  -- The tag of the address that an answer to it goes to.
  local function answer_tag(sent)
    return sent.replyTo[1].address:match "%+(.+)@"
  end

  local function join(who)
    return write(who, answer_tag(write(who, "subscribe").sends[1]))
  end

  local function members(result)
    local list = {}
    for key in pairs(result.kv.LIST or {}) do
      list[#list + 1] = key:match "^member:(.+)"
    end
    table.sort(list)
    return list
  end

  describe("membership", function()
    it("is confirmed by who has the mailbox", function()
      local asked = write("Anna@sender.test", "subscribe")
      assert.same({}, members(asked))
      local question = asked.sends[1]
      assert.equal("anna@sender.test", question.to)
      assert.equal("talk+bounce@corp.test", question.returnPath)
      assert.contains("wants anna@sender.test to become a member of the list Talk", question.text)

      local joined = write("anna@elsewhere.test", answer_tag(question))
      assert.same({ "anna@sender.test" }, members(joined))
      assert.equal("anna@sender.test", joined.sends[1].to)
      assert.equal("Welcome to Talk", joined.sends[1].subject)
    end)

    it("is not confirmed by a vacation notice", function()
      local question = write("anna@sender.test", "subscribe").sends[1]
      local headers = { ["Auto-Submitted"] = "auto-replied" }
      assert.same({}, members(write("anna@sender.test", answer_tag(question), { headers = headers })))
    end)

    it("is confirmed once", function()
      local tag = answer_tag(write("anna@sender.test", "subscribe").sends[1])
      write("anna@sender.test", tag)
      assert.matches("too old", write("anna@sender.test", tag).rejectReason)
      assert.matches("too old", write("anna@sender.test", "confirm-made0up").rejectReason)
    end)

    it("does not fill a mailbox with questions", function()
      write("anna@sender.test", "subscribe")
      write("anna@sender.test", "subscribe")
      assert.matches("asked already", write("anna@sender.test", "subscribe").rejectReason)
    end)

    it("ends at once for who has proved who he is", function()
      join "anna@sender.test"
      local left = write("anna@sender.test", "unsubscribe")
      assert.same({}, members(left))
      assert.equal("You have left Talk", left.sends[1].subject)
    end)

    it("ends for others once they confirm", function()
      join "anna@sender.test"
      local asked = write("anna@sender.test", "unsubscribe", { auth = false })
      assert.same({ "anna@sender.test" }, members(asked))
      assert.same({}, members(write("anna@sender.test", answer_tag(asked.sends[1]))))
    end)

    it("ends by the link in a post", function()
      join "anna@sender.test"
      local post = write("anna@sender.test").sends[1]
      local tag = post.headers:get("List-Unsubscribe"):match "^<mailto:talk%+(leave%-%w+)@corp%.test>$"
      assert.same({}, members(write("robot@provider.test", tag, { auth = false })))
    end)

    describe("ends by one click", function()
      local link

      before_each(function()
        env.URL = "https://lists.corp.test/talk"
        join "anna@sender.test"
        local headers = write("anna@sender.test").sends[1].headers
        assert.equal("List-Unsubscribe=One-Click", headers:get "List-Unsubscribe-Post")
        link = headers:get("List-Unsubscribe"):match "^<(https://lists%.corp%.test/talk/leave/%w+)>, <mailto:"
      end)

      local function ask(method, url)
        return worker:fetch({ method = method, url = url }, { env = env })
      end

      it("in a mail program", function()
        local result = ask("POST", link)
        assert.equal(200, result.response.status)
        assert.equal("anna@sender.test is no member of Talk any more.\n", result.response.body)
        assert.same({}, members(result))
      end)

      it("of a person, not of a robot that follows links", function()
        local result = ask("GET", link)
        assert.contains('<form method="post">', result.response.body)
        assert.same({ "anna@sender.test" }, members(result))
      end)

      it("for nobody else", function()
        for _, url in ipairs { link .. "x", env.URL .. "/leave/" .. ("a"):rep(24), env.URL } do
          local result = ask("POST", url)
          assert.equal(404, result.response.status)
          assert.same({ "anna@sender.test" }, members(result))
        end
      end)
    end)
  end)

  describe("a post", function()
    before_each(function()
      join "anna@sender.test"
      join "ben@dest.test"
    end)

    it("goes to all members in the list's name", function()
      local result = write("anna@sender.test", nil, {
        subject = "Grüße",
        text = "We meet.\n",
        headers = { From = "Anna <anna@sender.test>", ["DKIM-Signature"] = "v=1", ["X-Mailer"] = "m" },
      })
      assert.equal(2, #result.sends)
      assert.equal("anna@sender.test", result.sends[1].to)
      local copy = result.sends[2]
      assert.equal("ben@dest.test", copy.to)
      assert.same({ name = "Anna via Talk", address = LIST }, copy.from)
      assert.equal("anna@sender.test", copy.replyTo[1].address)
      assert.equal("[Talk] Grüße", copy.subject)
      assert.equal("We meet.\n", copy.text)
      assert.equal("<1@sender.test>", copy.messageId)
      assert.equal("<talk.corp.test>", copy.headers:get "List-Id")
      assert.equal("<mailto:talk@corp.test>", copy.headers:get "List-Post")
      assert.equal("no", copy.headers:get "Auto-Submitted")
      assert.is_nil(copy.headers:get "DKIM-Signature")
      assert.is_nil(copy.headers:get "X-Mailer")
    end)

    it("has a return path for each member", function()
      local sends = write("anna@sender.test").sends
      assert.matches("^talk%+bounce%-%w+@corp%.test$", sends[1].returnPath)
      assert.not_equal(sends[1].returnPath, sends[2].returnPath)
    end)

    it("keeps a subject that has the list's name", function()
      local sent = write("ben@dest.test", nil, { subject = "Re: [Talk] Hello" }).sends[1]
      assert.equal("Re: [Talk] Hello", sent.subject)
    end)

    it("goes round once", function()
      local sent = write("anna@sender.test").sends[1]
      assert.same({}, write("anna@sender.test").sends, "the same Message-ID")
      local raw = sent.raw:gsub("<1@sender.test>", "<2@sender.test>")
      assert.same({}, write("anna@sender.test", nil, { raw = raw }).sends, "our own List-Id")
    end)

    it("goes on where it was interrupted", function()
      env.EMAIL = nil
      assert.equal("exception", write("anna@sender.test").outcome)
      env.EMAIL = fake.send()
      assert.equal(2, #write("anna@sender.test").sends)
    end)

    it("is for members only", function()
      assert.matches("only members", write("carol@sender.test").rejectReason)
    end)

    it("is not written by machines", function()
      for _, fields in ipairs {
        { headers = { ["Auto-Submitted"] = "auto-generated" } },
        { headers = { Precedence = "bulk" } },
      } do
        local result = write("anna@sender.test", nil, fields)
        assert.equal("ok", result.outcome)
        assert.same({}, result.sends)
      end
      assert.same({}, write("", nil, {}).sends)
    end)
  end)

  describe("the moderator", function()
    before_each(function()
      join "anna@sender.test"
    end)

    it("lets a post pass that may be somebody else's", function()
      local held = write("anna@sender.test", nil, { subject = "Hi", auth = false }).sends
      assert.equal(1, #held)
      assert.equal("mo@corp.test", held[1].to)
      assert.equal("Hi", held[1].attachments[1].message.subject)

      local tag = answer_tag(held[1])
      assert.matches("only the moderator", write("mo@corp.test", tag, { auth = false }).rejectReason)
      assert.matches("only the moderator", write("anna@sender.test", tag).rejectReason)
      local passed = write("Mo@corp.test", tag).sends
      assert.equal("anna@sender.test", passed[1].to)
      assert.equal("[Talk] Hi", passed[1].subject)
      assert.matches("passed already", write("mo@corp.test", tag).rejectReason)
    end)

    it("sees what others write, if the list is open", function()
      env.OPEN = "yes"
      local held = write("carol@sender.test").sends
      assert.contains("no member", held[1].text)
      assert.equal("anna@sender.test", write("mo@corp.test", answer_tag(held[1])).sends[1].to)
    end)

    it("has the mail to the owner", function()
      assert.equal("mo@corp.test", write("carol@sender.test", "owner").forwards[1].to)
    end)
  end)

  describe("bounces", function()
    local function bounce(tag, status)
      return worker:email(fake.message {
        from = "",
        to = "talk+" .. tag .. "@corp.test",
        raw = table.concat({
          "From: MAILER-DAEMON@dest.test",
          "Subject: Undelivered",
          "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
          "",
          "--b",
          "Content-Type: message/delivery-status",
          "",
          "Reporting-MTA: dns; mx.dest.test",
          "",
          "Final-Recipient: rfc822; ben@dest.test",
          "Action: failed",
          "Status: " .. status,
          "",
          "--b--",
          "",
        }, "\r\n"),
      }, { env = env })
    end

    local function bounce_tag()
      return write("ben@dest.test").sends[1].returnPath:match "%+(.+)@"
    end

    before_each(function()
      join "ben@dest.test"
    end)

    it("end a membership on the third day", function()
      local tag, result = bounce_tag(), nil
      for day = 1, 3 do
        fake.now(os.time() + 86400)
        result = bounce(tag, "5.1.1")
        assert.equal(day < 3 and 1 or 0, #members(result))
      end
      assert.same({}, result.sends, "nobody would read it")
    end)

    it("are forgotten after a month", function()
      local tag, result = bounce_tag(), nil
      for _ = 1, 4 do
        fake.now(os.time() + 16 * 86400)
        result = bounce(tag, "5.1.1")
      end
      assert.same({ "ben@dest.test" }, members(result))
    end)

    it("count once a day", function()
      local tag = bounce_tag()
      bounce(tag, "5.1.1")
      bounce(tag, "5.1.1")
      assert.equal("1", bounce(tag, "5.1.1").kv.LIST["bounces:ben@dest.test"])
    end)

    it("do not count when the mailbox is only full", function()
      assert.is_nil(bounce(bounce_tag(), "4.2.2").kv.LIST["bounces:ben@dest.test"])
    end)

    it("do not count when nobody has sent what bounces", function()
      local result = bounce("bounce-made0up", "5.1.1")
      assert.equal("ok", result.outcome)
      assert.is_nil(result.kv.LIST["bounces:ben@dest.test"])
    end)
  end)

  it("has no other addresses", function()
    assert.matches("no such address", write("anna@sender.test", "nonsense").rejectReason)
    assert.matches("no such address", write("anna@sender.test", "bounce--").rejectReason)
  end)
end)
