local worker = load_worker "domains"

it("refuses those who are blocked", function()
  local result = worker:email(fake.message { from = "win@Casino.test" })
  assert.equal("mail from casino.test is not wanted here", result.rejectReason)
end)

it("believes partners who have proved it", function()
  local mail = { from = "ben@partner.test" }
  assert.equal("partners@corp.test", worker:email(fake.message(mail)).forwards[1].to)
  mail.auth = { dmarc = "fail" }
  assert.equal("team@corp.test", worker:email(fake.message(mail)).forwards[1].to)
end)

it("takes bounces", function()
  assert.equal("team@corp.test", worker:email(fake.message { from = "" }).forwards[1].to)
end)
