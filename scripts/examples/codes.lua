-- Finds the one-time code in the mail of services that send such, and keeps it for ten minutes, for a script
-- or a team that shares an account: codes+github@example.com is what the account's address is set to.
--
--   rules/example.com.yaml:
--     subaddressing: true
--     rules: [{to: codes@, worker: codes}]
--
--   rules/host.yaml:
--     workers:
--       codes:
--         vars: {SERVICES: "github.com, bank.test", OWNER: anna@corp.test}
--         kv: {CODES: codes}
--         limiters: {PER_SERVICE: {limit: 20, period: 1h}}
--         secrets: {HOOK: {file: /etc/postern/chat-hook}, READER: {file: /etc/postern/reader-token}}
--         fetch: {CHAT: {hosts: [chat.example.com]}}
--         url: /codes
--     http: {listen: ["127.0.0.1:8080"]}
--
--   variables:  SERVICES   domains whose codes are taken
--               OWNER      if set, their mail goes on to it
--   kv:         CODES      "github.com": the last code; after codes+github@ "github.com/github"
--   secrets:    HOOK       if set, the URL that is told of each code
--               READER     who has it can ask for a code, once:
--                          curl -H "Authorization: Bearer $READER" http://127.0.0.1:8080/codes/github.com
--
-- A code opens an account, so it is taken from nobody but the service: DMARC has to speak for its domain. And
-- it is never logged. Whoever asks a service for hundreds of codes in our name is stopped by the limiter.
local address = require "address"
local crypto = require "crypto"
local json = require "json"
local re = require "re"

local MESSAGE_BYTES_MAX = 256 * 1024
local TEXT_BYTES_MAX = 16 * 1024 -- the code stands near the beginning
local KEPT_S = 600

-- 123456, 123 456, 123-456, or AB12-CD34; not a part of something longer.
local CODE = [[(?<![\w.-])(?-i:\d{4,8}|\d{3}[ -]\d{3}|(?=[A-Z-]*\d)[A-Z0-9]{4}-[A-Z0-9]{4})(?![\w-])]]
local WORD = [[\b(?:code|passcode|password|pin|otp|token|kod|código|codice)\b]]

local PATTERNS = {
  WORD .. "[^\n]{0,60}?(" .. CODE .. ")", --             Your code is 123456
  "(" .. CODE .. ")[^\n]{0,60}?" .. WORD, --             123456 is your code
  WORD .. ".{0,400}?^[ \t]*(" .. CODE .. ")[ \t]*$", --  … code:  and then a line with nothing else
}

local function find_code(text)
  for _, pattern in ipairs(PATTERNS) do
    local found = re.match(text, pattern, "ims")
    if found then
      return (found[1]:gsub("[ -]", ""))
    end
  end
end

-- The domain in SERVICES that has proved to be the sender's, or what that is below.
local function find_service(message, services)
  local dmarc = message.auth.dmarc
  local domain = dmarc.result == "pass" and "." .. dmarc.domain:lower()
  for service in (services or ""):lower():gmatch "[^%s,]+" do
    if domain and domain:sub(-#service - 1) == "." .. service then
      return service
    end
  end
end

local function tell(env, key, code)
  local answer = env.CHAT:fetch(env.HOOK, {
    method = "POST",
    headers = { ["Content-Type"] = "application/json" },
    body = json.encode { service = key, code = code },
    timeout = 5,
  })
  if not answer.ok then
    error("the hook answers " .. answer.status, 0)
  end
end

local function keep(code, service, message, env, ctx)
  local _, tag = address.subaddress(message.to)
  local key = service .. (tag and "/" .. tag:lower() or "")
  env.CODES:put(key, code, { expirationTtl = KEPT_S, metadata = { from = message.from } })
  log.info("a code of", key)
  if env.HOOK then
    ctx:waitUntil(function() -- the service need not wait for the room
      local ok, problem = pcall(tell, env, key, code)
      if not ok then
        log.warn("the hook was not told:", problem)
      end
    end)
  end
end

return {
  fetch = function(request, env)
    local token = request.headers:get "Authorization" or ""
    if not env.READER or not crypto.equal(token, "Bearer " .. env.READER) then
      return { status = 401, headers = { ["WWW-Authenticate"] = "Bearer" } }
    end
    local key = request.path:match "^/codes/(.+)$"
    local code = key and env.CODES:get(key)
    if not code then
      return { status = 404, body = "There is no code.\n" }
    end
    env.CODES:delete(key)
    return { json = { code = code }, headers = { ["Cache-Control"] = "no-store" } }
  end,

  email = function(message, env, ctx)
    local service = find_service(message, env.SERVICES)
    if not service then
      return message:setReject "only the services that we use write to this address"
    elseif message.rawSize > MESSAGE_BYTES_MAX then
      return message:setReject "this is too large for a code"
    elseif not env.PER_SERVICE:limit({ key = service }).success then
      return message:setReject "too many codes"
    end

    local mail = message:parse()
    local code = find_code(mail.subject .. "\n" .. (mail.text or ""):sub(1, TEXT_BYTES_MAX))
    if code then
      keep(code, service, message, env, ctx)
    else
      log.info("no code in", mail.subject)
    end
    if env.OWNER then
      message:forward(env.OWNER)
    end
  end,
}
