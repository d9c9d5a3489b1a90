local worker = load_worker "orders"

local env = { SALES = "sales@corp.test", REFUNDS = "refunds@corp.test" }

local function order(subject, upstream)
  return worker:email(
    fake.message { to = "order-42@corp.test", subject = subject, captures = { id = 42 } },
    { env = env, upstream = upstream }
  )
end

describe("orders", function()
  it("go to sales with their number", function()
    local sent = order("Where is it?").forwards[1]
    assert.equal("sales@corp.test", sent.to)
    assert.equal("42", sent.headers["X-Order"])
  end)

  it("go to refunds when the subject says so", function()
    assert.equal("refunds@corp.test", order("REFUND please").forwards[1].to)
  end)

  it("are refused in our own words when the desk is gone", function()
    local result = order("hello", { ["sales@corp.test"] = "550 5.1.1 no such user" })
    assert.equal("order 42 cannot be handled by mail just now", result.rejectReason)
  end)

  it("without a number are told how to write", function()
    local result = worker:email(fake.message(), { env = env })
    assert.matches("order%-<number>", result.rejectReason)
  end)
end)
