local worker = load_worker "limited"

it("lets so many pass for each sender", function()
  local env = { PER_SENDER = fake.limiter { limit = 1, period = 3600 } }
  local function outcome(from)
    return worker:email(fake.message { from = from }, { env = env }).outcome
  end
  assert.equal("ok", outcome "anna@sender.test")
  assert.equal("rejected", outcome "Anna@sender.test")
  assert.equal("ok", outcome "ben@sender.test")
end)
