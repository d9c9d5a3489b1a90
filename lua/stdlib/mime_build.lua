-- mime_build: writes a message (RFC 5322, 2045-2047, 2183, 2231, 2387). For the module mime.
--
-- All that is given may come from a message: nothing in it can add a header field or a part, and the same
-- table gives the same bytes.
local _, native = ...
local address = require "mime_address"
local write = require "mime_field" "mime.build"
local time = require "time"

local find, sub, gsub = string.find, string.sub, string.gsub
local gmatch, match = string.gmatch, string.match
local concat = table.concat

local CONTENT_BYTES_MAX = 32 * 1024 * 1024
local FILENAME_BYTES_MAX = 255
local REFERENCES_KEPT = 20

local check, fail, field, unstructured = write.check, write.fail, write.field, write.unstructured

local function check_keys(given, known, what)
  for key in pairs(given) do
    if not known[key] then
      fail("%s has an unknown field '%s'; it takes %s", what, tostring(key), known.list)
    end
  end
end

local function keys(list)
  local known = { list = (gsub(list, " ", ", ")) }
  for key in gmatch(list, "%S+") do
    known[key] = true
  end
  return known
end

local MESSAGE_KEYS =
  keys "from sender to cc replyTo subject text html attachments headers inReplyTo references date messageId"
local ADDRESS_FIELDS =
  { from = "From", sender = "Sender", replyTo = "Reply-To", to = "To", cc = "Cc" }
local ATTACHMENT_KEYS = keys "filename type content contentId inline"
-- What build writes itself, and what no message may carry.
local OWN_HEADERS = keys("from sender to cc bcc reply-to subject in-reply-to references date message-id"
  .. " mime-version content-type content-transfer-encoding content-disposition content-id")

-- --- header fields -------------------------------------------------------------------------------

local function message_id(value, what)
  local id = match(check(value, "string", what), "^%s*(<[!-;=?-~]+>)%s*$")
  return id or fail("%s must be a message identifier, as in \"<a.b@corp.test>\"", what)
end

