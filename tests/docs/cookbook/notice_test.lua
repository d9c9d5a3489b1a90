local worker = load_worker "notice"

it("tells the team what has come", function()
  local mail = { subject = "Report", attachments = { { filename = "a.pdf", content = "%PDF" } } }
  local sent = worker:email(fake.message(mail), { env = { EMAIL = fake.send() } }).sends[1]
  assert.equal("New: Report", sent.subject)
  assert.contains('anna@sender.test wrote about "Report".', sent.text)
  assert.contains(" * a.pdf, 4 bytes", sent.text)
  assert.equal("Report", sent.attachments[1].message.subject)
end)

it("does not speak of files where there are none", function()
  local sent = worker:email(fake.message(), { env = { EMAIL = fake.send() } }).sends[1]
  assert.not_matches("Attached", sent.text)
end)
