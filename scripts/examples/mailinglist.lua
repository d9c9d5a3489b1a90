-- A mailing list that runs itself: people come and go by mail, members' posts go to all members, and those
-- whose addresses are gone leave by their bounces.
--
--   talk@example.com               a post; from members only, others are told how to become one
--   talk+subscribe@example.com     any mail to it: its author is asked to confirm, and is a member then
--   talk+unsubscribe@example.com   the way out; each copy of a post has a link to it as well
--   talk+owner@example.com         the moderator
--
--   rules/example.com.yaml:
--     subaddressing: true
--     rules: [{to: talk@, worker: talk}]
--
--   rules/host.yaml (a worker for each list):
--     workers:
--       talk:
--         script: mailinglist.lua
--         vars: {NAME: Talk, MODERATOR: anna@corp.test}
--         kv: {LIST: talk}
--         limiters: {ASKED: {limit: 3, period: 1h}}
--         send: {EMAIL: {from: [talk@example.com], to: ["*"]}}
--         url: /talk
--         limits: {actions: 2000, calls: 200, cpu_soft: 2s, cpu_hard: 5s, wall: 10m}   # for 2,000 members
--     http: {listen: ["127.0.0.1:8080"]}      # behind a web server that has TLS
--
--   variables:  NAME        what the list is called
--               MODERATOR   sees posts in a member's name that nobody has signed, and those of OPEN
--               OPEN        if set, posts of others wait for the moderator, too
--               URL         of this worker, as "https://lists.example.com/talk": then mail programs show a
--                           button to unsubscribe (RFC 8058)
--
-- A post goes on in the list's own name ("Anna via Talk"), with Reply-To its author: in the author's name it
-- would fail DMARC wherever it arrives. Each member's copy has a return path of its own, talk+bounce-<id>@,
-- so that a bounce tells whose it is, whatever it looks like, and nobody can make up one for somebody else.
local address = require "address"
local crypto = require "crypto"
local dsn = require "dsn"
local mime = require "mime"
local template = require "template"

local HOUR_S = 3600
local DAY_S = 24 * HOUR_S
local MEMBERS_AT_ONCE = 100
local BOUNCES_MAX = 3 -- on different days, within a month
local TOKEN_BYTES = 15
local ID_LETTERS = TOKEN_BYTES * 8 / 5

-- What stays of a post's header: neither signatures, which would not hold, nor the way it has come.
local KEPT = { "Date", "Message-ID", "To", "Cc", "In-Reply-To", "References" }

-- In KV:
--   member:<address>    its metadata is the member's id, which stands in return paths
--   id:<id>             the address
--   request:<token>     "subscribe <address>" or "unsubscribe <address>": waits for an answer
--   held:<token>        a post that waits for the moderator
--   post:<digest>       how far a post has come: the last member who has it, or "done"
--   bounces:<address>   on how many days mail to it has bounced; bounced:<address> is there for one of them

-- Nobody can guess it.
local function new_token()
  return crypto.toBase32(crypto.random(TOKEN_BYTES)):lower()
end

-- talk+tag@…; the list's own address without a tag.
local function at_list(list, tag)
  return tag and address.withTag(list.address, tag) or list.address
end

-- Bounces of these are of no interest: talk+bounce@ without an id.
local function tell(list, to, fields)
  fields.from = { name = list.name, email = list.address }
  fields.to = to
  fields.returnPath = at_list(list, "bounce")
  list.env.EMAIL:send(fields)
end

-- --- members -------------------------------------------------------------------------------------

local function member_id(list, who)
  return list.kv:getWithMetadata("member:" .. who).metadata
end

local WELCOME = [[
%s is now a member of %s.

Write to %s, and every member has it. To leave, write to
%s; the subject and the text do not matter.
]]

local function add_member(list, who)
  if not member_id(list, who) then
    local id = new_token()
    list.kv:put("id:" .. id, who)
    list.kv:put("member:" .. who, "", { metadata = id })
    log.info("new member", who)
  end
  local text = WELCOME:format(who, list.name, list.address, at_list(list, "unsubscribe"))
  tell(list, who, { subject = "Welcome to " .. list.name, text = text })
end

local function remove_member(list, who)
  local id = member_id(list, who)
  if id then
    list.kv:delete("member:" .. who)
    list.kv:delete("id:" .. id)
    list.kv:delete("bounces:" .. who)
    log.info("no member any more:", who)
  end
end

local function leave(list, who)
  remove_member(list, who)
  local text = ("%s is no member of %s any more.\n"):format(who, list.name)
  tell(list, who, { subject = "You have left " .. list.name, text = text })
end

-- --- subscribe and unsubscribe: who asks may be anybody, who answers has the mailbox ---------------

local QUESTION = [[
Somebody, most likely you, wants %s to %s the list %s.

If it is so, answer this message; what you write does not matter.
If not, there is nothing to do.
]]

