local worker = load_worker "fallback"

local function answered(reply)
  return worker:email(fake.message(), { upstream = { ["anna@corp.test"] = reply } })
end

it("goes to the backup when the mailbox is full", function()
  local result = answered "552 5.2.2 mailbox full"
  assert.equal("backup@mail.test", result.forwards[2].to)
  assert.equal("ok", result.outcome)
end)

it("tells the sender all else", function()
  assert.equal("5.1.1", answered("550 5.1.1 gone").reply.enhanced)
end)
