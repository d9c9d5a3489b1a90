local worker = load_worker "contact"

describe("contact", function()
  local env

  before_each(function()
    env = { EMAIL = fake.send(), PER_CLIENT = fake.limiter { limit = 3, period = 3600 } }
  end)

  local function post(body)
    return worker:fetch({ method = "POST", url = "/contact", body = body }, { env = env })
  end

  it("becomes a message to the team", function()
    local result = post "email=anna%40sender.test&text=Hello+all%21"
    assert.equal(303, result.response.status)
    assert.equal("anna@sender.test", result.sends[1].replyTo[1].address)
    assert.equal("Hello all!\n", result.sends[1].text)
  end)

  it("wants to know who writes", function()
    for _, body in ipairs { "", "text=x", "email=a%0D%0ABcc:%20b%40c.test&text=x" } do
      local result = post(body)
      assert.equal(400, result.response.status)
      assert.same({}, result.sends)
    end
    assert.equal(429, post("").response.status)
  end)
end)
