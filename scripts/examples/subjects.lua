-- Sends mail to the desk that its subject is about, or that its attachments are for; what is about nothing
-- known goes to the front desk.
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
  -- The first that fits counts, by the subject before the attachments. All is in lower case. Words are whole
  -- words; files are patterns of names.
  { name = "BILLING", words = { "invoice", "refund", "payment" }, files = { "^invoice.*%.pdf$", "%.xml$" } },
  { name = "SALES", words = { "quote", "price", "offer" }, files = {} },
  { name = "JOBS", words = { "application", "cv", "job" }, files = { "^cv.*%.pdf$", "%.docx?$" } },
}

local function is_about(subject, words)
  for _, word in ipairs(words) do
    if subject:find("%f[%w]" .. word .. "%f[%W]") then
      return true
    end
  end
  return false
end

local function has_file(attachments, patterns)
  for _, file in ipairs(attachments) do
    for _, pattern in ipairs(patterns) do
      if (file.filename or ""):lower():find(pattern) then
        return true
      end
    end
  end
  return false
end

local function desk_for(mail)
  for _, desk in ipairs(DESKS) do
    if is_about(mail.subject:lower(), desk.words) then
      return desk.name
    end
  end
  for _, desk in ipairs(DESKS) do
    if has_file(mail.attachments, desk.files) then
      return desk.name
    end
  end
  return "FRONT"
end

return {
  email = function(message, env)
    -- Subject and names as people read them: parse() decodes what mail encodes.
    local desk = desk_for(message:parse())
    local address = env[desk] or env.FRONT or "front@corp.test"
    message:forward(address, { ["X-Desk"] = desk:lower() })
  end,
}
