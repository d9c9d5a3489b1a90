local worker = load_worker "calendar"

local INVITATION = table.concat({
  "From: Ben <ben@sender.test>", "To: anna@example.com", "Subject: Lunch", "Message-ID: <1@sender.test>",
  "MIME-Version: 1.0", "Content-Type: text/calendar; method=REQUEST; charset=utf-8", "",
  "BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", "UID:1@sender.test", "SUMMARY:Lunch",
  "DTSTART:20261124T120000Z", "ORGANIZER:mailto:ben@sender.test", "END:VEVENT", "END:VCALENDAR", "",
}, "\r\n")

it("tells of an invitation", function()
  local headers = worker:email(fake.message { raw = INVITATION }).forwards[1].headers
  assert.equal("Lunch", headers["X-Meeting"])
  assert.equal("2026-11-24T12:00:00Z", headers["X-Meeting-At"])
  assert.contains("ben@sender.test", headers["X-Meeting-By"])
end)

it("passes on all other mail", function()
  assert.same({}, worker:email(fake.message()).forwards[1].headers)
end)
