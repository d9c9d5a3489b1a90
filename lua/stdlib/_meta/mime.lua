---@meta mime
-- Messages read and written. Text is UTF-8 with "\n" line ends.

---@class mime
local mime = {}

---Reads a message, however broken. Properties are worked out when they are first asked for, so that a large
---message costs what is read of it; `message:parse()` is the same for the message that came in, made once.
---
---At most 1,000 parts, 20 deep, 1,000 addresses in a field and 1,000 references are read. Character sets
---other than UTF-8 are known if the script's text, or that of a module beside it, has the word "mime",
---"parse" or "attachments".
---@param raw string The message, with its header.
---@return Mail
function mime.parse(raw) end

---Writes a message with CRLF line ends: parts are arranged and encoded as needed, header fields are encoded
---and folded. Raises an error where a line end in a field, or what is not UTF-8, would make another message
---of it. The same table gives the same bytes, if it has a date.
---@param message MailToBuild
---@return string
function mime.build(message) end

---The message with other header fields, its body as it is. Fields that describe the body (MIME-Version and
---Content-…) stay; of those that a message has once, the first stays.
---@param raw string
---@param changes MailChanges
---@return string
function mime.edit(raw, changes) end

---Names compare without case; one that ends with "-", as "List-", stands for all that begin so.
---@class MailChanges
---@field keep? string[] Only these stay.
---@field remove? string[] These go.
---@field set? table<string, MailAddresses|number|(string|number)[]> New fields, in place of those of that
---name. From, Sender, Reply-To, To and Cc are addresses; all else is text.

---A message, which is the root of its tree of parts too.
---@class Mail : MailPart
---@field subject string Decoded, in one line; "" if there is none.
---@field from? MailAddress
---@field sender? MailAddress
---@field to MailAddress[]
---@field cc MailAddress[]
---@field bcc MailAddress[]
---@field replyTo MailAddress[]
---@field date? number Seconds since 1970; nil if there is none or it is malformed.
---@field dateText? string As it stands there.
---@field messageId? string "<…>"
---@field inReplyTo? string "<…>"
---@field references string[]
---@field text? string The plain text: the first of several forms, all of several bodies; else that of html.
---@field html? string The HTML text: of several forms the last, of several bodies all.
---@field attachments MailPart[] All that is neither of these, and not another form of them.
---@field calendar? MailCalendar The first invitation.
---@field problems string[] What was odd in what has been read so far.

---@class MailAddress
---@field name string Decoded; "" if there is none.
---@field address string

---@class MailPart
---@field type string Lower case: "text/plain".
---@field params table<string, string> Of Content-Type, names in lower case.
---@field charset? string As it stands there.
---@field encoding string Of transport, lower case: "base64"; "" if none is named.
---@field disposition? string Lower case: "attachment", "inline".
---@field filename? string Without folders.
---@field contentId? string Without angle brackets.
---@field isInline boolean Shown within the text.
---@field headers MailHeaders
---@field content string The bytes, decoded.
---@field size integer Of the content.
---@field text? string Of a part of text: in UTF-8.
---@field parts? MailPart[] Of a multipart.
---@field message? Mail Of a message/rfc822: the message.

---Names compare without case; values are unfolded, and not decoded.
---@class MailHeaders
local MailHeaders = {}

---The value; several are joined by ", ". Nil if there is none.
---@param name string
---@return string?
function MailHeaders:get(name) end

---All values, in order.
---@param name string
---@return string[]
function MailHeaders:getAll(name) end

---@param name string
---@return boolean
function MailHeaders:has(name) end

---Every field in order, its name as written: `for name, value in mail.headers:each() do`.
---@return fun(): string, string
function MailHeaders:each() end

---Of its first event; each as written there.
---@class MailCalendar
---@field method? string "REQUEST"
---@field uid? string
---@field summary? string
---@field dtstart? string "20260102T120000"
---@field dtend? string
---@field timezone? string Of dtstart.
---@field organizer? string
---@field location? string
---@field status? string

---@alias MailAddresses string|MailAddress|(string|MailAddress)[]

---@class MailToBuild
---@field from MailAddresses "a@corp.test", "Anna <a@corp.test>" or { name = …, address = … }
---@field sender? MailAddresses
---@field to? MailAddresses
---@field cc? MailAddresses
---@field replyTo? MailAddresses
---@field subject? string
---@field text? string
---@field html? string
---@field attachments? MailAttachment[]
---@field headers? table<string, string|number|(string|number)[]> Fields that none of these write.
---@field inReplyTo? string "<…>"
---@field references? string|string[] Of many, the first and the last 19 are kept.
---@field date? number Seconds since 1970; default: now.
---@field messageId? string "<…>"; default: none, which is given when it is sent.

---@class MailAttachment
---@field content string The bytes.
---@field filename? string
---@field type? string Default: "application/octet-stream".
---@field contentId? string For `<img src="cid:…">`.
---@field inline? boolean Shown within the HTML text.

return mime
