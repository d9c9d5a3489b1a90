-- dsn: what mail systems report: bounces (RFC 3464, and those that qmail, Exim and Exchange write for
-- people), delays, deliveries, and complaints (RFC 5965).
--
--   local report = dsn.parse(message)             -- or a raw message, or what mime.parse gave
--   if report and report.kind == "bounce" then
--     for _, r in ipairs(report.recipients) do
--       if r.isHard then suppress(r.address, r.diagnostic) end    -- r.class: "hard", "quota", "spam" …
--     end
--   elseif report and report.kind == "feedback" then
--     suppress(report.feedback.recipients[1])
--   end
--
-- Anybody can write a report: act on those whose messageId is one that you have sent.
local _, native = ...
local mime = require "mime"
local reason = require "dsn_reason"
local text_of = require "dsn_text"

local check, raise = native.check, native.raise
local find, gmatch, gsub, lower, match, sub =
  string.find, string.gmatch, string.gsub, string.lower, string.match, string.sub

local REPORT_BYTES_MAX = 256 * 1024
local VALUE_BYTES_MAX = 4096
local RECIPIENTS_MAX = 1000
local PARTS_MAX = 100

local dsn = {}

-- --- access to the message: all that is asked of mime ----------------------------------------------

local function mail_of(call, given)
  local kind = type(given)
  if kind == "string" then
    return mime.parse(given)
  elseif kind == "table" and given.headers then
    return given
  elseif kind == "userdata" then
    return given:parse()
  end
  raise(call .. ": expected the message, a raw message or what mime.parse gave, got " .. kind)
end

