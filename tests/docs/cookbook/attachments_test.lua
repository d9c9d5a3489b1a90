local worker = load_worker "attachments"

local function with(filename)
  return worker:email(fake.message { attachments = { { filename = filename, content = "x" } } })
end

it("refuses programs", function()
  local result = with "Photo.JPG.exe"
  assert.equal("we take no .exe files; please send a link", result.rejectReason)
  assert.same({}, result.forwards)
end)

it("passes on all else", function()
  assert.equal("team@corp.test", with("report.pdf").forwards[1].to)
  assert.equal("team@corp.test", worker:email(fake.message()).forwards[1].to)
end)
