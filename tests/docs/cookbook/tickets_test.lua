local worker = load_worker "tickets"

describe("tickets", function()
  local env

  before_each(function()
    env = { TICKETS = fake.kv { last = 16 } }
  end)

  it("are told to team and sender", function()
    local result = worker:email(fake.message { subject = "It is broken" }, { env = env })
    assert.equal("team@corp.test", result.forwards[1].to)
    assert.equal("[#17] It is broken", result.forwards[1].set.Subject)
    assert.equal("[#17] It is broken", result.replies[1].subject)
    assert.equal("17", result.kv.TICKETS.last)
  end)

  it("go to the team though the sender may not be answered", function()
    local result = worker:email(fake.message { auth = { dmarc = "fail" } }, { env = env })
    assert.equal("ok", result.outcome)
    assert.equal(1, #result.forwards)
    assert.same({}, result.replies)
  end)

  it("promise nothing when the team cannot be reached", function()
    local upstream = { ["team@corp.test"] = "550 5.1.1 gone" }
    local result = worker:email(fake.message(), { env = env, upstream = upstream })
    assert.equal(550, result.reply.code)
    assert.same({}, result.replies)
  end)
end)
