local suppression = require "lib.suppression"
local worker = load_worker "bounces"

local KEY = "a secret"

local function return_path(who)
  return suppression.return_path("bounces@corp.test", who, KEY)
end

-- A multipart/report of parts { type, line, … }.
local function report_of(to, ...)
  local lines = { "From: postmaster@dest.test", "Content-Type: multipart/report; boundary=b", "" }
  for _, part in ipairs { ... } do
    lines[#lines + 1] = "--b\r\nContent-Type: " .. table.concat(part, "\r\n")
  end
  return fake.message { from = "", to = to, raw = table.concat(lines, "\r\n") .. "\r\n--b--\r\n" }
end

local function bounce_of(to, recipient, status, text)
  return report_of(to, {
    "message/delivery-status",
    "",
    "Reporting-MTA: dns; mx.dest.test",
    "",
    "Final-Recipient: rfc822; " .. recipient,
    "Action: failed",
    "Status: " .. status,
    "Diagnostic-Code: smtp; " .. text,
  })
end

local function complaint_of(to, kind, sender)
  return report_of(
    to,
    { "text/plain", "", "This is a complaint." },
    { "message/feedback-report", "", "Feedback-Type: " .. kind, "Original-Mail-From: " .. sender },
    { "message/rfc822", "", "From: news@corp.test", "", "Buy." }
  )
end

describe("bounces", function()
  local env

  before_each(function()
    env = { SUPPRESSED = fake.kv(), BOUNCE_KEY = KEY }
  end)

  local function read(message)
    local result = worker:email(message, { env = env })
    assert.equal("ok", result.outcome, result.error)
    return result.kv.SUPPRESSED or {}, result.logs[1] and result.logs[1].text
  end

  it("of addresses that are not there suppress them", function()
    local kept, log = read(bounce_of(return_path "Anna@dest.test", "anna@dest.test", "5.1.1", "no such user"))
    assert.same({ ["anna@dest.test"] = "bounce" }, kept)
    assert.contains("no such user", log)
  end)

  it("count against whom the message was sent to, wherever it went on to", function()
    local kept = read(bounce_of(return_path "anna@dest.test", "other@else.test", "5.1.1", "no such user"))
    assert.same({ ["anna@dest.test"] = "bounce" }, kept)
  end)

  it("that may pass suppress after several", function()
    local full = bounce_of(return_path "anna@dest.test", "anna@dest.test", "4.2.2", "452 mailbox full")
    for i = 1, 4 do
      assert.same({ ["soft anna@dest.test"] = tostring(i) }, (read(full)))
    end
    assert.same({ ["anna@dest.test"] = "soft" }, (read(full)))
  end)

  it("that are about us suppress nobody", function()
    local spam = bounce_of(return_path "anna@dest.test", "anna@dest.test", "5.7.1", "550 looks like spam")
    local kept, log = read(spam)
    assert.same({}, kept)
    assert.matches("^mail to anna@dest.test was refused for what it is", log)
  end)

  it("that somebody has made up suppress nobody", function()
    local forged = return_path("mallory@dest.test"):gsub("mallory=", "anna=")
    for _, to in ipairs { "bounces@corp.test", "bounces+x@corp.test", forged } do
      local kept, log = read(bounce_of(to, "anna@dest.test", "5.1.1", "550 no such user"))
      assert.same({}, kept)
      assert.matches("not sent with our return path", log)
    end
  end)

  it("are told from other mail", function()
    local kept, log = read(fake.message { to = return_path "anna@dest.test", subject = "I am away" })
    assert.same({}, kept)
    assert.equal("passed over: I am away", log)
  end)
end)

describe("complaints", function()
  local function read(kind, sender)
    local env = { SUPPRESSED = fake.kv(), BOUNCE_KEY = KEY }
    return worker:email(complaint_of("bounces@corp.test", kind, sender), { env = env }).kv.SUPPRESSED or {}
  end

  it("suppress", function()
    assert.same({ ["anna@dest.test"] = "complaint" }, read("abuse", return_path "anna@dest.test"))
  end)

  it("that are none do not", function()
    assert.same({}, read("not-spam", return_path "anna@dest.test"))
    assert.same({}, read("abuse", "<bounces+x.anna=dest.test@corp.test>"))
  end)
end)
