local worker = load_worker "archive"

it("sends a copy", function()
  local result = worker:email(fake.message())
  assert.equal("archive@corp.test", result.forwards[2].to)
  assert.equal("support@corp.test", result.forwards[2].headers["X-Archived-To"])
end)

it("accepts the mail though the copy fails", function()
  local result = worker:email(fake.message(), { upstream = { ["archive@corp.test"] = "550 5.2.2 full" } })
  assert.equal(250, result.reply.code)
  assert.equal("error", result.logs[1].level)
end)
