local check = require "check"
local dsn = require "dsn"
local mime = require "mime"

local function lines(text)
  return (text:gsub("\n", "\r\n"))
end

local function report(status, original)
  return lines('From: MAILER-DAEMON@mx.test\nSubject: Undelivered Mail\nMIME-Version: 1.0\n'
    .. 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n--b\n\nSorry.\n\n'
    .. "--b\nContent-Type: message/delivery-status\n\n" .. status .. "\n--b\nContent-Type: message/rfc822\n\n"
    .. (original or "Message-ID: <1@a.test>\nSubject: Hi\n\nHello\n") .. "\n--b--\n")
end

local function text_bounce(from, subject, text, more)
  return lines(("From: %s\nSubject: %s\n%s\n%s"):format(from, subject, more or "", text))
end

local arf = lines [[
From: <fbl@isp.test>
Subject: FW: Earn money
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b

This is an email abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>
Original-Rcpt-To: <user@example.com>
Original-Rcpt-To: <other@example.com>
Source-IP: 192.0.2.1
Reported-Domain: example.net

--b
Content-Type: message/rfc822

From: <somespammer@example.net>
To: <Undisclosed@example.com>
Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net

Spam Spam Spam
--b--
]]

return check.worker {
  a_report_names_who_and_why = function()
    local r = dsn.parse(report [[
Reporting-MTA: dns; mx.test
Original-Envelope-Id: env1

Original-Recipient: rfc822;anna+x@corp.test
Final-Recipient: rfc822; <anna@corp.test>
Action: failed
Status: 5.0.0
Remote-MTA: dns; in.corp.test
Diagnostic-Code: smtp; 550 5.1.1 <anna@corp.test>:
 Recipient address rejected: User unknown

Final-Recipient: rfc822; full@corp.test
Action: FAILED (really)
Status: 4.2.2 (over quota)
]])
    check.same({ r.kind, r.reportingMta, r.envelopeId, r.messageId, r.original.subject, #r.recipients },
      { "bounce", "mx.test", "env1", "<1@a.test>", "Hi", 2 })
    check.same(r.recipients[1], { address = "anna+x@corp.test", finalAddress = "anna@corp.test", action = "failed",
      status = "5.1.1", class = "hard", isPermanent = true, isHard = true, remoteMta = "in.corp.test",
      diagnostic = "550 5.1.1 <anna@corp.test>: Recipient address rejected: User unknown" })
    check.same({ r.recipients[2].class, r.recipients[2].isHard, r.recipients[2].isPermanent }, { "quota", false, false })
  end,

  delays_and_deliveries_are_no_bounces = function()
    local delay = report "Reporting-MTA: dns; m\n\nFinal-Recipient: rfc822;a@b.test\nAction: delayed\nStatus: 4.4.1\n"
    local delivery = report "Reporting-MTA: dns; m\n\nFinal-Recipient: rfc822;a@b.test\nAction: relayed\nStatus: 2.0.0\n"
    check.same({ dsn.parse(delay).kind, dsn.parse(delay).recipients[1].class, dsn.isBounce(delay) },
      { "delay", "connection", false })
    check.same({ dsn.parse(delivery).kind, dsn.isBounce(delivery) }, { "delivery", false })
  end,

  malformed_reports_are_read_as_far_as_they_go = function()
    check.same(#dsn.parse(report "Final-Recipient: rfc822;a@b.test\nFinal-Recipient: rfc822;c@d.test\nAction: failed\n").recipients, 2)
    check.same(dsn.parse(report "\n\n\nfinal-recipient:a@b.test\nStatus: five\nAction:\n").recipients[1].action, "failed")
    check.same(dsn.parse(report ""), nil)
    check.same(dsn.parse(report "Reporting-MTA: dns; m\n\nFinal-Recipient:\nAction: failed\n"), nil)
    check.same(dsn.parse(report(("Final-Recipient: rfc822;a@b.test\n"):rep(5000))).recipients[1001], nil)
    check.same(dsn.parse(report("x:" .. ("\n y"):rep(50000))), nil)
  end,

  bounces_for_people_are_read = function()
    local qmail = dsn.parse(text_bounce("MAILER-DAEMON@q.test", "failure notice", [[
Hi. This is the qmail-send program at q.test.
I'm afraid I wasn't able to deliver your message to the following addresses.

<nobody@corp.test>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 User unknown
Giving up on 192.0.2.1.

<other@corp.test>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <a@b.test>
Message-ID: <2@b.test>
Subject: x

someone@else.test:
550 no
]]))
    check.same({ qmail.kind, #qmail.recipients, qmail.messageId }, { "bounce", 2, "<2@b.test>" })
    check.same({ qmail.recipients[1].address, qmail.recipients[1].class, qmail.recipients[1].isHard },
      { "nobody@corp.test", "hard", true })
    check.same({ qmail.recipients[2].address, qmail.recipients[2].status }, { "other@corp.test", "5.1.1" })

    local exim = dsn.parse(text_bounce("Mail Delivery System <Mailer-Daemon@e.test>", "Mail delivery failed", [[
A message that you sent could not be delivered.

  full@corp.test
    SMTP error from remote mail server: 552 5.2.2 mailbox full

------ This is a copy of the message, including all the headers. ------

Message-Id: <3@b.test>
]], "X-Failed-Recipients: full@corp.test\n"))
    check.same({ exim.kind, exim.recipients[1].class, exim.recipients[1].isHard, exim.messageId },
      { "bounce", "quota", false, "<3@b.test>" })

    local exchange = dsn.parse(text_bounce("System Administrator <postmaster@x.test>", "Undeliverable: Hi", [[
Your message did not reach some or all of the intended recipients.

      nobody@corp.test on 1/2/2026 10:00 AM
            The e-mail account does not exist at the organization. <mx.test #5.1.1>
]]))
    check.same({ exchange.kind, exchange.recipients[1].address, exchange.recipients[1].isHard },
      { "bounce", "nobody@corp.test", true })
  end,

  what_people_write_is_no_bounce = function()
    for _, raw in ipairs {
      "", "\r\n", "Subject: failure notice\r\n\r\n<a@b.test>:\r\n550 no\r\n",
      text_bounce("Anna <anna@corp.test>", "Undeliverable?", "a@b.test:\n550 5.1.1 no\n"),
      text_bounce("MAILER-DAEMON@x.test", "Hello", "a@b.test:\n550 5.1.1 no\n"),
      text_bounce("postmaster@x.test", "Undeliverable", "write to help@x.test please\n"),
      text_bounce("a@x.test", "Out of office", "I am away.\n", "Return-Path: <>\nAuto-Submitted: auto-replied\n"),
      text_bounce("MAILER-DAEMON@x.test", "failure notice", ("<"):rep(100000)),
      text_bounce("MAILER-DAEMON@x.test", "failure notice", ("a@b.test:\n"):rep(100000)),
      text_bounce("MAILER-DAEMON@x.test", "failure notice", ("a@"):rep(100000)),
    } do
      check.same({ #raw, dsn.parse(raw) }, { #raw })
      check.same(dsn.isBounce(raw), false)
    end
    -- A bounce that somebody forwards is no bounce.
    check.same(dsn.parse(lines 'From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n'
      .. report "Final-Recipient: rfc822;a@b.test\nAction: failed\n" .. "\r\n--x--\r\n"), nil)
  end,

  complaints_are_read = function()
    local r = dsn.parse(arf)
    check.same({ r.kind, dsn.isBounce(arf), r.original.from.address }, { "feedback", false, "somespammer@example.net" })
    check.same(r.feedback, { type = "abuse", userAgent = "SomeGenerator/1.0", sender = "somespammer@example.net",
      recipients = { "user@example.com", "other@example.com" }, sourceIp = "192.0.2.1", domain = "example.net" })
    check.same(dsn.parse((arf:gsub("Original%-Rcpt%-To: [^\n]*\n", ""))).feedback.recipients, { "Undisclosed@example.com" })
  end,

  refusals_have_a_class = function()
    local cases = {
      { "5.1.1", "", "hard", true, true }, { "5.7.1", "", "policy", true, false },
      { "5.7.1", "550 5.7.1 message looks like spam", "spam", true, false },
      { nil, "450 4.2.0 Greylisted, come again", "greylist", false, false },
      { nil, "550 no such user here", "hard", true, true }, { nil, "550 rejected", "hard", true, false },
      { "5.0.0", "554 5.4.4 no MX", "dns", true, false }, { "4.4.7", "expired", "soft", false, false },
      { "5.2.2", "user does not exist", "hard", true, true }, { nil, "", "soft", false, false },
      { nil, "smtp;550-5.1.1 gone", "hard", true, true }, { "5.4.6", "", "loop", true, false },
      { nil, ("x "):rep(100000), "soft", false, false },
    }
    for i, case in ipairs(cases) do
      check.same({ i, dsn.classify(case[1], case[2]) }, { i, case[3], case[4], case[5] })
    end
    check.fails("dsn.classify: the status must be a string", dsn.classify, 550)
  end,

  it_takes_messages_in_each_form = function(message)
    check.same(dsn.parse(message), nil)
    check.same(dsn.isBounce(mime.parse(report "Final-Recipient: rfc822;a@b.test\nAction: failed\n")), true)
    check.fails("dsn.parse: expected the message, a raw message", dsn.parse)
    check.fails("dsn.isBounce: expected the message, a raw message", dsn.isBounce, 5)
  end,
}
