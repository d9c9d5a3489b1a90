-- mime.edit: each case is a sentence.
local check = require "check"
local mime = require "mime"

local tests = {}
local equal = check.same

local HEADER = "Received: from a\r\n\tby b\r\nFrom: Anna <anna@sender.test>\r\nTO: talk@corp.test,\r\n ben@corp.test\r\n"
  .. "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nList-Id: <old>\r\nList-Post: <mailto:old>\r\n"
  .. "Content-Type: text/plain; charset=iso-8859-1\r\n"
local BODY = "\r\nBody \228\r\n\r\nFrom: not a field\n"

local function edited(changes, header)
  return (mime.edit((header or HEADER) .. BODY, changes))
end

tests["without changes all stays"] = function()
  equal(edited {}, HEADER .. BODY)
end

tests["only some fields stay, and those that describe the body"] = function()
  equal(edited { keep = { "to", "Subject", "List-" } }, HEADER:match "TO:.*" .. BODY)
  equal(edited { keep = {} }, HEADER:match "Content%-Type:.*" .. BODY)
end

tests["fields go, with all their lines"] = function()
  equal(edited { remove = { "received", "list-" } },
    HEADER:gsub("Received:.-From", "From"):gsub("List%-.-Content", "Content") .. BODY)
  equal(edited { keep = { "To", "From" }, remove = { "From", "content-type" } },
    HEADER:match "TO:.-(.*)Subject" and HEADER:match "(TO:.-)Subject" .. HEADER:match "Content.*" .. BODY)
end

tests["fields are set in place of others"] = function()
  local raw = edited {
    keep = {},
    set = {
      From = { name = "Jörg via talk", address = "talk@corp.test" },
      ["reply-to"] = { "a@sender.test", "B <b@sender.test>" },
      Subject = "[talk] Grüße",
      ["X-Two"] = { "1", 2 },
    },
  }
  local mail = mime.parse(raw)
  equal(mail.from, { name = "Jörg via talk", address = "talk@corp.test" })
  equal(mail.replyTo[2].name .. mail.replyTo[1].address, "Ba@sender.test")
  equal(mail.subject, "[talk] Grüße")
  equal(mail.headers:getAll "X-Two", { "1", "2" })
  equal(#mail.headers:getAll "From", 1)
  equal(raw:sub(-#BODY), BODY)
  assert(not raw:match("^(.-)\r\n\r\n"):find "[\128-\255]")
end

tests["a field that is set stays only as it is set"] = function()
  equal(edited({ set = { subject = "New" } }, "Subject: a\r\nSUBJECT: b\r\n"), "subject: New\r\n" .. BODY)
end

tests["long addresses on the web stay whole"] = function()
  local link = "<https://lists.corp.test/leave/" .. ("x"):rep(200) .. ">"
  equal(mime.parse(edited { set = { ["List-Unsubscribe"] = link } }).headers:get "List-Unsubscribe", link)
end

tests["what would make it malformed goes"] = function()
  equal(edited({}, "From: a@b.test\r\nFrom: c@d.test\r\nX-A: 1\r\nX-A: 2\r\n"),
    "From: a@b.test\r\nX-A: 1\r\nX-A: 2\r\n" .. BODY)
  local long = edited({}, "References: " .. ("<1@sender.test> "):rep(100) .. "\r\n")
  for line in long:gmatch "[^\n]*\n" do
    assert(#line < 1000)
  end
  equal(#mime.parse(long).references, 100)
  equal(edited({}, "X-Long: " .. ("x "):rep(5000) .. "\r\n"), BODY)
end

tests["messages without a body or a header are taken"] = function()
  equal(mime.edit("Subject: a", { set = { ["X-A"] = "1" } }), "X-A: 1\r\nSubject: a\r\n\r\n")
  equal(mime.edit("", { set = { ["X-A"] = "1" } }), "X-A: 1\r\n\r\n")
  equal(mime.edit("no field\r\n", { set = { ["X-A"] = "1" } }), "X-A: 1\r\n\r\nno field\r\n")
end

tests["mistakes are told"] = function()
  for wanted, changes in pairs {
    ["unknown field 'add'"] = { add = {} },
    ["keep must be a table, got string"] = { keep = "From" },
    ["remove[1] must be a string, got number"] = { remove = { 5 } },
    ["the header Content-Type describes the body"] = { set = { ["Content-Type"] = "text/html" } },
    ["the header from is set twice"] = { set = { From = "a@b.test", from = "c@d.test" } },
    ["'a b' is no header name"] = { set = { ["a b"] = "c" } },
    ["Subject has a line end"] = { set = { Subject = "a\r\nBcc: b@c.test" } },
    ["X-A is not UTF-8"] = { set = { ["X-A"] = "\228" } },
    ["X-A must be a string, got boolean"] = { set = { ["X-A"] = true } },
  } do
    local ok, problem = pcall(mime.edit, "", changes)
    if ok or not tostring(problem):find(wanted, 1, true) then
      error(wanted .. ": " .. tostring(problem))
    end
  end
  check.fails("mime.edit: the message must be a string", mime.edit, nil, {})
  check.fails("mime.edit: the changes must be a table", mime.edit, "", nil)
end

return check.worker(tests)