-- A long thread's first identifiers and its last.
local function references(value)
  local ids = {}
  if type(value) == "string" then
    for id in gmatch(value, "<[^<>%s]+>") do
      ids[#ids + 1] = message_id(id, "references")
    end
  else
    for i, id in ipairs(check(value, "table", "references")) do
      ids[i] = message_id(id, "references")
    end
  end
  while #ids > REFERENCES_KEPT do
    table.remove(ids, 2)
  end
  return concat(ids, " ")
end

local function date(value)
  local seconds = value == nil and os.time() or check(value, "number", "date")
  if not (seconds >= 0 and seconds < 253402300800) then
    fail("date must be seconds since 1970, got %s", tostring(value))
  end
  return time.formatEmail(math.floor(seconds))
end

local function own_headers(lines, headers)
  local names = {}
  for name, value in pairs(check(headers, "table", "headers")) do
    write.check_name(name)
    if OWN_HEADERS[name:lower()] then
      fail("the header %s is written by mime.build itself; give it as a field of the message", name)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    write.values(lines, name, headers[name])
  end
end

-- --- parts ---------------------------------------------------------------------------------------
-- A part is { type =, head = { lines }, body = string } or { type =, head = { lines }, parts = { ... } }.

-- More than a quarter of it would be written out.
local function is_mostly_8bit(text)
  local _, count = gsub(text, "[\128-\255]", "")
  return count * 4 > #text
end

local function encode_text(text)
  text = native.mime_lines(text)
  if native.mime_is_7bit(text) then
    return text, "7bit"
  elseif is_mostly_8bit(text) then
    return native.mime_base64(text), "base64"
  end
  return native.mime_quoted_printable(text), "quoted-printable"
end

local function text_part(text, kind)
  check(text, "string", kind)
  if not native.mime_is_utf8(text) then
    fail("%s is not UTF-8", kind)
  end
  local body, encoding = encode_text(text)
  local head = {}
  field(head, "Content-Type", kind == "html" and "text/html; charset=utf-8" or "text/plain; charset=utf-8")
  field(head, "Content-Transfer-Encoding", encoding)
  return { head = head, body = body, is_plain = encoding == "7bit" }
end

-- RFC 2231, in pieces that fit a line; a plain name is a quoted string.
local function filename_parameter(filename)
  check(filename, "string", "a filename")
  if #filename > FILENAME_BYTES_MAX or find(filename, "[%z\1-\31\127]") then
    fail("a filename is longer than %d bytes or has a control character", FILENAME_BYTES_MAX)
  elseif not native.mime_is_utf8(filename) then
    fail("a filename is not UTF-8")
  end
  if #filename <= 60 and not find(filename, "[\128-\255]") then
    return '; filename="' .. gsub(filename, '["\\]', "\\%0") .. '"'
  end
  local encoded = gsub(filename, "[^%w._-]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  if #encoded <= 50 then
    return "; filename*=UTF-8''" .. encoded
  end
  local pieces, at = {}, 1
  while at <= #encoded do
    local stop = at + 47
    -- Not within "%41".
    local percent = find(sub(encoded, stop - 1, stop), "%", 1, true)
    stop = percent and stop - 3 + percent or stop
    pieces[#pieces + 1] = ("; filename*%d*=%s%s"):format(#pieces, at == 1 and "UTF-8''" or "",
      sub(encoded, at, stop))
    at = stop + 1
  end
  return concat(pieces)
end

local function media_type(value)
  value = value == nil and "application/octet-stream" or check(value, "string", "an attachment's type")
  local token = "[%w!#$&^_.+-]+"
  local kind, rest = match(value, "^(" .. token .. "/" .. token .. ")%s*([ -~]*)$")
  kind = kind and (rest == "" or sub(rest, 1, 1) == ";") and kind
  if not kind or find(kind:lower(), "^multipart/") then
    fail("'%s' cannot be an attachment's type; write it as in \"image/png\"",
      (gsub(sub(value, 1, 80), "%c", "?")))
  end
  return value, kind:lower()
end

-- A message is not encoded again (RFC 2046 section 5.2.1).
local function encode_content(content, kind)
  if kind == "message/rfc822" then
    content = native.mime_lines(content)
    return content, native.mime_is_7bit(content) and "7bit" or "8bit"
  end
  return native.mime_base64(content), "base64"
end

local function attachment_part(given)
  check(given, "table", "an attachment")
  check_keys(given, ATTACHMENT_KEYS, "an attachment")
  local content = check(given.content, "string", "an attachment's content")
  local full_type, kind = media_type(given.type)
  local filename = given.filename and filename_parameter(given.filename) or ""
  local body, encoding = encode_content(content, kind)
  local head = {}
  field(head, "Content-Type", full_type)
  field(head, "Content-Transfer-Encoding", encoding)
  field(head, "Content-Disposition", (given.inline and "inline" or "attachment") .. filename)
  if given.contentId ~= nil then
    local id = match(check(given.contentId, "string", "contentId"), "^<?([!-;=?-~]+)>?$")
    if not id or #id > 200 then
      fail("contentId must be printable ASCII without blanks, as in \"logo@corp.test\"")
    end
    field(head, "Content-ID", "<" .. id .. ">")
  end
  return { head = head, body = body, is_plain = encoding ~= "base64", is_inline = given.inline }
end

local function multipart(kind, parts)
  return #parts == 1 and parts[1] or { kind = kind, parts = parts }
end

-- mixed(alternative(text, related(html, inline ...)), attachment ...): each level only where it is needed.
local function arrange(given)
  local inline, attached, alternatives = {}, {}, {}
  for _, item in ipairs(check(given.attachments or {}, "table", "attachments")) do
    local part = attachment_part(item)
    local list = part.is_inline and given.html and inline or attached
    list[#list + 1] = part
  end
  if given.text or not given.html then
    alternatives[1] = text_part(given.text or "", "text")
  end
  if given.html then
    table.insert(inline, 1, text_part(given.html, "html"))
    alternatives[#alternatives + 1] = multipart("related", inline)
  end
  table.insert(attached, 1, multipart("alternative", alternatives))
  return multipart("mixed", attached)
end

-- --- boundaries ----------------------------------------------------------------------------------
-- "=_postern_7=": what base64 and quoted-printable never write. Of texts that are not encoded, those that
-- hold such a line keep its number for themselves.

local function used_numbers(part, used)
  for _, child in ipairs(part.parts or {}) do
    used_numbers(child, used)
  end
  if part.is_plain then
    for number in gmatch(part.body, "=_postern_(%d+)=") do
      used[number] = true
    end
  end
  return used
end

local function boundary_maker(root)
  local used, last = used_numbers(root, {}), 0
  return function()
    repeat
      last = last + 1
    until not used[tostring(last)]
    return ("=_postern_%d="):format(last)
  end
end

local function write_part(out, part, new_boundary)
  if not part.parts then
    out[#out + 1] = concat(part.head)
    out[#out + 1] = "\r\n"
    out[#out + 1] = part.body
    return
  end
  local boundary = new_boundary()
  local head = {}
  field(head, "Content-Type", ('multipart/%s; boundary="%s"'):format(part.kind, boundary))
  out[#out + 1] = head[1]
  for _, child in ipairs(part.parts) do
    out[#out + 1] = "\r\n--" .. boundary .. "\r\n"
    write_part(out, child, new_boundary)
  end
  out[#out + 1] = "\r\n--" .. boundary .. "--\r\n"
end

-- --- the message ---------------------------------------------------------------------------------

local function header(given)
  local lines = {}
  for _, key in ipairs { "from", "sender", "replyTo", "to", "cc" } do
    if given[key] ~= nil then
      field(lines, ADDRESS_FIELDS[key], address.write(given[key], key))
    end
  end
  if given.subject ~= nil then
    unstructured(lines, "Subject", given.subject)
  end
  field(lines, "Date", date(given.date))
  if given.messageId ~= nil then
    field(lines, "Message-ID", message_id(given.messageId, "messageId"))
  end
  if given.inReplyTo ~= nil then
    field(lines, "In-Reply-To", message_id(given.inReplyTo, "inReplyTo"))
  end
  local thread = given.references ~= nil and references(given.references) or ""
  if thread ~= "" then
    field(lines, "References", thread)
  end
  own_headers(lines, given.headers or {})
  field(lines, "MIME-Version", "1.0")
  return concat(lines)
end

local function content_bytes(given)
  local function length(text)
    return type(text) == "string" and #text or 0
  end
  local bytes = length(given.text) + length(given.html)
  for _, item in ipairs(type(given.attachments) == "table" and given.attachments or {}) do
    bytes = bytes + (type(item) == "table" and length(item.content) or 0)
  end
  return bytes
end

return function(given)
  if type(given) ~= "table" then
    fail("expected a table { from = ..., to = ..., subject = ..., text = ... }, got %s", type(given))
  end
  check_keys(given, MESSAGE_KEYS, "the message")
  if given.from == nil then
    fail("the message has no from")
  elseif content_bytes(given) > CONTENT_BYTES_MAX then
    fail("the content is larger than %d MiB", CONTENT_BYTES_MAX / 1024 / 1024)
  end
  local root = arrange(given)
  local out = { header(given) }
  write_part(out, root, boundary_maker(root))
  return concat(out)
end
