-- mime: messages as a tree of parts, and messages made from a table.
--
--   local mail = mime.parse(message.raw)        -- or message:parse()
--   print(mail.subject, mail.from.address, mail.text)
--   for _, file in ipairs(mail.attachments) do print(file.filename, file.type, file.size) end
--   local raw = mime.build { from = "a@corp.test", to = "b@corp.test", subject = "Hi", text = "Hello" }
--   local post = mime.edit(message.raw, { remove = { "DKIM-Signature" }, set = { From = "list@corp.test" } })
--
-- No message is too broken to be parsed; what was odd is in mail.problems. Properties are worked out when
-- they are first asked for, so a large message costs what is read of it. Text is UTF-8 with "\n" line ends.
local _, native = ...
local address = require "mime_address"
local build = require "mime_build"
local edit = require "mime_edit"
local html_text = require("html").toText
local text_of = require "mime_text"
local time = require "time"

local find, sub, gmatch, match = string.find, string.sub, string.gmatch, string.match
local concat = table.concat
local rawget, rawset, setmetatable, type = rawget, rawset, setmetatable, type

local REFERENCES_MAX = 1000
local PROBLEMS_MAX = 100

-- As in host/mail/mime_tree.h.
local flags = {
  { 1, "nested too deeply; what is deeper is not taken apart" },
  { 2, "too many parts; the rest is left out" },
  { 4, "a multipart without a boundary" },
  { 8, "the boundary does not occur" },
  { 16, "the last boundary is missing" },
  { 32, "a field that describes the part is too long" },
}

-- Of each part: the message's bytes, where in them it is, and its place in the tree. No part is in these
-- values: in a weak table it would keep itself alive.
local sources = setmetatable({}, { __mode = "k" })