local ACTIONS = { subscribe = "become a member of", unsubscribe = "leave" }

-- The same whether or not somebody is a member: that is nobody's business.
local function ask(list, message, action)
  local who = list.author
  if not who then
    return message:setReject "your message has no address in From"
  elseif not list.env.ASKED:limit({ key = who }).success then
    return message:setReject "you have been asked already, please look into your mailbox"
  end
  local token = new_token()
  list.kv:put("request:" .. token, action .. " " .. who, { expirationTtl = DAY_S })
  tell(list, who, {
    replyTo = at_list(list, "confirm-" .. token),
    subject = ("Please confirm: %s %s"):format(action, list.name),
    text = QUESTION:format(who, ACTIONS[action], list.name),
  })
end

local commands = {}

function commands.subscribe(list, message)
  ask(list, message, "subscribe")
end

function commands.unsubscribe(list, message)
  if not list.is_proved then
    return ask(list, message, "unsubscribe")
  end
  leave(list, list.author)
end

function commands.confirm(list, message, token)
  local action, who = (list.kv:get("request:" .. token) or ""):match "^(%a+) (.+)$"
  if not action then
    return message:setReject("this is too old: please write to " .. at_list(list, "subscribe") .. " again")
  end
  list.kv:delete("request:" .. token)
  if action == "subscribe" then
    add_member(list, who)
  else
    leave(list, who)
  end
end

-- The link in a member's copy of a post: the id is known to that member alone.
function commands.leave(list, _, id)
  local who = list.kv:get("id:" .. id)
  if who then
    leave(list, who)
  end
end

-- --- posts ---------------------------------------------------------------------------------------

-- All but what differs from member to member.
local function copy_for_all(list, raw, post)
  local author, subject = post.from, post.subject
  local prefix = "[" .. list.name .. "] "
  if not subject:find(prefix, 1, true) then
    subject = prefix .. subject
  end
  return mime.edit(raw, {
    keep = KEPT,
    set = {
      From = {
        name = ("%s via %s"):format(author.name ~= "" and author.name or author.address, list.name),
        address = list.address,
      },
      ["Reply-To"] = author,
      Subject = subject,
      ["List-Id"] = ("<%s>"):format(list.id),
      ["List-Post"] = ("<mailto:%s>"):format(list.address),
      ["List-Subscribe"] = ("<mailto:%s>"):format(at_list(list, "subscribe")),
      ["List-Owner"] = ("<mailto:%s>"):format(at_list(list, "owner")),
      Precedence = "list",
      ["Auto-Submitted"] = "no", -- a person has written it: else the platform says auto-generated
    },
  })
end

-- What differs: the ways out, which only this member is told.
local function ways_out(list, id)
  local by_mail = ("<mailto:%s>"):format(at_list(list, "leave-" .. id))
  if not list.env.URL then
    return ("List-Unsubscribe: %s\r\n"):format(by_mail)
  end
  return ("List-Unsubscribe: <%s/leave/%s>,\r\n %s\r\n"):format(list.env.URL, id, by_mail)
    .. "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
end

local function send_to_member(list, copy, who, id)
  local raw = ways_out(list, id) .. copy
  list.env.EMAIL:send { to = who, returnPath = at_list(list, "bounce-" .. id), raw = raw }
end

-- Whatever ends it half-way, the sender's server comes again: then it goes on after the last members who have
-- it. For a week, a post that comes again goes nowhere.
local function distribute(list, raw, post)
  local key = "post:" .. crypto.sha256(post.messageId or raw)
  local cursor, count = list.kv:get(key), 0
  if cursor == "done" then
    return log.info("has been here before:", post.messageId or "a post")
  end
  local copy = copy_for_all(list, raw, post)
  repeat
    local page = list.kv:list { prefix = "member:", limit = MEMBERS_AT_ONCE, cursor = cursor }
    for _, member in ipairs(page.keys) do
      send_to_member(list, copy, member.name:match "^member:(.+)$", member.metadata)
      count = count + 1
    end
    cursor = page.cursor
    list.kv:put(key, cursor or "done", { expirationTtl = 7 * DAY_S })
  until page.listComplete
  log.info("post of", list.author, "to", count, "members")
end

local HELD = [[
The attached message to %s waits for you: %s.

To let it pass, answer this message; what you write does not matter.
To refuse it, do nothing: after a week it is gone.
]]

local function hold(list, message, why)
  local token = new_token()
  list.kv:put("held:" .. token, message.raw, { expirationTtl = 7 * DAY_S })
  tell(list, list.env.MODERATOR, {
    replyTo = at_list(list, "approve-" .. token),
    subject = ("[%s] waits for you: %s"):format(list.name, list.mail.subject),
    text = HELD:format(list.address, why),
    attachments = { { filename = "post.eml", type = "message/rfc822", content = message.raw } },
  })
  log.info("held for the moderator:", list.author, why)
