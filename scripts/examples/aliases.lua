-- A catch-all that learns: the first mail to a new address makes it an alias, with the domain that has used
-- it first. Give every shop an address of its own (shop@you.example), and see who has passed yours on.
--
--   rules/example.com.yaml:
--     catch_all: {worker: aliases}
--
--   rules/host.yaml:
--     workers:
--       aliases: {vars: {OWNER: anna@corp.test}, kv: {ALIASES: aliases}}
--
--   variables:  OWNER     where the mail goes
--               STRICT    if set, an alias is refused to all but the domain that it belongs to
--   kv:         ALIASES   for each address: the domain it belongs to; "blocked" refuses everybody
--
-- Only senders who have proved who they are make aliases, and no more than a hundred a day: else a spammer
-- who tries names would fill the list.
local NEW_A_DAY = 100
local DAY_S = 24 * 3600

local function domain_of(address)
  return address:match "@([^@]+)$"
end

local function learn(alias, domain, aliases)
  local today = "new:" .. os.date "!%Y-%m-%d"
  if aliases:increment(today, 1, { expirationTtl = 2 * DAY_S }) > NEW_A_DAY then
    return false
  end
  aliases:put(alias, domain)
  log.info("new alias", alias, "for", domain)
  return true
end

return {
  email = function(message, env)
    local alias = message.to:lower()
    local domain = (domain_of(message.from) or ""):lower()
    local owner = env.ALIASES:get(alias)

    if owner == "blocked" then
      return message:setReject "this address is not in use any more"
    elseif not owner then
      if message.auth.dmarc.result ~= "pass" or not learn(alias, domain, env.ALIASES) then
        return message:setReject "there is no such address here"
      end
      owner = domain
    elseif owner ~= domain and env.STRICT then
      return message:setReject "this address is for somebody else's mail"
    end

    local headers = { ["X-Alias"] = alias, ["X-Alias-Owner"] = owner }
    if owner ~= domain then
      headers["X-Alias-Leaked-To"] = domain -- the owner has passed the address on
    end
    message:forward(env.OWNER or "owner@corp.test", headers)
  end,
}