local function note(part, text)
  local source = sources[part]
  local problems = source.problems
  if #problems < PROBLEMS_MAX then
    text = source.path == "" and text or ("part %s: %s"):format(source.path, text)
    for _, problem in ipairs(problems) do
      if problem == text then
        return
      end
    end
    problems[#problems + 1] = text
  end
end

-- An object whose properties come from functions, once each.
local function lazy(properties, more)
  return {
    __index = function(object, key)
      local make = properties[key]
      local value = make and make(object, more)
      if value ~= nil then
        rawset(object, key, value)
      end
      return value
    end,
  }
end

-- --- header fields -------------------------------------------------------------------------------

local Headers = {}
Headers.__index = Headers

local function values_of(headers, name)
  if type(name) ~= "string" then
    native.raise("headers: the field's name must be a string, got " .. type(name))
  end
  return headers.values[name:lower()]
end

function Headers:get(name)
  local values = values_of(self, name)
  return values and concat(values, ", ")
end

function Headers:getAll(name)
  return { unpack(values_of(self, name) or {}) }
end

function Headers:has(name)
  return values_of(self, name) ~= nil
end

function Headers:each()
  local i = 0
  return function()
    i = i + 1
    return self.names[i], self.inOrder[i]
  end
end

local function read_headers(section)
  local names, in_order = native.mime_fields(section)
  local values = {}
  for i, name in ipairs(names) do
    local key = name:lower()
    values[key] = values[key] or {}
    table.insert(values[key], in_order[i])
  end
  return setmetatable({ names = names, inOrder = in_order, values = values }, Headers)
end

-- The first field of this name, or nil.
local function first_field(part, name)
  local values = part.headers.values[name]
  return values and values[1]
end

-- --- parts ---------------------------------------------------------------------------------------

local part_properties = {}
local open_message

function part_properties.headers(part)
  local source = sources[part]
  return read_headers(sub(source.raw, source.headerFirst, source.headerLast))
end

-- What a native reader makes of the part's body; it says first whether the encoding was broken.
local function read_body(part, reader, ...)
  local source = sources[part]
  local content, is_broken, is_known, is_malformed =
    reader(source.raw, source.bodyFirst, source.bodyLast, part.encoding, ...)
  if is_broken then
    note(part, "its " .. part.encoding .. " is broken")
  end
  return content, is_known, is_malformed
end

-- The bytes, decoded.
function part_properties.content(part)
  return (read_body(part, native.mime_content))
end

function part_properties.size(part)
  return #part.content
end

-- Of a part of text: UTF-8.
function part_properties.text(part)
  if not find(part.type, "^text/") and not find(part.type, "^multipart/") then
    return nil
  end
  local text, is_known, is_malformed = read_body(part, native.mime_text, part.charset or "")
  if not is_known then
    note(part, "its character set is not known: " .. sub(part.charset, 1, 40))
  elseif is_malformed then
    note(part, "its text is not well formed in its character set")
  end
  text = sub(text, 1, 3) == "\239\187\191" and sub(text, 4) or text
  if part.type == "text/plain" and (part.params.format or ""):lower() == "flowed" then
    return text_of.unflow(text, (part.params.delsp or ""):lower() == "yes")
  end
  return text
end

-- The message in a part of type message/rfc822.
function part_properties.message(part)
  local child = sources[part].message
  return child and open_message(child, sources[part].raw)
end

local part_meta = lazy(part_properties)

-- Without folders: what a sender names is not where a script writes.
local function filename_of(node)
  local name = node.dispositionParams and node.dispositionParams.filename or node.params.name
  name = name and match(name, "([^/\\]*)$"):gsub("%c", " ")
  return name ~= "" and name or nil
end

local function describe(part, node)
  part.type, part.params, part.encoding = node.type, node.params, node.encoding
  part.charset = node.params.charset
  part.disposition = node.disposition
  part.filename = filename_of(node)
  part.contentId = node.contentId and match(node.contentId, "^<?([!-;=?-~]+)>?$")
  part.isInline = node.disposition == "inline" or node.disposition == nil and node.contentId ~= nil
end

local function note_flags(part, node)
  for _, flag in ipairs(flags) do
    if bit.band(node.flags, flag[1]) ~= 0 then
      note(part, flag[2])
    end
  end
  if node.isParamsBroken then
    note(part, "a parameter of the fields that describe it is broken")
  end
end

-- Turns what C has found into a part, `part` if given, and its parts into its parts.
local function open_part(node, raw, problems, path, part)
  part = part or setmetatable({}, part_meta)
  sources[part] = {
    raw = raw, problems = problems, path = path,
    headerFirst = node.headerFirst, headerLast = node.headerLast,
    bodyFirst = node.bodyFirst, bodyLast = node.bodyLast,
  }
  describe(part, node)
  note_flags(part, node)
  if node.parts and node.type == "message/rfc822" then
    sources[part].message = node.parts[1]
  elseif node.parts then
    part.parts = {}
    for i, child in ipairs(node.parts) do
      part.parts[i] = open_part(child, raw, problems, path == "" and tostring(i) or path .. "." .. i)
    end
  end
  return part
end

-- --- what is text, what is attached --------------------------------------------------------------

local function is_attached(part)
  return part.disposition == "attachment" or part.filename ~= nil
end

local sort

-- Of several forms of one thing: the first plain text, the last HTML.
local function sort_alternatives(part, found)
  local plain, html
  for _, child in ipairs(part.parts) do
    local inner = { plain = {}, html = {}, attachments = found.attachments, calendars = found.calendars }
    inner.is_alternative = true
    sort(child, inner)
    plain = plain or inner.plain[1] and inner.plain
    html = inner.html[1] and inner.html or html
  end
  for _, text in ipairs(plain or {}) do
    table.insert(found.plain, text)
  end
  for _, text in ipairs(html or {}) do
    table.insert(found.html, text)
  end
end

local function sort_leaf(part, found)
  local kind = part.type
  if kind == "text/calendar" then
    table.insert(found.calendars, part)
  end
  if is_attached(part) then
    table.insert(found.attachments, part)
  elseif kind == "text/plain" or find(kind, "^multipart/") then
    table.insert(found.plain, part)
  elseif kind == "text/html" then
    table.insert(found.html, part)
  elseif kind ~= "text/calendar" and not (found.is_alternative and find(kind, "^text/")) then
    table.insert(found.attachments, part)
  end
end

function sort(part, found)
  if not part.parts then
    sort_leaf(part, found)
  elseif part.type == "multipart/alternative" then
    sort_alternatives(part, found)
  else
    for _, child in ipairs(part.parts) do
      sort(child, found)
    end
  end
end

local function sorted(root)
  local found = { plain = {}, html = {}, attachments = {}, calendars = {} }
  sort(root, found)
  return found
end

-- Bodies in a row are one; nil if there is none.
local function joined(parts)
  local texts = {}
  for i, part in ipairs(parts) do
    texts[i] = part.text
  end
  if #texts < 2 then
    return texts[1] -- a large one is not copied
  end
  return concat(texts, "\n")
end

-- --- messages ------------------------------------------------------------------------------------

local mail_properties = setmetatable({}, { __index = part_properties })

function mail_properties.subject(mail)
  return native.mime_words(first_field(mail, "subject") or "")
end

local function addresses(mail, name)
  local all = {}
  for _, value in ipairs(mail.headers.values[name] or {}) do
    local list, odd = address.read(value)
    for _, item in ipairs(list) do
      all[#all + 1] = item
    end
    if odd then
      note(mail, ("%s: %s"):format(name, odd))
    end
  end
  return all
end

for key, name in pairs { from = "from", sender = "sender" } do
  mail_properties[key] = function(mail)
    return addresses(mail, name)[1]
  end
end

for key, name in pairs { to = "to", cc = "cc", bcc = "bcc", replyTo = "reply-to" } do
  mail_properties[key] = function(mail)
    return addresses(mail, name)
  end
end

-- What stands behind the zone is passed over.
local function read_date(value)
  local seconds = time.parse(value)
  return seconds or (time.parse(match(sub(value, 1, 200), "^.-%d:%d%d[:%d]*%s*[+-]?%d*") or ""))
end

function mail_properties.date(mail)
  local value = first_field(mail, "date")
  local seconds = value and read_date(value)
  if value and not seconds then
    note(mail, "its date is malformed")
  end
  return seconds
end

function mail_properties.dateText(mail)
  return first_field(mail, "date")
end

local function identifiers(mail, name)
  local list = {}
  for _, value in ipairs(mail.headers.values[name] or {}) do
    for id in gmatch(value, "<[!-;=?-~]+>") do
      if #list < REFERENCES_MAX then
        list[#list + 1] = id
      end
    end
  end
  return list
end

function mail_properties.messageId(mail)
  return identifiers(mail, "message-id")[1] or match(first_field(mail, "message-id") or "", "^([!-~]+)$")
end

function mail_properties.inReplyTo(mail)
  return identifiers(mail, "in-reply-to")[1]
end

function mail_properties.references(mail)
  return identifiers(mail, "references")
end

-- `found` is what its parts are, sorted when it is first asked for.
function mail_properties.text(mail, found)
  return joined(found.plain) or mail.html and html_text(mail.html)
end

function mail_properties.html(_, found)
  return joined(found.html)
end

function mail_properties.attachments(_, found)
  return found.attachments
end

function mail_properties.calendar(_, found)
  local part = found.calendars[1]
  return part and text_of.calendar(part.text)
end

-- The message is the root of its tree, and more: where the root's own text is meant, for a message of one
-- part, it is read from that part once more, as a part.
function open_message(node, raw)
  local mail = { problems = {} }
  open_part(node, raw, mail.problems, "", mail)
  local root = setmetatable({ parts = mail.parts }, part_meta)
  sources[root] = sources[mail]
  describe(root, node)
  local found = setmetatable({}, {
    __index = function(found, key)
      for name, parts in pairs(sorted(root)) do
        rawset(found, name, parts)
      end
      return rawget(found, key)
    end,
  })
  return setmetatable(mail, lazy(mail_properties, found))
end

local mime = { build = build, edit = edit }

function mime.parse(raw)
  if type(raw) ~= "string" then
    native.raise("mime.parse: expected a message as a string, got " .. type(raw))
  end
  return open_message(native.mime_tree(raw), raw)
end

return mime
