local worker = load_worker "aliases"

describe("aliases", function()
  local env

  before_each(function()
    env = { OWNER = "me@corp.test", ALIASES = fake.kv { ["old@corp.test"] = "blocked" } }
  end)

  local function write(from, to, auth)
    return worker:email(fake.message { from = from, to = to, auth = auth }, { env = env })
  end

  it("are learned from the first who writes", function()
    local result = write("news@shop.test", "Shop@corp.test")
    assert.equal("me@corp.test", result.forwards[1].to)
    assert.equal("shop.test", result.kv.ALIASES["shop@corp.test"])
    assert.equal("new alias shop@corp.test for shop.test", result.logs[1].text)
  end)

  it("show who has passed them on", function()
    write("news@shop.test", "shop@corp.test")
    local sent = write("offers@other.test", "shop@corp.test").forwards[1]
    assert.equal("shop.test", sent.headers["X-Alias-Owner"])
    assert.equal("other.test", sent.headers["X-Alias-Leaked-To"])
  end)

  it("are for their owners alone, if strict", function()
    env.STRICT = "yes"
    write("news@shop.test", "shop@corp.test")
    assert.equal("ok", write("bills@shop.test", "shop@corp.test").outcome)
    assert.equal("rejected", write("offers@other.test", "shop@corp.test").outcome)
  end)

  it("can be blocked", function()
    assert.matches("not in use", write("news@shop.test", "old@corp.test").rejectReason)
  end)

  it("are not made by who may be somebody else", function()
    local result = write("news@shop.test", "shop@corp.test", { dmarc = "fail" })
    assert.equal("there is no such address here", result.rejectReason)
    assert.is_nil(result.kv.ALIASES["shop@corp.test"])
  end)

  it("are not made without end", function()
    fake.now(1795305600) -- 2026-11-22
    env.ALIASES = fake.kv { ["new:2026-11-22"] = 100 }
    assert.equal("rejected", write("news@shop.test", "shop@corp.test").outcome)
  end)
end)
