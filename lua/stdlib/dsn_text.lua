-- dsn_text: bounces that are no reports, as qmail, Exim, old Exchange and others write them for people. For
-- the module dsn. Lines are looked at one by one, and no more than LINES_MAX of them.
local reason = require "dsn_reason"

local find, gmatch, lower, match, sub = string.find, string.gmatch, string.lower, string.match, string.sub
local concat = table.concat

local LINES_MAX = 400
local LINE_BYTES_MAX = 1000
local RECIPIENTS_MAX = 100
local REASON_LINES_MAX = 10

local daemons = { "mailer-daemon", "mailer_daemon", "maildaemon", "mail-daemon", "postmaster",
  "microsoftexchange" }
local subjects = { "undeliver", "failure notice", "delivery failure", "delivery status notification",
  "returned mail", "mail delivery failed", "delivery failed", "mail delivery failure", "delivery has failed",
  "mail system error", "delivery notification: delivery has failed", "nondeliverable", "unzustellbar",
  "could not be delivered", "warning: could not send message", "non remis" }

local function has_one_of(text, list)
  text = lower(sub(text, 1, LINE_BYTES_MAX))
  for _, part in ipairs(list) do
    if find(text, part, 1, true) then
      return true
    end
  end
  return false
end

-- A mail system's word, not a person's.
local function is_from_system(mail)
  local path = mail.headers:get("return-path")
  local from = mail.from and mail.from.address or ""
  return has_one_of(from, daemons) or (path ~= nil and find(path, "^%s*<>%s*$") ~= nil)
end

local function is_bounce_like(mail)
  return is_from_system(mail)
    and (mail.headers:has("x-failed-recipients") or has_one_of(mail.subject, subjects))
end

-- Where the copy of the message begins.
local function begins_copy(line)
  line = lower(line)
  return find(line, "^%-+ ?below this line is a copy") or find(line, "^%-+ ?this is a copy of")
    or find(line, "^%-+ ?original message") or find(line, "^%-+ ?returned message")
    or find(line, "^%-+ ?the header of the original") or find(line, "^%-+ ?unsent message")
end

-- An address that stands for itself at the beginning of a line, and what follows it: "<a@b.test>:",
-- "  a@b.test", "a@b.test on 1/2/2026".
local function address_of(line)
  local address, rest = match(line, "^%s*<([^<>%s]+@[^<>%s@]+)>(.*)$")
  if not address then
    address, rest = match(line, "^%s*[\"']?([%w!#$%%&*+/=?^_{|}~.-]+@[%w.-]+%w)[\"']?(.*)$")
  end
  if rest and (find(rest, "^:") or find(rest, "^%s*$") or find(rest, "^ on ") or find(rest, "^%s*%(")) then
    return address, rest
  end
end

-- { { address =, diagnostic = }, … }: each address with the lines below it, up to an empty one or the next.
local function recipients_in(text)
  local list, current, count = {}, nil, 0
  for line in gmatch(text .. "\n", "([^\n]*)\n") do
    count = count + 1
    line = sub(line, 1, LINE_BYTES_MAX)
    if count > LINES_MAX or begins_copy(line) then
      break
    end
    local address, rest = address_of(line)
    if address and #list < RECIPIENTS_MAX then
      current = { address = address, lines = { match(rest, "^:?%s*(.-)$") } }
      list[#list + 1] = current
    elseif not find(line, "%S") then
      current = current and #concat(current.lines) == 0 and current or nil
    elseif current and #current.lines < REASON_LINES_MAX then
      current.lines[#current.lines + 1] = match(line, "^%s*(.*)$")
    end
  end
  for _, recipient in ipairs(list) do
    recipient.diagnostic = match(concat(recipient.lines, " "), "^%s*(.*)$")
    recipient.lines = nil
  end
  return list
end

-- Those whose lines say something of a failure, for any text has addresses.
local function with_reasons(list)
  local kept = {}
  for _, recipient in ipairs(list) do
    local reply, enhanced = reason.codes_in(recipient.diagnostic)
    if reply or enhanced or find(lower(recipient.diagnostic), "sorry", 1, true) then
      kept[#kept + 1] = recipient
    end
  end
  return kept
end

-- What the message's text says of failed recipients; nil when it is no bounce.
local function read(mail)
  if not is_bounce_like(mail) then
    return nil
  end
  local text = mail.text or ""
  local found, named = recipients_in(text), mail.headers:get("x-failed-recipients")
  if not named then
    local list = with_reasons(found)
    return #list > 0 and list or nil
  end
  local list, by_address = {}, {}
  for _, recipient in ipairs(found) do
    by_address[lower(recipient.address)] = recipient
  end
  for address in gmatch(named, "[^%s,<>]+@[^%s,<>]+") do
    if #list < RECIPIENTS_MAX then
      local known = by_address[lower(address)]
      list[#list + 1] = { address = address, diagnostic = known and known.diagnostic or "" }
    end
  end
  return #list > 0 and list or nil
end

-- The copy of the message in the text, from its header on; nil when there is none.
local function copy_in(text)
  for line, after in gmatch(text .. "\n", "([^\n]*)\n()") do
    if begins_copy(sub(line, 1, LINE_BYTES_MAX)) then
      return sub(text, (match(text, "^%s*()", after)))
    end
  end
end

return { read = read, copy_in = copy_in }
