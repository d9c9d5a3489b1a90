local worker = load_worker "spamgate"

local function scored(score, env)
  return worker:email(fake.message { spamScore = score }, { env = env })
end

describe("spamgate", function()
  it("passes clean mail on with its score", function()
    assert.same({ ["X-Spam-Score"] = "0.3" }, scored(0.3).forwards[1].headers)
  end)

  it("marks what is doubtful", function()
    assert.equal("YES", scored(2).forwards[1].headers["X-Spam-Flag"])
  end)

  it("refuses what is beyond doubt", function()
    local result = scored(4.5)
    assert.equal("rejected", result.outcome)
    assert.equal(0, #result.forwards)
  end)

  it("has limits that can be set", function()
    local env = { MARK = "1", REFUSE = 3 }
    assert.equal("YES", scored(1, env).forwards[1].headers["X-Spam-Flag"])
    assert.equal("rejected", scored(3, env).outcome)
  end)

  it("lets mail pass where nothing is scored", function()
    assert.equal("0.0", scored(nil).forwards[1].headers["X-Spam-Score"])
  end)
end)