-- The parts of the report itself by type; what is within the messages it carries is not looked at.
local function parts_by_type(mail)
  local found, waiting, count = {}, { mail }, 0
  while #waiting > 0 and count < PARTS_MAX do
    local part = table.remove(waiting, 1)
    count = count + 1
    found[part.type] = found[part.type] or part
    for _, child in ipairs(part.parts or {}) do
      waiting[#waiting + 1] = child
    end
  end
  return found
end

local original_types = { "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers" }

-- The message reported on, as far as the report carries it.
local function original_of(mail, parts)
  for _, name in ipairs(original_types) do
    local part = parts[name]
    if part then
      return part.message or mime.parse(part.content)
    end
  end
  local copy = text_of.copy_in(mail.text or "")
  return copy and mime.parse(copy) or nil
end

-- --- fields of reports -----------------------------------------------------------------------------

-- A list of groups, each { [name] = { value, … } }; names in lower case. A second recipient begins a group of
-- its own even where the empty line lacks.
local function groups_of(text)
  local groups, group, values = {}, nil, nil
  text = gsub(sub(text, 1, REPORT_BYTES_MAX), "\r\n?", "\n")
  for line in gmatch(text .. "\n", "([^\n]*)\n") do
    local name, value = match(line, "^([%w-]+)%s*:%s*(.*)$")
    name = name and lower(name)
    if not find(line, "%S") then
      group, values = nil, nil
    elseif name then
      if not group or (name == "final-recipient" and group[name]) then
        group = {}
        groups[#groups + 1] = group
      end
      values = group[name] or {}
      group[name], values[#values + 1] = values, value
    elseif values and find(line, "^%s") and #values[#values] < VALUE_BYTES_MAX then
      values[#values] = values[#values] .. " " .. match(line, "^%s*(.*)$")
    end
  end
  return groups
end

local function first_of(group, name)
  local values = group[name]
  return values and values[1] ~= "" and values[1] or nil
end

-- "rfc822; a@b.test" without its type and brackets.
local function typed(value)
  value = value and gsub(value, "^%s*[%w-]+%s*;%s*", "")
  value = value and match(value, "^%s*<?([^<>]*)>?")
  return value and match(value, "^.*%S")
end

-- --- recipients ------------------------------------------------------------------------------------

local function add_reason(recipient, status)
  local class, is_permanent, is_hard, sure_status = reason.classify(status, recipient.diagnostic or "")
  recipient.status = sure_status or status
  if recipient.action == "failed" or recipient.action == "delayed" then
    recipient.class, recipient.isPermanent = class, recipient.action == "failed" and is_permanent
    recipient.isHard = recipient.action == "failed" and is_hard
  else
    recipient.isPermanent, recipient.isHard = false, false
  end
  return recipient
end

local function recipient_of(group)
  local address = typed(first_of(group, "final-recipient"))
  local original = typed(first_of(group, "original-recipient"))
  if not (address or original) then
    return nil
  end
  local status = match(first_of(group, "status") or "", "[245]%.%d%d?%d?%.%d%d?%d?")
  local action = match(lower(first_of(group, "action") or ""), "^%a+")
  if not action then
    action = status and sub(status, 1, 1) == "2" and "delivered" or "failed"
  end
  return add_reason({
    address = original or address, finalAddress = address, action = action,
    diagnostic = gsub(first_of(group, "diagnostic-code") or "", "^%s*[%w-]+%s*;%s*", ""),
    remoteMta = typed(first_of(group, "remote-mta")),
  }, status)
end

local kinds = { failed = "bounce", delayed = "delay", delivered = "delivery", relayed = "delivery",
  expanded = "delivery" }
local ranks = { bounce = 3, delay = 2, delivery = 1 }

-- What weighs most of what is said of all.
local function kind_of(recipients)
  local kind
  for _, recipient in ipairs(recipients) do
    local one = kinds[recipient.action] or "delivery"
    kind = (not kind or ranks[one] > ranks[kind]) and one or kind
  end
  return kind
end

local function read_status(report, part)
  local groups = groups_of(part.content)
  for _, group in ipairs(groups) do
    if #report.recipients < RECIPIENTS_MAX then
      report.recipients[#report.recipients + 1] = recipient_of(group)
    end
  end
  local first = groups[1] or {}
  report.reportingMta = typed(first_of(first, "reporting-mta"))
  report.envelopeId = first_of(first, "original-envelope-id")
  report.kind = kind_of(report.recipients)
end

local function read_text(report, mail)
  for _, recipient in ipairs(text_of.read(mail) or {}) do
    recipient.action = "failed"
    local _, enhanced = reason.codes_in(recipient.diagnostic)
    report.recipients[#report.recipients + 1] = add_reason(recipient, enhanced)
  end
  report.kind = kind_of(report.recipients)
end

-- --- complaints ------------------------------------------------------------------------------------

local function all_typed(values)
  local list = {}
  for i, value in ipairs(values or {}) do
    list[i] = i <= RECIPIENTS_MAX and typed(value) or nil
  end
  return list
end

local function read_feedback(report, part)
  local fields = groups_of(part.content)[1] or {}
  local original = report.original
  report.kind = "feedback"
  report.feedback = {
    type = lower(first_of(fields, "feedback-type") or "other"),
    userAgent = first_of(fields, "user-agent"),
    sender = typed(first_of(fields, "original-mail-from")),
    recipients = all_typed(fields["original-rcpt-to"]),
    sourceIp = first_of(fields, "source-ip"),
    domain = first_of(fields, "reported-domain"),
    date = first_of(fields, "arrival-date") or first_of(fields, "received-date"),
    authFailure = first_of(fields, "auth-failure"),
  }
  if #report.feedback.recipients == 0 and original then
    for i, to in ipairs(original.to) do
      report.feedback.recipients[i] = to.address
    end
  end
end

-- --- the module ------------------------------------------------------------------------------------

local function read_report(mail)
  local parts = parts_by_type(mail)
  local report = { recipients = {}, original = original_of(mail, parts) }
  local status = parts["message/delivery-status"] or parts["message/global-delivery-status"]
  if parts["message/feedback-report"] then
    read_feedback(report, parts["message/feedback-report"])
  elseif status then
    read_status(report, status)
  end
  if not report.kind then
    read_text(report, mail)
  end
  report.messageId = report.original and report.original.messageId
  return report.kind and report or nil
end

-- Nil for what is no report.
function dsn.parse(message)
  return read_report(mail_of("dsn.parse", message))
end

-- Whether it tells of a delivery that has failed.
function dsn.isBounce(message)
  local report = read_report(mail_of("dsn.isBounce", message))
  return report ~= nil and report.kind == "bounce"
end

-- What a refusal means: its class, whether it is for good, whether the address itself is no good.
function dsn.classify(status, text)
  if status ~= nil then
    check("dsn.classify: the status", status, "string")
  end
  check("dsn.classify: the text", text or "", "string")
  local class, is_permanent, is_hard = reason.classify(status, text or "")
  return class, is_permanent, is_hard
end

return dsn
