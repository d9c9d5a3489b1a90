local time = require "time"
local worker = load_worker "hours"

local function desk_at(text)
  fake.now(time.parse(text))
  return worker:email(fake.message()).forwards[1].to
end

it("knows when somebody is there", function()
  assert.equal("desk@corp.test", desk_at "2026-11-23T09:00:00+01:00") -- a Monday
  assert.equal("duty@corp.test", desk_at "2026-11-23T17:00:00+01:00")
  assert.equal("duty@corp.test", desk_at "2026-11-22T12:00:00+01:00")
end)
