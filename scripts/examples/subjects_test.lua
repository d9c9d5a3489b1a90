local worker = load_worker "subjects"

local env = { BILLING = "billing@corp.test", SALES = "sales@corp.test", FRONT = "front@corp.test" }

local function desk_of(subject)
  local result = worker:email(fake.message { subject = subject }, { env = env })
  assert.equal("ok", result.outcome)
  return result.forwards[1].to, result.forwards[1].headers["X-Desk"]
end

describe("subjects", function()
  it("finds a desk by a word", function()
    local address, name = desk_of "Re: Your INVOICE 17"
    assert.equal("billing@corp.test", address)
    assert.equal("billing", name)
  end)

  it("lets the first desk have what two could take", function()
    assert.equal("billing@corp.test", (desk_of "price on my invoice"))
  end)

  it("takes whole words only", function()
    assert.equal("front@corp.test", (desk_of "a priceless day"))
  end)

  describe("looks at attachments", function()
    local function desk_with(filename, subject)
      local fields = { subject = subject, attachments = { { filename = "a.png", content = "" } } }
      fields.attachments[2] = { filename = filename, content = "x" }
      return worker:email(fake.message(fields), { env = env }).forwards[1].headers["X-Desk"]
    end

    it("by their names", function()
      assert.equal("billing", desk_with "Invoice-17.PDF")
      assert.equal("jobs", desk_with "cv anna.pdf")
      assert.equal("front", desk_with "holiday.pdf")
    end)

    it("when the subject is about nothing", function()
      assert.equal("sales", desk_with("invoice.pdf", "your price"))
    end)
  end)

  it("reads encoded subjects", function()
    assert.equal("sales@corp.test", (desk_of "Ein Gruß, and a quote please"))
  end)

  it("gives a desk without an address to the front", function()
    assert.equal("front@corp.test", (desk_of "job"))
  end)

  it("takes mail without a subject", function()
    local result = worker:email(fake.message { raw = "From: anna@sender.test\n\nHello.\n" }, { env = env })
    assert.equal("front@corp.test", result.forwards[1].to)
  end)
end)
