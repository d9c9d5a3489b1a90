-- Addresses that hide yours, in both directions: give shop.k3x9ab@anon.example.com to a shop; its mail comes
-- to you, and your answer goes out from shop.k3x9ab@, with nothing in it that says who you are.
--
--   new@                           one of USERS writes to it, with a subject as "Shop", and gets an address:
--   shop.k3x9ab@                   mail to it goes to its owner, From: shop.k3x9ab+anna=sender.test@
--   shop.k3x9ab+anna=sender.test@  what the owner writes to it goes to anna@sender.test, from shop.k3x9ab@;
--                                  so a first letter can be written, too
--   shop.k3x9ab+off@, +on@         no more mail to it; mail again
--
--   rules/anon.example.com.yaml:
--     rules: [{to: [postmaster@, abuse@], forward: carol@corp.test}]
--     catch_all: {worker: anonymous}
--
--   rules/host.yaml:
--     workers:
--       anonymous:
--         vars: {USERS: "carol@corp.test, dave@corp.test"}
--         kv: {ALIASES: aliases}
--         send: {EMAIL: {from: ["*@anon.example.com"], to: ["*"]}}
--         limits: {memory: 256MiB, cpu_soft: 1s, cpu_hard: 3s}     # for large attachments
--
-- Who somebody is, DMARC says: the owners' own domains must have a DMARC record.
--
-- The mail is sent on with EMAIL:send, not with forward(): the owner's server could refuse a forward in words
-- that name the owner, or bounce it later, and the sender would read that. Now what it bounces comes to
-- shop.k3x9ab+bounce@; what the correspondent's server bounces comes to shop.k3x9ab@, for the owner to read.
local address = require "address"
local crypto = require "crypto"
local json = require "json"
local mime = require "mime"
local re = require "re"

local LOCAL_PART_MAX = 64 -- RFC 5321 section 4.5.3.1.1
local QUARTER_S = 90 * 24 * 3600

-- Of what comes to the owner. To and Cc are not among these, since an answer to all would leave from the
-- owner's own address; nor are requests for receipts, and links to unsubscribe by mail.
local KEPT = { "Subject", "Date", "Message-ID", "In-Reply-To", "References" }

local function random_letters(count)
  return crypto.toBase32(crypto.random(count)):sub(1, count):lower()
end

-- Whether a person has written it or a machine, so that no two machines answer each other without end.
local function automatic(message)
  return message.headers:getAll("Auto-Submitted")[1] or "no"
end

local function is_user(who, users)
  for user in (users or ""):lower():gmatch "[^%s,]+" do
    if user == who then
      return true
    end
  end
  return false
end

-- --- aliases -------------------------------------------------------------------------------------

local function alias_address(alias, tag)
  return alias.name .. (tag and "+" .. tag or "") .. "@" .. alias.domain
end

local function find_alias(name, domain, aliases)
  local alias = aliases:get("alias:" .. name, "json")
  if alias then
    alias.name, alias.domain = name, domain
  end
  return alias
end

local function keep_alias(alias, aliases)
  aliases:put("alias:" .. alias.name, json.encode { owner = alias.owner, isOff = alias.isOff })
end

local HOW_TO = [[
Your new address is
    %s

What is sent to it comes to you. Answer that as you would answer any mail:
your answer leaves from the new address. To have no more mail from it, write to
    %s
]]

local function make_alias(message, env, author)
  if not is_user(author, env.USERS) then
    return message:setReject "there is no such address here"
  end
  local label = message:parse().subject:lower():gsub("[^%w]", ""):sub(1, 12)
  local alias = {
    name = (label ~= "" and label or "mail") .. "." .. random_letters(6),
    domain = address.domain(message.to),
    owner = author,
  }
  message:reply { -- before it is kept: what nobody is told of is no use
    subject = alias_address(alias),
    text = HOW_TO:format(alias_address(alias), alias_address(alias, "off")),
  }
  keep_alias(alias, env.ALIASES)
end

-- --- to the owner --------------------------------------------------------------------------------

-- shop.k3x9ab+anna=sender.test@…; an address that is too long for that, or has odd letters, is kept for a
-- while under a short name.
local function reply_address(alias, correspondent, aliases)
  local tag = correspondent:gsub("@([^@]+)$", "=%1")
  if #alias.name + 1 + #tag > LOCAL_PART_MAX or tag:find "[^%w.=_+-]" then
    tag = crypto.sha256(correspondent, "base32"):sub(1, 16):lower()
    aliases:put("long:" .. tag, correspondent, { expirationTtl = QUARTER_S })
  end
  return alias_address(alias, tag)
