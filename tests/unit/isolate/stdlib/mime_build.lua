-- mime.build: each case is a sentence.
local check = require "check"
local mime = require "mime"

local tests = {}
local equal = check.same

local function case(name, fn)
  tests[name] = fn
end

local DATE = 1700000000

local function built(fields)
  fields.from = fields.from or "a@corp.test"
  fields.date = fields.date or DATE
  local raw = mime.build(fields)
  for line in raw:gmatch("([^\n]*)\n") do
    assert(line:sub(-1) == "\r", "a line without CR")
    assert(#line <= 999, "a line is too long")
  end
  assert(raw:sub(-2) == "\r\n" or raw:find("8bit", 1, true), "no last line end")
  assert(not raw:find("\r\n\r\n", 1, true) or not raw:match("^(.-)\r\n\r\n"):find("[\128-\255]"))
  return raw, mime.parse(raw)
end

case("a text is a message", function()
  local raw = built { to = "b@corp.test", subject = "Hi", text = "Hello\n", messageId = "<1@corp.test>" }
  equal(raw, "From: a@corp.test\r\nTo: b@corp.test\r\nSubject: Hi\r\n"
    .. "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@corp.test>\r\nMIME-Version: 1.0\r\n"
    .. "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello\r\n")
end)

case("every field comes back", function()
  local _, m = built {
    from = { name = "J\195\182rg, \"the\" one", address = "j@corp.test" },
    to = { "b@corp.test", { name = "C. D.", address = "c@corp.test" }, "Eve <e@corp.test>" },
    cc = "F <f@corp.test>", replyTo = "r@corp.test", sender = "s@corp.test",
    subject = "\230\151\165\230\156\172 " .. ("caf\195\169 "):rep(50) .. "end",
    text = "plain \195\169", html = "<p>\195\169</p>",
    inReplyTo = "<0@x>", references = { "<a@x>", "<0@x>" }, headers = { ["X-A"] = "1", ["X-B"] = { "2", 3 } },
  }
  equal(m.from.name, "J\195\182rg, \"the\" one")
  equal(#m.to, 3)
  equal(m.to[2].name .. m.to[3].name .. m.to[3].address, "C. D.Evee@corp.test")
  equal(m.cc[1].name, "F")
  equal(m.replyTo[1].address .. m.sender.address, "r@corp.tests@corp.test")
  equal(m.subject, "\230\151\165\230\156\172 " .. ("caf\195\169 "):rep(50) .. "end")
  equal(m.text, "plain \195\169\n")
  equal(m.html, "<p>\195\169</p>\n")
  equal(m.date, DATE)
  equal(m.inReplyTo, "<0@x>")
  equal(table.concat(m.references), "<a@x><0@x>")
  equal(m.headers:get("x-a") .. m.headers:get("x-b"), "12, 3")
  equal(m.type, "multipart/alternative")
  equal(#m.problems, 0)
end)

case("parts are arranged as readers expect", function()
  local _, m = built {
    text = "t", html = "h",
    attachments = {
      { filename = "logo.png", type = "image/png", content = "\137PNG", contentId = "logo", inline = true },
      { filename = "caf\195\169 " .. ("long "):rep(30) .. ".pdf",
        type = "application/pdf", content = ("x"):rep(1000) },
      { filename = 'q"u o.txt', content = "" },
    },
  }
  equal(m.type, "multipart/mixed")
  equal(m.parts[1].type, "multipart/alternative")
  equal(m.parts[1].parts[2].type, "multipart/related")
  local logo, pdf, odd = unpack(m.attachments)
  equal(logo.contentId .. tostring(logo.isInline) .. logo.content, "logotrue\137PNG")
  equal(pdf.filename, "caf\195\169 " .. ("long "):rep(30) .. ".pdf")
  equal(pdf.content, ("x"):rep(1000))
  equal(odd.filename .. odd.type, 'q"u o.txtapplication/octet-stream')
  equal(#m.problems, 0)
end)

case("inline images without an HTML text are attachments", function()
  local _, m = built { text = "t", attachments = { { type = "image/png", content = "x", inline = true } } }
  equal(m.type, "multipart/mixed")
end)

case("nothing but an attachment is a message too", function()
  local _, m = built { attachments = { { type = "text/csv", content = "a,b" } } }
  equal(m.attachments[1].content, "a,b")
end)

case("a message is attached as it is", function()
  local raw = built { text = "inner" }
  local _, m = built { text = "outer", attachments = { { type = "message/rfc822", content = raw } } }
  equal(m.attachments[1].message.text, "inner\n")
end)

case("the encoding follows the content", function()
  for _, row in ipairs {
    { "ascii\n", "7bit" },
    { "some caf\195\169\n", "quoted-printable" },
    { ("x"):rep(2000), "quoted-printable" },
    { ("\230\151\165"):rep(20), "base64" },
    { "a\0b", "quoted-printable" },
    { "", "7bit" },
  } do
    local _, m = built { text = row[1] }
    equal(m.encoding, row[2])
    equal(m.text:gsub("\n$", ""), (row[1]:gsub("\n$", "")))
  end
end)

case("content cannot close its part", function()
  local text = "--=_postern_1=--\n--=_postern_2=\n=_postern_3=4=\n"
  local raw, m = built { text = text, html = "<br>", attachments = { { content = "--=_postern_4=" } } }
  equal(m.text, text)
  equal(m.html, "<br>\n")
  equal(#m.attachments, 1)
  equal(raw, (built { text = text, html = "<br>", attachments = { { content = "--=_postern_4=" } } }))
end)

case("line ends of all kinds become CRLF", function()
  local _, m = built { text = "a\nb\rc\r\nd" }
  equal(m.text, "a\nb\nc\nd\n")
end)

local refused = {
  { { subject = "a\nBcc: x@y.test" }, "Subject has a line end" },
  { { subject = "a\0" }, "Subject has a line end or another control character" },
  { { subject = "\255" }, "Subject is not UTF-8" },
  { { text = "\255" }, "text is not UTF-8" },
  { { text = 5 }, "text must be a string, got number" },
  { { to = "a@b\r\nBcc: c@d" }, "no address" },
  { { to = "A\nB <a@b>" }, "the name in to has a line end" },
  { { to = { name = "A\r", address = "a@b" } }, "the name in to has a line end" },
  { { to = "nobody" }, "no address" },
  { { to = "" }, "no address" },
  { { to = {} }, "to is an empty list" },
  { { to = { 5 } }, "must be a string, got number" },
  { { to = "a@b, c@d" }, "no address" },
  { { to = "A <a@b>, B <c@d>" }, "not one address" },
  { { to = "a@b@c" }, "no address" },
  { { headers = { ["X-A"] = "b\r\nC: d" } }, "X-A has a line end" },
  { { headers = { ["X\r\nA"] = "b" } }, "no header name" },
  { { headers = { ["X A"] = "b" } }, "no header name" },
  { { headers = { Bcc = "b@c" } }, "written by mime.build itself" },
  { { headers = { ["content-type"] = "x" } }, "written by mime.build itself" },
  { { headers = { ["X-A"] = {} , ["X-B"] = true } }, "X-B must be a string, got boolean" },
  { { headers = "X-A: b" }, "headers must be a table" },
  { { headers = { ["X-A"] = ("b "):rep(5000) } }, "longer than 8000" },
  { { messageId = "<a>\r\nX: y" }, "must be a message identifier" },
  { { inReplyTo = "a" }, "must be a message identifier" },
  { { references = { "<a b>" } }, "must be a message identifier" },
  { { date = "today" }, "date must be a number" },
  { { date = 0 / 0 }, "date must be seconds" },
  { { date = 1e300 }, "date must be seconds" },
  { { subjekt = "x" }, "unknown field 'subjekt'" },
  { { attachments = { { content = 5 } } }, "content must be a string" },
  { { attachments = { {} } }, "content must be a string" },
  { { attachments = { { content = "", name = "x" } } }, "unknown field 'name'" },
  { { attachments = { { content = "", filename = "a\r\nb" } } }, "control character" },
  { { attachments = { { content = "", filename = "\255" } } }, "not UTF-8" },
  { { attachments = { { content = "", filename = ("x"):rep(256) } } }, "longer than 255" },
  { { attachments = { { content = "", type = "text/plain\r\nX: y" } } }, "cannot be an attachment's type" },
  { { attachments = { { content = "", type = "multipart/mixed; boundary=x" } } },
    "cannot be an attachment's type" },
  { { attachments = { { content = "", type = "image" } } }, "cannot be an attachment's type" },
  { { attachments = { { content = "", contentId = "a>\r\n" } } }, "contentId" },
  { { attachments = { "x" } }, "an attachment must be a table" },
  { { from = false }, "must be a string, got boolean" },
}

case("nothing that is given can add a field or a part", function()
  for i, row in ipairs(refused) do
    local fields = row[1]
    if fields.from == nil then
      fields.from = "a@corp.test"
    end
    local ok, problem = pcall(mime.build, fields)
    if ok or not problem:find(row[2], 1, true) or not problem:find("support.lua:%d+: mime.build: ") then
      error(("row %d: got %q, expected %q"):format(i, tostring(problem):sub(1, 300), row[2]))
    end
  end
  equal(select(2, pcall(mime.build)):match("mime.build: expected a table") ~= nil, true)
  equal(select(2, pcall(mime.build, {})):match("the message has no from") ~= nil, true)
end)

case("long threads keep their first and their last", function()
  local ids = {}
  for i = 1, 300 do
    ids[i] = ("<%d@%s>"):format(i, ("x"):rep(100))
  end
  local _, m = built { references = ids }
  equal(#m.references, 20)
  equal(m.references[1] .. m.references[20], ids[1] .. ids[300])
end)

return check.worker(tests)
