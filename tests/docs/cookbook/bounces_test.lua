local worker = load_worker "bounces"

local function bounce(id)
  return fake.message {
    from = "",
    raw = table.concat({
      "From: MAILER-DAEMON@mx.dest.test", "To: news@example.com", "Subject: Undelivered",
      "Message-ID: <2@mx.dest.test>",
      "MIME-Version: 1.0", 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "",
      "--b", "Content-Type: text/plain", "", "It could not be delivered.", "",
      "--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.dest.test", "",
      "Final-Recipient: rfc822; gone@dest.test", "Action: failed", "Status: 5.1.1",
      "Diagnostic-Code: smtp; 550 5.1.1 no such user", "",
      "--b", "Content-Type: message/rfc822", "",
      "From: news@example.com", "To: gone@dest.test", "Subject: News",
      "Message-ID: <" .. id .. ">", "", "News.", "--b--", "",
    }, "\r\n"),
  }
end

local env

before_each(function()
  env = { SENT = fake.kv { ["id:<1@example.com>"] = "sent" } }
end)

it("notes an address that is gone", function()
  local result = worker:email(bounce "1@example.com", { env = env })
  assert.contains("no such user", result.kv.SENT["dead:gone@dest.test"])
end)

it("does not believe reports about what was never sent", function()
  local result = worker:email(bounce "99@example.com", { env = env })
  assert.is_nil(result.kv.SENT["dead:gone@dest.test"])
end)

it("passes on what is no bounce", function()
  assert.equal("postmaster@corp.test", worker:email(fake.message(), { env = env }).forwards[1].to)
end)
