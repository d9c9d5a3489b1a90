-- Addresses that mail is not sent to any more, and return paths that tell whose bounce comes back. For
-- workers that send, and for bounces.lua, which fills the list:
--
--   local suppression = require "lib.suppression"
--   if not suppression.find(env.SUPPRESSED, who) then
--     env.EMAIL:send {
--       from = "news@example.com", to = who, subject = …, text = …,
--       returnPath = suppression.return_path("bounces@example.com", who, env.BOUNCE_KEY),
--     }
--   end
local address = require "address"
local crypto = require "crypto"

local DAY_S = 24 * 3600
local SOFT_MAX = 5

local suppression = {}

local function sign(who, key)
  return crypto.hmac.sha256(key, who, "base32"):sub(1, 10):lower()
end

-- bounces+<signature>.anna=sender.test@example.com: anybody can write to it, nobody can make up one for
-- somebody else.
function suppression.return_path(at, who, key)
  who = who:lower()
  return address.withTag(at, sign(who, key) .. "." .. who:gsub("@([^@]+)$", "=%1"))
end

-- Whom mail with this return path was sent to; nil if it is not one of ours.
function suppression.recipient_of(return_path, key)
  local _, tag = address.subaddress(return_path)
  local signature, encoded = (tag or ""):lower():match "^(%w+)%.(.+)$"
  local who = encoded and encoded:gsub("=([^=]+)$", "@%1")
  return who and crypto.equal(signature, sign(who, key)) and who or nil
end

-- { reason = "bounce" | "complaint" | "soft", text =, at = }, or nil.
function suppression.find(kv, who)
  return kv:getWithMetadata(who:lower()).metadata
end

-- For so many days, or for good.
function suppression.add(kv, who, reason, text, days)
  kv:put(who, reason, {
    metadata = { reason = reason, text = text:sub(1, 300), at = os.date "!%Y-%m-%d" },
    expirationTtl = days and days * DAY_S or nil,
  })
  log.info("suppressed", who, { reason = reason, text = text })
end

-- A failure that may pass. Several within a week are a reason to wait for some days.
function suppression.add_soft(kv, who, text)
  local count = kv:increment("soft " .. who, 1, { expirationTtl = 7 * DAY_S })
  if count >= SOFT_MAX then
    kv:delete("soft " .. who)
    suppression.add(kv, who, "soft", text, 3)
  end
end

return suppression
