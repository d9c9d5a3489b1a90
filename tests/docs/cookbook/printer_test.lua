local worker = load_worker "printer"

it("takes mail from one address", function()
  assert.equal("ok", worker:email(fake.message { client = { ip = "192.0.2.17" } }).outcome)
  assert.equal("rejected", worker:email(fake.message { client = { ip = "192.0.2.18" } }).outcome)
end)
