local worker = load_worker "doubtful"

local function forward_of(result)
  return worker:email(fake.message { auth = { dmarc = result } }).forwards[1]
end

it("passes on what is sound or says nothing", function()
  assert.equal("pass", forward_of("pass").headers["X-DMARC"])
  assert.equal("team@corp.test", forward_of("none").to)
end)

it("shows the rest to somebody, as an attachment", function()
  local forward = forward_of "fail"
  assert.equal("security@corp.test", forward.to)
  assert.is_true(forward.wrapped)
end)
