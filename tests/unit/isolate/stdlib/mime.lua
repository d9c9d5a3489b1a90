-- mime.parse: each case is a sentence.
local check = require "check"
local mime = require "mime"

local tests = {}
local equal = check.same

local function case(name, fn)
  tests[name] = fn
end

-- Lines as they are written here, with CRLF.
local function mail(text)
  return mime.parse((text:gsub("\r?\n", "\r\n")))
end

local function has_problem(message, part)
  for _, problem in ipairs(message.problems) do
    if problem:find(part, 1, true) then
      return
    end
  end
  error(("no problem says %q, only %q"):format(part, table.concat(message.problems, "; ")), 2)
end

-- --- header fields ---

case("a plain message is read", function()
  local m = mail [[
From: "Anna, the first" <anna@corp.test>
To: ben@corp.test, Carl <carl@corp.test>
Cc: d@corp.test
Reply-To: list@corp.test
Sender: s@corp.test
Subject: Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1@corp.test>
In-Reply-To: <0@corp.test>
References: <a@corp.test>
 <0@corp.test>

Hi there.
]]
  equal(m.from.name, "Anna, the first")
  equal(m.from.address, "anna@corp.test")
  equal(#m.to, 2)
  equal(m.to[2].name .. "|" .. m.to[2].address, "Carl|carl@corp.test")
  equal(m.to[1].name, "")
  equal(m.cc[1].address, "d@corp.test")
  equal(#m.bcc, 0)
  equal(m.replyTo[1].address, "list@corp.test")
  equal(m.sender.address, "s@corp.test")
  equal(m.subject, "Hello")
  equal(m.date, 880127706)
  equal(m.dateText, "Fri, 21 Nov 1997 09:55:06 -0600")
  equal(m.messageId, "<1@corp.test>")
  equal(m.inReplyTo, "<0@corp.test>")
  equal(table.concat(m.references, " "), "<a@corp.test> <0@corp.test>")
  equal(m.text, "Hi there.\n")
  equal(m.html, nil)
  equal(m.type, "text/plain")
  equal(#m.attachments, 0)
  equal(#m.problems, 0)
  equal(m.headers:get("SUBJECT"), "Hello")
  equal(m.headers:has("X-None"), false)
  equal(#m.headers:getAll("to"), 1)
  local names = {}
  for name in m.headers:each() do
    names[#names + 1] = name
  end
  equal(names[1] .. names[#names], "FromReferences")
end)

case("an empty message is one", function()
  for _, raw in ipairs { "", "\r\n", "\n", ":", "no header at all", "\0\0\0", "A:" } do
    local m = mime.parse(raw)
    equal(m.subject, "")
    equal(m.from, nil)
    equal(#m.to, 0)
    equal(m.date, nil)
    equal(m.messageId, nil)
    equal(type(m.text), "string")
  end
end)

local subjects = {
  { "=?utf-8?Q?caf=C3=A9?=", "caf\195\169" },
  { "=?iso-8859-1?Q?caf=E9?= =?utf-8?B?w6k=?=", "caf\195\169\195\169" },
  { "=?koi8-r?B?8NLJ18XU?=", "\208\159\209\128\208\184\208\178\208\181\209\130" },
  { "=?gb2312?B?xOO6ww==?=", "\228\189\160\229\165\189" },
  { "=?shift_jis?B?k/qWew==?=", "\230\151\165\230\156\172" },
  { "=?big5?B?p0Gmbg==?=", "\228\189\160\229\165\189" },
  { "=?euc-kr?B?x9GxuQ==?=", "\237\149\156\234\181\173" },
  { "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\230\151\165\230\156\172" },
  { "=?windows-1251?Q?=CF=F0=E8?=", "\208\159\209\128\208\184" },
  { "=?utf-7?Q?+AOk-?=", "\195\169" },
  { "=?x-none?Q?a?=", "=?x-none?Q?a?=" },
  { "caf\195\169", "caf\195\169" }, -- UTF-8 as it is
  { "caf\233", "caf\195\169" }, -- raw ISO-8859-1
  { "=?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x" }, -- no line ends come out of it
  { "a\0b", "a b" },
  { "=?utf-8?Q?" .. ("a"):rep(5000) .. "?=", "=?utf-8?Q?" .. ("a"):rep(5000) .. "?=" },
}

case("subjects are decoded", function()
  for _, row in ipairs(subjects) do
    equal(mime.parse("Subject: " .. row[1] .. "\r\n\r\n").subject, row[2])
  end
end)

local lists = {
  { "a@b.test", "a@b.test" },
  { "<a@b.test>", "a@b.test" },
  { "A <a@b.test>, B <b@b.test>", "A=a@b.test B=b@b.test" },
  { '"A \\"Q\\" B" <a@b.test>', 'A "Q" B=a@b.test' },
  { "a@b.test (Anna (the first))", "Anna (the first)=a@b.test" },
  { "Friends: a@b.test, B <b@b.test>;, c@b.test", "a@b.test B=b@b.test c@b.test" },
  { "undisclosed-recipients:;", "" },
  { "=?utf-8?Q?J=C3=B6rg?= <j@b.test>", "J\195\182rg=j@b.test" },
  { '"=?utf-8?Q?J=C3=B6rg?=" <j@b.test>', "J\195\182rg=j@b.test" },
  { "J\246rg <j@b.test>", "J\195\182rg=j@b.test" },
  { "<@relay.test,@r2.test:a@b.test>", "a@b.test" },
  { '"a b"@b.test', '"a b"@b.test' },
  { "a @ b.test", "a@b.test" },
  { "user@[192.0.2.1]", "user@[192.0.2.1]" },
  { "A. B. C <a@b.test>", "A. B. C=a@b.test" },
  { "nobody", "" },
  { "<>", "" },
  { ",,;,", "" },
  { "a@b.test,", "a@b.test" },
  { '"unfinished', "" },
  { "A <a@b.test", "A=a@b.test" },
  { "((((a@b.test", "" },
  { "\"\\", "" },
}

case("lists of addresses are read as they come", function()
  for _, row in ipairs(lists) do
    local found = {}
    for i, item in ipairs(mime.parse("To: " .. row[1] .. "\r\n\r\n").to) do
      found[i] = (item.name ~= "" and item.name .. "=" or "") .. item.address
    end
    equal(table.concat(found, " "), row[2])
  end
end)

local dates = {
  { "Fri, 21 Nov 1997 09:55:06 -0600", 880127706 },
  { "21 Nov 97 09:55 GMT", 880106100 },
  { "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)", 0 },
  { "Tue, 29 Feb 2000 12:00:00 +0200", 951818400 },
  { "31 Dec 1969 23:59:59 GMT", -1 },
  { "Mon, 1 Mar 2027 08:00:00 EST", 1803906000 },
  { "yesterday", nil },
  { "99 Foo 2020 00:00:00", nil },
  { ("("):rep(100000), nil },
  { "", nil },
}

case("dates become seconds", function()
  for _, row in ipairs(dates) do
    equal(mime.parse("Date: " .. row[1] .. "\r\n\r\n").date, row[2])
  end
end)

-- --- bodies ---

local texts = {
  { "utf-8", "7bit", "caf\195\169", "caf\195\169" },
  { "us-ascii", "8bit", "caf\195\169", "caf\195\169" },
  { "us-ascii", "8bit", "caf\233", "caf\195\169" },
  { "ISO-8859-1", "quoted-printable", "caf=E9=\r\n!", "caf\195\169!" },
  { "windows-1252", "base64", "gA==", "\226\130\172" },
  { "iso-8859-15", "8bit", "\164", "\226\130\172" },
  { "utf-16", "base64", "//5hAGIA", "ab" },
  { "utf-16be", "base64", "AGEAYg==", "ab" },
  { "utf-8", "base64", "77u/YQ==", "a" }, -- a byte order mark
  { "macintosh", "8bit", "\142", "\195\169" },
  { "euc-jp", "base64", "xvzL3A==", "\230\151\165\230\156\172" },
  { "gb18030", "base64", "xOO6ww==", "\228\189\160\229\165\189" },
  { "utf-8", "quoted-printable", "a  \r\nb\tc=20\r\n", "a\nb\tc \n" },
  { "utf-8", "quoted-printable", "=zz=4", "=zz=4", "quoted-printable is broken" },
  { "utf-8", "base64", "YW*Jj", "abc", "base64 is broken" },
  { "utf-8", "base64", "YQ", "a", "base64 is broken" },
  { "utf-8", "base64", "YQ==YQ==", "aa" },
  { "utf-8", "8bit", "a\255b\195", "a\239\191\189b\239\191\189", "not well formed" },
  { "utf-8", "8bit", "\237\160\128", ("\239\191\189"):rep(3), "not well formed" },
  { "shift_jis", "8bit", "a\147", "a\239\191\189", "not well formed" },
  { "x-unknown", "8bit", "caf\233", "caf\195\169", "not known: x-unknown" },
  { "utf-8", "x-uuencode", "as it is", "as it is" },
}

case("text is decoded to UTF-8", function()
  for _, row in ipairs(texts) do
    local m = mime.parse(("Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s")
      :format(row[1], row[2], row[3]))
    equal(m.text, row[4])
    if row[5] then
      has_problem(m, row[5])
    else
      equal(table.concat(m.problems), "")
    end
  end
end)

case("flowed paragraphs are joined", function()
  local m = mail [[
Content-Type: text/plain; charset=us-ascii; format=flowed

A long 
paragraph.
> quoted 
> text
>> deeper
 From here
-- 
Anna
]]
  equal(m.text, "A long paragraph.\n> quoted text\n>> deeper\nFrom here\n-- \nAnna\n")
end)

case("deleted blanks of flowed paragraphs go", function()
  local m = mail "Content-Type: text/plain; format=flowed; delsp=yes\n\nab \ncd\n"
  equal(m.text, "abcd\n")
end)

local mixed = [[
From: a@corp.test
Content-Type: multipart/mixed; boundary="outer b"

preamble
--outer b
Content-Type: multipart/alternative; boundary=inner

--inner

plain
--inner
Content-Type: multipart/related; boundary=rel

--rel
Content-Type: text/html; charset=utf-8

<b>html</b>
--rel
Content-Type: image/png; name=logo.png
Content-ID: <logo@x>
Content-Transfer-Encoding: base64
Content-Disposition: inline

iVBORw==
--rel--
--inner--
epilogue
--outer b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.pdf; filename="cafe.pdf"

%PDF
--outer b
Content-Type: message/rfc822

Subject: nested
From: n@corp.test
Content-Type: text/plain

inside
--outer b
Content-Type: text/calendar; method=REQUEST; charset=utf-8

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
DTSTART:19700101T000000
END:VTIMEZONE
BEGIN:VEVENT
UID:42@corp.test
SUMMARY:Lunch\, all
 \nof us
DTSTART;TZID="Europe/Berlin":20260102T120000
DTEND:20260102T130000Z
ORGANIZER;CN="Anna: the boss":mailto:anna@corp.test
END:VEVENT
END:VCALENDAR
--outer b--
]]

case("a message of many parts is sorted", function()
  local m = mail(mixed)
  equal(m.text, "plain")
  equal(m.html, "<b>html</b>")
  equal(#m.attachments, 3)
  local logo, pdf, nested = unpack(m.attachments)
  equal(logo.filename .. logo.contentId .. tostring(logo.isInline), "logo.pnglogo@xtrue")
  equal(logo.content, "\137PNG")
  equal(logo.size, 4)
  equal(pdf.filename, "caf\195\169.pdf")
  equal(pdf.disposition .. pdf.type .. tostring(pdf.isInline), "attachmentapplication/pdffalse")
  equal(pdf.content, "%PDF")
  equal(nested.message.subject, "nested")
  equal(nested.message.from.address, "n@corp.test")
  equal(nested.message.text, "inside")
  equal(nested.content, "Subject: nested\r\nFrom: n@corp.test\r\nContent-Type: text/plain\r\n\r\ninside")
  equal(nested.parts, nil)
  equal(#m.parts, 4)
  equal(m.parts[1].parts[2].parts[1].type, "text/html")
  equal(m.parts[1].parts[2].parts[2].headers:get("content-id"), "<logo@x>")
  equal(m.calendar.method, "REQUEST")
  equal(m.calendar.uid, "42@corp.test")
  equal(m.calendar.summary, "Lunch, all\nof us")
  equal(m.calendar.dtstart .. " " .. m.calendar.timezone, "20260102T120000 Europe/Berlin")
  equal(m.calendar.dtend, "20260102T130000Z")
  equal(m.calendar.organizer, "anna@corp.test")
  equal(#m.problems, 0)
end)

local names = {
  { 'filename="a.txt"', "a.txt" },
  { "filename=a b.txt", "a b.txt" },
  { "filename=\"a\\\"b.txt\"", 'a"b.txt' },
  { "filename*0=\"a\"; filename*1=b; filename*2*=%2Etxt", "ab.txt" },
  { "filename*1*=%A9.txt; filename*0*=utf-8'en'caf%C3", "caf\195\169.txt" },
  { "filename*=iso-8859-1''caf%E9.txt", "caf\195\169.txt" },
  { "filename*=x-none''a%41", "aA" },
  { "filename*=%41%zz", "A%zz" },
  { 'filename="=?utf-8?Q?caf=C3=A9?="', "caf\195\169" },
  { 'filename="..\\..\\etc/passwd"', "passwd" },
  { 'filename="C:\\\\dir\\\\b.doc"', "b.doc" },
  { 'filename="a\tb"', "a b" },
  { 'filename="', nil },
  { 'filename=""', nil },
  { 'filename="dir/"', nil },
  { "FileName=A.TXT; x; =; ;;", "A.TXT" },
  { "filename", nil },
}

case("file names are read in all their forms", function()
  for _, row in ipairs(names) do
    local m = mime.parse("Content-Type: image/x\r\nContent-Disposition: attachment; " .. row[1]
      .. "\r\n\r\nx")
    equal(m.attachments[1].filename, row[2])
  end
end)

case("where there is only HTML, the plain text is what it says", function()
  local m = mail "Content-Type: text/html\n\n<p>caf&eacute; <b>now</b></p>\n"
  equal(m.html, "<p>caf&eacute; <b>now</b></p>\n")
  equal(m.text:match("^%s*(.-)%s*$"), "caf\195\169 now")
end)

-- --- broken and hostile ---

case("a multipart without its last boundary is read", function()
  local m = mail "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n"
  equal(m.text, "one\ntwo\n")
  has_problem(m, "last boundary")
end)

case("a multipart without boundaries is text", function()
  local m = mail "Content-Type: multipart/mixed\n\nHello\n"
  equal(m.text, "Hello\n")
  has_problem(m, "without a boundary")
  m = mail "Content-Type: multipart/mixed; boundary=b\n\nHello\n--c\n"
  equal(m.text, "Hello\n--c\n")
  has_problem(m, "does not occur")
end)

case("an outer boundary ends what is inside", function()
  local m = mail [[
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: multipart/mixed; boundary=b

--b

one
--a

two
--b
--a--
]]
  equal(m.text, "one\ntwo\n--b")
  equal(#m.parts, 2)
  has_problem(m, "part 1: the last boundary")
end)

case("boundaries that begin alike are told apart", function()
  local m = mail ("Content-Type: multipart/mixed; boundary=ab\n\n"
    .. "--ab\n\n--abc\n--a\n--ab x\n--ab  \n\ntwo\n--ab--\n")
  equal(#m.parts, 2)
  equal(m.parts[1].text, "--abc\n--a\n--ab x")
end)

case("bare line feeds will do", function()
  local m = mime.parse("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n")
  equal(m.text, "one")
end)

case("a digest holds messages", function()
  local m = mail "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b--\n"
  equal(m.attachments[1].type, "message/rfc822")
  equal(m.attachments[1].message.subject, "one")
end)

case("depth has a bound", function()
  local lines = {}
  for i = 1, 200 do
    lines[i] = ("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"):format(i, i)
  end
  local m = mime.parse(table.concat(lines))
  equal(type(m.text), "string")
  has_problem(m, "too deeply")
  m = mime.parse(("Content-Type: message/rfc822\r\n\r\n"):rep(200))
  local depth = 0
  while m do
    local part = m.attachments[1]
    m, depth = part and part.message, depth + 1
  end
  equal(depth, 21)
end)

case("the number of parts has a bound", function()
  local m = mime.parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    .. ("--b\r\n\r\n"):rep(100000))
  equal(#m.parts, 999)
  has_problem(m, "too many parts")
end)

case("fields, addresses and references have bounds", function()
  local m = mime.parse(("a:\r\n"):rep(200000) .. "\r\nbody")
  equal(m.text, "body")
  m = mime.parse("To: " .. ("a@b.test,"):rep(100000)
    .. "\r\nReferences: " .. ("<a@b> "):rep(100000) .. "\r\n\r\n")
  equal(#m.to, 1000)
  equal(#m.references, 1000)
  m = mime.parse("Content-Type: text/plain" .. (";a=b"):rep(100000) .. "\r\n\r\nx")
  has_problem(m, "too long")
  equal(m.text, "x")
  m = mime.parse("Content-Type: text/plain" .. (";a*1=b"):rep(2000) .. ";charset=utf-8\r\n\r\nx")
  equal(m.text, "x")
end)

case("what is no string is refused at the caller's line", function()
  local ok, problem = pcall(mime.parse, nil)
  equal(ok, false)
  equal(tostring(problem):match("mime.parse: expected a message as a string, got nil$") ~= nil, true)
end)

case("message:parse() is the message's tree, made once", function(message)
  equal(message:parse().subject, "a folded  subject")
  equal(rawequal(message:parse(), message:parse()), true)
  equal(message:parse().from.address, "anna@corp.test")
  equal(select(2, pcall(message.parse)):match("call it with a colon") ~= nil, true)
end)

return check.worker(tests)
