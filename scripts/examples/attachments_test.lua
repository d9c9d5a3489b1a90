local crypto = require "crypto"
local s3 = require "lib.s3"
local worker = load_worker "attachments"

local TOKEN = "t0ken"

local function link(name, content)
  local folder = crypto.hmac.sha256(TOKEN, content, "base32"):sub(1, 24):lower()
  return ("https://files.test/mail/%s/%s"):format(folder, name)
end

-- The example of "Authenticating Requests: Using Query Parameters" in Amazon's S3 API reference.
it("URLs are signed as S3 wants them", function()
  fake.now(1369353600)
  local account = {
    id = "AKIAIOSFODNN7EXAMPLE",
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region = "us-east-1",
  }
  assert.contains(
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    s3.presigned("GET", "https://examplebucket.s3.amazonaws.com/test.txt", 86400, account)
  )
end)

describe("attachments", function()
  local answers, env

  before_each(function()
    answers = {}
    env = { TEAM = "team@corp.test", URL = "https://files.test/mail", TOKEN = TOKEN, EMAIL = fake.send() }
  end)

  -- Files that are answered 201, as { name, content, type }.
  local function write(files, fields)
    fields = fields or {}
    fields.attachments = {}
    for i, file in ipairs(files) do
      fields.attachments[i] = { filename = file[1], content = file[2], type = file[3] }
      local url = "PUT " .. link(file.safe or file[1], file[2])
      answers[url] = answers[url] or { status = 201 }
    end
    env.STORE = fake.fetch(answers)
    return worker:email(fake.message(fields), { env = env })
  end

  it("are links in what the team gets", function()
    local result = write({ { "plan.pdf", "%PDF", "application/pdf" }, { "a.zip", "PK" } }, {
      subject = "Grüße",
      text = "See below.\n",
      headers = { From = "Anna <anna@sender.test>" },
    })
    assert.equal("ok", result.outcome, result.error)
    assert.same({}, result.replies)
    local sent = result.sends[1]
    assert.equal("team@corp.test", sent.to)
    assert.equal("Grüße", sent.subject)
    assert.same({ name = "Anna via files", address = "support@corp.test" }, sent.from)
    assert.equal("anna@sender.test", sent.replyTo[1].address)
    assert.matches("^See below%.\n", sent.text)
    assert.contains(link("plan.pdf", "%PDF"), sent.text)
    assert.contains(link("a.zip", "PK"), sent.text)
    assert.same({}, sent.attachments)
  end)

  it("are put with the token", function()
    local put = write({ { "a.bin", "\0\255", "image/png" } }).fetches[1]
    assert.equal("PUT", put.method)
    assert.equal("Bearer t0ken", put.headers.Authorization)
    assert.equal("image/png", put.headers["Content-Type"])
  end)

  it("are put to S3 without the key's secret", function()
    fake.now(1795305600) -- 2026-11-22
    local account = { id = "key", secret = TOKEN, region = "auto" }
    env.S3_ID, env.REGION = account.id, account.region
    local place = link("a.txt", "x")
    answers["PUT " .. s3.presigned("PUT", place, 60, account)] = {}
    local result = write { { "a.txt", "x" } }
    assert.is_nil(result.fetches[1].headers.Authorization)
    assert.contains(s3.presigned("GET", place, 604800, account), result.sends[1].text)
    assert.not_matches(TOKEN, result.sends[1].text)
  end)

  it("are nothing that a browser would run", function()
    local put = write({ { "a.html", "<script>", "text/html" } }).fetches[1]
    assert.equal("application/octet-stream", put.headers["Content-Type"])
  end)

  it("have names that harm nobody", function()
    for name, safe in pairs {
      ["../../etc/passwd"] = "passwd",
      [".htaccess"] = "htaccess",
      ["a b?c#d.txt"] = "a_b_c_d.txt",
      ["Übung.pdf"] = "bung.pdf",
      [("x"):rep(200) .. ".pdf"] = ("x"):rep(76) .. ".pdf",
      ["…"] = "file",
    } do
      local result = write { { name, "x", safe = safe } }
      assert.equal(link(safe, "x"), result.fetches[1].url)
      assert.equal("ok", result.outcome, result.error)
    end
  end)

  it("that are too large are refused politely", function()
    env.MAX = 1
    local result = write { { "small.txt", "x" }, { "large.zip", ("x"):rep(2 * 1024 * 1024) } }
    assert.equal(1, #result.fetches)
    assert.contains("large.zip (2.0 MiB): the limit is 1 MiB", result.replies[1].text)
    assert.contains("Not taken:\n\nlarge.zip", result.sends[1].text)
  end)

  it("are at most twenty", function()
    local files = {}
    for i = 1, 22 do
      files[i] = { ("%d.txt"):format(i), "x" .. i }
    end
    local result = write(files)
    assert.equal(20, #result.fetches)
    assert.contains("22.txt: a message may have 20 files", result.replies[1].text)
  end)

  it("come again when the store is down", function()
    answers["PUT " .. link("a.txt", "x")] = { status = 503 }
    local result = write { { "a.txt", "x" } }
    assert.equal(451, result.reply.code)
    assert.same({}, result.sends)
    assert.contains("the store answers 503", result.error)
  end)

  it("that are not there are none", function()
    local result = write({}, { html = "<p>Hi</p>" })
    assert.equal("team@corp.test", result.forwards[1].to)
    assert.same({}, result.sends)
  end)

  it("that are images in the text stay there", function()
    local logo = { filename = "l.png", type = "image/png", content = "PNG", contentId = "l@x", inline = true }
    local fields = { from = "anna@sender.test", html = '<img src="cid:l@x">', attachments = { logo } }
    local alone = worker:email(fake.message(fields), { env = env })
    assert.equal("team@corp.test", alone.forwards[1].to)

    fields.attachments[2] = { filename = "a.txt", content = "x" }
    env.STORE = fake.fetch { ["PUT " .. link("a.txt", "x")] = { status = 201 } }
    local sent = worker:email(fake.message(fields), { env = env }).sends[1]
    assert.equal("l@x", sent.attachments[1].contentId)
    assert.equal(1, #sent.attachments)
  end)

  it("stand under the HTML, too", function()
    local sent = write({ { "a.txt", "x" } }, { html = "<p>Hi</p>" }).sends[1]
    assert.contains('<a href="' .. link("a.txt", "x"), sent.html)
  end)
end)
