local worker = load_worker "until"

local function outcome(date)
  return worker:email(fake.message { captures = { date = date } }).outcome
end

it("takes mail until the day is over", function()
  fake.now(1795305600) -- 2026-11-22
  assert.equal("ok", outcome "2026-11-22")
  assert.equal("ok", outcome "2026-12-31")
  assert.equal("rejected", outcome "2026-11-20")
  assert.equal("rejected", outcome "2026-13-77")
end)
