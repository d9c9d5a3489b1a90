local worker = load_worker "tickets"

describe("tickets", function()
  local env

  before_each(function()
    env = { TEAM = "team@corp.test", TICKETS = fake.kv { last = 16 } }
  end)

  local function ask(subject, from)
    return worker:email(fake.message { subject = subject, from = from }, { env = env })
  end

  it("have running numbers", function()
    assert.equal("17", ask("It is broken").forwards[1].headers["X-Ticket"])
    local second = ask "It is slow"
    assert.equal("18", second.forwards[1].headers["X-Ticket"])
    assert.equal("[#18] It is slow", second.replies[1].subject)
    assert.equal("18", second.kv.TICKETS.last)
  end)

  it("are found again by their number", function()
    ask "It is broken"
    local answer = ask "Re: [#17] It is broken"
    assert.equal("17", answer.forwards[1].headers["X-Ticket"])
    assert.same({}, answer.replies)
    assert.equal("17", answer.kv.TICKETS.last)
  end)

  it("are not taken over by others", function()
    ask "It is broken"
    assert.equal("18", ask("Re: [#17] It is broken", "mallory@sender.test").forwards[1].headers["X-Ticket"])
  end)

  it("do not believe in numbers that were never given", function()
    assert.equal("17", ask("Re: [#99] Hello").forwards[1].headers["X-Ticket"])
  end)
end)
