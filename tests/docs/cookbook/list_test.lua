local worker = load_worker "list"

it("goes to all others, in the list's name", function()
  local result = worker:email(fake.message { from = "Anna@corp.test", to = "friends@example.com" })
  assert.equal(2, #result.forwards)
  assert.equal("ben@corp.test", result.forwards[1].to)
  assert.equal("<friends.example.com>", result.forwards[1].set["List-Id"])
  assert.contains("friends@example.com", result.forwards[1].set.From)
end)

it("is for members only", function()
  assert.equal("rejected", worker:email(fake.message()).outcome)
  local forged = fake.message { from = "anna@corp.test", auth = { dmarc = "fail" } }
  assert.equal("rejected", worker:email(forged).outcome)
end)
