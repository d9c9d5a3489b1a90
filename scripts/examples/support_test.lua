local worker = load_worker "support"

local env = { TEAM = "team@corp.test" }

describe("support", function()
  it("gives a new request a number and tells the sender", function()
    fake.now(1795305600) -- 2026-11-22
    local result = worker:email(fake.message { subject = "It is broken" }, { env = env })
    local ticket = result.forwards[1].headers["X-Ticket"]
    assert.matches("^261122%-%u%u%u%u$", ticket)
    assert.equal("[#" .. ticket .. "] It is broken", result.replies[1].subject)
    assert.contains(ticket, result.replies[1].text)
  end)

  it("keeps the number of an answer, and does not thank again", function()
    local result = worker:email(fake.message { subject = "Re: [#261122-BCDF] It is broken" }, { env = env })
    assert.equal("261122-BCDF", result.forwards[1].headers["X-Ticket"])
    assert.same({}, result.replies)
  end)

  it("promises nothing when the team cannot be reached", function()
    local upstream = { ["team@corp.test"] = "550 5.2.2 full" }
    local result = worker:email(fake.message(), { env = env, upstream = upstream })
    assert.equal("5.2.2", result.reply.enhanced)
    assert.same({}, result.replies)
  end)
end)
