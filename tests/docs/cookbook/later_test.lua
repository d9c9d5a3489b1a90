local worker = load_worker "later"

it("keeps for later what a message says", function()
  local env = { JOBS = fake.queue() }
  local result = worker:email(fake.message { subject = "Hi", text = "Hello.\n" }, { env = env })
  assert.equal("ok", result.outcome, result.error)
  assert.same({ from = "anna@sender.test", subject = "Hi", text = "Hello.\n" }, result.queued[1].body)
end)

it("tries again, later each time", function()
  local function run(answer)
    local env = { API = fake.fetch { ["POST https://crm.example.com/mails"] = answer } }
    local batch = { messages = { { body = { subject = "Hi" }, attempts = 3 } } }
    return worker:queue(batch, { env = env })
  end
  local result = run "ok"
  assert.equal('{"subject":"Hi"}', result.fetches[1].body)
  assert.equal("ack", result.messages[1].result)
  result = run { status = 503 }
  assert.equal("retry", result.messages[1].result)
  assert.equal(180, result.messages[1].delaySeconds)
end)
