local worker = load_worker "desks"

local function desk_of(subject)
  return worker:email(fake.message { subject = subject }).forwards[1].to
end

it("finds a desk by a word", function()
  assert.equal("billing@corp.test", desk_of "Your INVOICE 17")
  assert.equal("billing@corp.test", desk_of "Rechnung für März")
  assert.equal("sales@corp.test", desk_of "a quote, please")
  assert.equal("front@corp.test", desk_of "a priceless day")
end)