end

local function post(list, message)
  local is_member = list.author and member_id(list, list.author)
  local moderator = list.env.MODERATOR
  if is_member and list.is_proved then
    distribute(list, message.raw, list.mail)
  elseif is_member and moderator then
    hold(list, message, "nobody has signed it, so it may be somebody else's")
  elseif list.author and list.env.OPEN and moderator then
    hold(list, message, "its author is no member")
  else
    message:setReject("only members can write here; to become one, write to " .. at_list(list, "subscribe"))
  end
end

function commands.approve(list, message, token)
  if not list.is_proved or not list.env.MODERATOR or list.author ~= list.env.MODERATOR:lower() then
    return message:setReject "only the moderator can let this pass"
  end
  local raw = list.kv:get("held:" .. token)
  if not raw then
    return message:setReject "it has passed already, or has waited for more than a week"
  end
  distribute(list, raw, mime.parse(raw))
  list.kv:delete("held:" .. token)
end

function commands.owner(list, message)
  if not list.env.MODERATOR then
    return message:setReject "nobody looks after this list"
  end
  message:forward(list.env.MODERATOR)
end

-- --- bounces -------------------------------------------------------------------------------------

local function is_hard(report)
  for _, recipient in ipairs(report.recipients) do
    if recipient.isHard then
      return true
    end
  end
  return false
end

-- A mailbox that is full or a server that is down comes back; an address that is not there does not. Only
-- several days of that count, since servers are wrong for a day now and then.
function commands.bounce(list, message, id)
  local who = list.kv:get("id:" .. id)
  local report = who and dsn.parse(message)
  if not report or report.kind ~= "bounce" or not is_hard(report) then
    return log.info("passed over:", list.mail.subject)
  elseif list.kv:get("bounced:" .. who) then
    return
  end
  list.kv:put("bounced:" .. who, "", { expirationTtl = 20 * HOUR_S })
  local count = list.kv:increment("bounces:" .. who, 1, { expirationTtl = 30 * DAY_S })
  log.info("bounce", count, "of", who)
  if count >= BOUNCES_MAX then
    remove_member(list, who)
  end
end

-- --- the message ---------------------------------------------------------------------------------

-- Answers of machines: a bounce, a vacation notice, another list, a post that has gone round. They are not to
-- confirm anything, to be posted, or to be answered.
local function is_automatic(list, message)
  local headers = message.headers
  local submitted = (headers:get "Auto-Submitted" or "no"):lower()
  local precedence = (headers:get "Precedence" or ""):lower()
  return message.from == ""
    or not submitted:find "^no%f[^%w]"
    or precedence == "bulk"
    or precedence == "list"
    or precedence == "junk"
    or (headers:get "List-Id" or ""):find("<" .. list.id .. ">", 1, true) ~= nil
end

local function open_list(message, env)
  local at, mail = address.base(message.to):lower(), message:parse()
  return {
    address = at,
    id = (at:gsub("@", ".")),
    name = env.NAME or at:match "^[^@]+",
    env = env,
    kv = env.LIST,
    mail = mail,
    author = mail.from and address.isValid(mail.from.address) and mail.from.address:lower() or nil,
    is_proved = message.auth.dmarc.result == "pass", -- the author is who From says
  }
end

local PAGE = [[
<!doctype html><meta charset="utf-8"><title>{{name}}</title>
<p>{{who}} is a member of the list {{name}}.</p>
<form method="post"><button>Leave it</button></form>
]]

return {
  -- The link in a copy of a post. Mail programs POST to it; who follows it is asked, as robots follow links.
  fetch = function(request, env)
    local id = request.path:match "/leave/(%w+)$"
    local who = id and #id == ID_LETTERS and env.LIST:get("id:" .. id)
    local name = env.NAME or "this list"
    if not who then
      return { status = 404, body = "There is no such member.\n" }
    elseif request.method == "POST" then
      remove_member({ kv = env.LIST }, who)
      return ("%s is no member of %s any more.\n"):format(who, name)
    end
    return {
      headers = { ["Content-Type"] = "text/html; charset=utf-8" },
      body = template.render(PAGE, { name = name, who = who }),
    }
  end,

  email = function(message, env)
    local list = open_list(message, env)
    local _, tag = address.subaddress(message.to)
    local name, argument = (tag or ""):lower():match "^(%a+)%-?(%w*)$"
    local command = commands[name]

    if tag and not command then
      return message:setReject "there is no such address here"
    elseif is_automatic(list, message) and name ~= "bounce" and name ~= "leave" then
      return log.info("a machine has written:", message.from, list.mail.subject)
    end
    (command or post)(list, message, argument)
  end,
}
