local worker = load_worker "score"

local function scored(score)
  return worker:email(fake.message { spamScore = score })
end

it("marks and refuses", function()
  assert.equal("NO", scored(0.3).forwards[1].headers["X-Spam-Flag"])
  assert.equal("YES", scored(2).forwards[1].headers["X-Spam-Flag"])
  assert.equal("rejected", scored(4.5).outcome)
end)

it("passes on what nobody has scored", function()
  assert.equal("0.0", worker:email(fake.message()).forwards[1].headers["X-Spam-Score"])
end)