end

local function send_to_owner(message, env, alias)
  local mail = message:parse()
  local author = mail.replyTo[1] or mail.from
  local sender = author and address.normalize(author.address)
  if alias.isOff then
    return message:setReject "this address is not in use any more"
  elseif not sender then
    return message:setReject "your message has no address in From"
  end
  local copy = mime.edit(message.raw, {
    keep = KEPT,
    set = {
      From = {
        name = (author.name ~= "" and author.name or sender) .. " via " .. alias.name,
        address = reply_address(alias, sender, env.ALIASES),
      },
      To = alias_address(alias),
      ["Auto-Submitted"] = automatic(message),
      ["X-Alias-From"] = sender,
      ["X-Alias-DMARC"] = message.auth.dmarc.result, -- whether that is true
    },
  })
  env.EMAIL:send { to = alias.owner, returnPath = alias_address(alias, "bounce"), raw = copy }
end

-- --- from the owner ------------------------------------------------------------------------------

-- The owner's address, as in a signature or above what is quoted, becomes the alias.
local function scrubbed(text, alias, correspondent)
  if not text then
    return nil
  end
  local hidden = { [alias.owner] = alias_address(alias), [correspondent.through] = correspondent.address }
  for shown, instead in pairs(hidden) do
    text = re.gsub(text, re.escape(shown), function()
      return instead
    end, "i")
  end
  return text
end

local function attachments_of(mail)
  local attachments = {}
  for i, part in ipairs(mail.attachments) do
    attachments[i] = {
      filename = part.filename and part.filename:gsub("%c", "") or nil,
      type = part.type,
      content = part.content,
      contentId = part.contentId,
      disposition = part.isInline and "inline" or "attachment",
    }
  end
  return attachments
end

-- The message that it answers, unless that is one of the owner's: identifiers have a host's name in them.
local function answered(mail, owner)
  local id = mail.inReplyTo
  return id and not id:lower():find(address.domain(owner), 1, true) and id or nil
end

-- A new message, made of what the person has written: nothing else of the old one can be in it.
local function send_to_correspondent(message, env, alias, correspondent)
  local mail = message:parse()
  env.EMAIL:send {
    from = alias_address(alias),
    to = correspondent.address,
    subject = mail.subject,
    text = scrubbed(mail.text or "", alias, correspondent),
    html = scrubbed(mail.html, alias, correspondent),
    attachments = attachments_of(mail),
    inReplyTo = answered(mail, alias.owner),
    headers = { ["Auto-Submitted"] = automatic(message) },
  }
end

local function find_correspondent(tag, through, aliases)
  local found = tag:find("=", 1, true) and address.normalize((tag:gsub("=([^=]+)$", "@%1")))
    or aliases:get("long:" .. tag:lower())
  return found and { address = found, through = through }
end

local function switch(message, env, alias, tag)
  alias.isOff = tag == "off"
  keep_alias(alias, env.ALIASES)
  message:reply { text = ("%s is %s now.\n"):format(alias_address(alias), tag) }
end

-- --- the message ---------------------------------------------------------------------------------

-- What only its owner may do with an alias; to everybody else these addresses do not exist.
local function serve_owner(message, env, alias, tag)
  local correspondent = find_correspondent(tag, message.to, env.ALIASES)
  if tag == "on" or tag == "off" then
    switch(message, env, alias, tag)
  elseif correspondent then
    send_to_correspondent(message, env, alias, correspondent)
  else
    message:setReject "nobody is known by this address"
  end
end

-- Who has written it, if that is proved.
local function proved_author(message)
  local from = message:parse().from
  return message.auth.dmarc.result == "pass" and from and from.address:lower() or nil
end

return {
  email = function(message, env)
    local to = address.parse(message.to)
    local name, tag = to.user:lower(), to.tag
    local alias = find_alias(name, to.domain, env.ALIASES)
    local author = proved_author(message)

    if name == "new" then
      make_alias(message, env, author)
    elseif not alias then
      message:setReject "there is no such address here"
    elseif not tag then
      send_to_owner(message, env, alias)
    elseif tag == "bounce" then
      log.warn("mail of", alias.name, "cannot be delivered to its owner:", message:parse().subject)
    elseif author == alias.owner then
      serve_owner(message, env, alias, tag)
    else
      message:setReject "there is no such address here"
    end
  end,
}
