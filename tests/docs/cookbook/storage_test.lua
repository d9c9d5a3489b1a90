local crypto = require "crypto"
local worker = load_worker "storage"

local PLACE = "https://files.example.com/" .. crypto.sha256 "%PDF" .. "/a%20b.pdf"

local function run(answer)
  local mail = { attachments = { { filename = "a b.pdf", type = "application/pdf", content = "%PDF" } } }
  local env = { TOKEN = "x", FILES = fake.fetch { ["PUT " .. PLACE] = answer } }
  return worker:email(fake.message(mail), { env = env })
end

it("keeps what is attached", function()
  local result = run { status = 201 }
  assert.equal("%PDF", result.fetches[1].body)
  assert.equal(PLACE, result.forwards[1].headers["X-Attachment"])
end)

it("forwards nothing that was not kept", function()
  local result = run { status = 500 }
  assert.same({}, result.forwards)
  assert.equal(451, result.reply.code)
end)
