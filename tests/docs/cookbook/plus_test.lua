local worker = load_worker "plus"

local function to(address)
  return worker:email(fake.message { to = address })
end

it("marks by the tag", function()
  assert.same({ ["X-Tag"] = "shop" }, to("anna+shop@example.com").forwards[1].headers)
  assert.same({}, to("anna@example.com").forwards[1].headers)
end)

it("refuses closed tags", function()
  assert.equal("rejected", to("anna+old@example.com").outcome)
end)
