local worker = load_worker "away"

it("tells each sender once", function()
  local env = { TOLD = fake.kv() }
  local function replies(fields)
    local result = worker:email(fake.message(fields), { env = env })
    assert.equal("anna@corp.test", result.forwards[1].to)
    return #result.replies
  end
  assert.equal(0, replies { headers = { ["List-Id"] = "<talk.sender.test>" } })
  assert.equal(1, replies {})
  assert.equal(0, replies {})
  assert.equal(0, replies { from = "" })
end)
