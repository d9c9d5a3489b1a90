-- mime_reply: the whole message that a message:reply{} with attachments stands for. Without them the host
-- writes it; what is left out has the same defaults there (host/mail/answer.h).
local _, native = ...
local build = require "mime_build"

local SUBJECT_BYTES_MAX = 900

local allowed = {}
for key in ("from to subject text html headers attachments"):gmatch("%a+") do
  allowed[key] = true
end

local function subject_of(mail)
  local subject = mail.subject
  if #subject > SUBJECT_BYTES_MAX then
    subject = subject:sub(1, SUBJECT_BYTES_MAX):gsub("[\192-\255][\128-\191]*$", "")
  end
  return subject:lower():sub(1, 3) == "re:" and subject or "Re: " .. subject
end

local function references_of(mail)
  local ids = { unpack(mail.references) }
  ids[#ids + 1] = mail.messageId
  return ids
end

-- The raw message in place of the fields; `from` and `to` stay, for the host to check.
return function(message, reply)
  local mail = message:parse()
  local fields = {
    from = message.to,
    to = message.from,
    subject = subject_of(mail),
    inReplyTo = mail.messageId,
    references = references_of(mail),
  }
  for key, value in pairs(reply) do
    if not allowed[key] then
      native.raise(("message:reply: with attachments there is no field '%s'; it takes from, to, subject,"
        .. " text, html, headers and attachments"):format(tostring(key)))
    end
    fields[key] = value
  end
  return { raw = build(fields), from = reply.from, to = reply.to }
end
