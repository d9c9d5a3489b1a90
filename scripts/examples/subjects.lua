-- Sends mail to the desk that its subject is about; what is about nothing known goes to the front desk.
--
--   rules/example.com.yaml:
--     rules: [{to: [info@, office@], worker: subjects}]
--
--   rules/host.yaml:
--     workers:
--       subjects: {vars: {BILLING: ben@corp.test, FRONT: anna@corp.test}}
--
--   variables:  SALES, BILLING, JOBS, FRONT   the desks' addresses
local DESKS = {
  -- The first that fits counts. Words are written in lower case; %f[%w]…%f[%W] finds whole words only.
  { name = "BILLING", words = { "invoice", "refund", "payment" } },
  { name = "SALES", words = { "quote", "price", "offer" } },
  { name = "JOBS", words = { "application", "cv", "job" } },
}

local function desk_for(subject)
  for _, desk in ipairs(DESKS) do
    for _, word in ipairs(desk.words) do
      if subject:find("%f[%w]" .. word .. "%f[%W]") then
        return desk.name
      end
    end
  end
  return "FRONT"
end

return {
  email = function(message, env)
    -- The subject as people read it: parse() decodes what mail encodes.
    local desk = desk_for(message:parse().subject:lower())
    local address = env[desk] or env.FRONT or "front@corp.test"
    message:forward(address, { ["X-Desk"] = desk:lower() })
  end,
}
