local worker = load_worker "crunch"

describe("crunch", function()
  local batch = {
    queue = "jobs",
    messages = {
      { body = { subject = "Hi", from = "anna@sender.test" } },
      { body = { subject = "Ho", from = "b@c.test" }, attempts = 2 },
    },
  }

  it("tells the team and is done", function()
    local result = worker:queue(batch, { env = { EMAIL = fake.send() } })
    assert.equal("ok", result.outcome, result.error)
    assert.equal("new: Hi", result.sends[1].subject)
    assert.same({ { id = "1", result = "ack" }, { id = "2", result = "ack" } }, result.messages)
  end)

  it("tries again what could not be sent", function()
    local result = worker:queue(batch, { env = { EMAIL = fake.kv() } })
    assert.equal("exception", result.outcome)
    assert.equal("retry", result.messages[1].result)
  end)
end)
