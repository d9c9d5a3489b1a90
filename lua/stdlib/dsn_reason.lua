-- dsn_reason: what a refusal means, by words, enhanced code (RFC 3463) and reply code: the classes of
-- Postern's own failures. For the module dsn. Words come first, since half of the net says 5.7.1 or 554 to
-- whatever it does not like.
local find, gsub, lower, match, sub = string.find, string.gsub, string.lower, string.match, string.sub

local TEXT_BYTES_MAX = 4096

-- The order is part of the table: what says one thing only comes first, the address last.
local phrases = {
  { "greylist", "greylist" }, { "greylist", "graylist" }, { "greylist", "grey list" },
  { "loop", "too many hops" }, { "loop", "hop count" }, { "loop", "mail loop" },
  { "loop", "loop detected" }, { "loop", "loops back to" }, { "tls", "starttls" },
  { "tls", "tls is required" }, { "tls", "encryption required" }, { "authentication", "dmarc" },
  { "authentication", " dkim" }, { "authentication", " spf " }, { "authentication", "unauthenticated" },
  { "authentication", "sender policy framework" }, { "quota", "quota" }, { "quota", "mailbox is full" },
  { "quota", "mailbox full" }, { "quota", "over its limit" }, { "quota", "out of storage" },
  { "quota", "insufficient storage" }, { "quota", "mailbox size limit" }, { "size", "message too large" },
  { "size", "message too big" }, { "size", "message size exceeds" }, { "size", "exceeds maximum" },
  { "size", "larger than the" }, { "rate", "too many connections" }, { "rate", "too many messages" },
  { "rate", "rate limit" }, { "rate", "unusual rate" }, { "rate", "throttl" }, { "block", "blacklist" },
  { "block", "blocklist" }, { "block", "block list" }, { "block", "black list" }, { "block", "spamhaus" },
  { "block", "reputation" }, { "block", "listed at" }, { "block", "listed in" }, { "spam", "spam" },
  { "spam", "unsolicited" }, { "spam", "junk mail" }, { "content", "virus" }, { "content", "malware" },
  { "content", "attachment" }, { "dns", "host or domain name not found" }, { "dns", "no mx" },
  { "dns", "unrouteable address" }, { "dns", "domain not found" }, { "dns", "host not found" },
  { "dns", "domain does not exist" }, { "connection", "connection timed out" },
  { "connection", "connection refused" }, { "connection", "no route to host" },
  { "connection", "could not connect" }, { "connection", "establish an smtp connection" },
  { "hard", "user unknown" }, { "hard", "unknown user" }, { "hard", "no such user" },
  { "hard", "no such recipient" }, { "hard", "no mailbox here" }, { "hard", "mailbox not found" },
  { "hard", "mailbox unavailable" }, { "hard", "does not exist" }, { "hard", "doesn't exist" },
  { "hard", "recipient not found" }, { "hard", "address rejected" }, { "hard", "recipient rejected" },
  { "hard", "invalid recipient" }, { "hard", "unknown recipient" }, { "hard", "not a valid mailbox" },
  { "hard", "account disabled" }, { "hard", "account is disabled" }, { "hard", "no longer available" },
  { "hard", "mailbox disabled" }, { "hard", "address not found" }, { "hard", "wasn't found at" },
  { "hard", "no such address" }, { "hard", "inactive user" }, { "hard", "user is inactive" },
}

-- The first pattern that fits decides; "%d+" stands for any number.
local codes = {
  { "policy", "^%d%.1%.[78]$" }, { "content", "^%d%.1%.9$" }, { "rate", "^%d%.1%.90$" },
  { "hard", "^%d%.1%." }, { "greylist", "^4%.2%.0$" }, { "hard", "^5%.2%.1$" }, { "quota", "^%d%.2%.2$" },
  { "size", "^%d%.2%.3$" }, { "soft", "^4%.2%." }, { "policy", "^%d%.2%.4$" }, { "hard", "^%d%.2%." },
  { "size", "^%d%.3%.4$" }, { "content", "^%d%.3%.3$" }, { "soft", "^4%.3%." }, { "policy", "^%d%.3%." },
  { "hard", "^5%.4%.1$" }, { "connection", "^%d%.4%.[12]$" }, { "dns", "^%d%.4%.[34]$" },
  { "rate", "^%d%.4%.5$" }, { "loop", "^%d%.4%.6$" }, { "soft", "^%d%.4%.7$" }, { "loop", "^%d%.4%.14$" },
  { "dns", "^%d%.4%.310$" }, { "connection", "^%d%.4%." }, { "rate", "^%d%.5%.3$" },
  { "protocol", "^%d%.5%." }, { "content", "^%d%.6%." }, { "rate", "^4%.7%.0$" },
  { "tls", "^%d%.7%.[45]$" }, { "tls", "^%d%.7%.1[01]$" }, { "authentication", "^%d%.7%.2[0-79]$" },
  { "authentication", "^%d%.7%.30$" }, { "rate", "^%d%.7%.28$" }, { "rate", "^%d%.7%.50[08]$" },
  { "spam", "^%d%.7%.501$" }, { "block", "^%d%.7%.50[23]$" }, { "authentication", "^%d%.7%.509$" },
  { "block", "^%d%.7%.51[013]$" }, { "authentication", "^%d%.7%.515$" }, { "block", "^%d%.7%.606$" },
  { "policy", "^%d%.7%." },
}

local replies = { [452] = "soft", [521] = "hard", [550] = "hard", [551] = "hard", [552] = "quota",
  [553] = "hard", [554] = "policy", [556] = "hard" }

-- A bare 550 is said to so much that it is no proof: these name the address as the reason.
local address_codes = { ["5.1.1"] = true, ["5.1.2"] = true, ["5.1.3"] = true, ["5.1.6"] = true,
  ["5.1.10"] = true, ["5.2.1"] = true, ["5.4.1"] = true }

local function find_phrase(text)
  local plain = " " .. gsub(lower(sub(text, 1, TEXT_BYTES_MAX)), "%s+", " ") .. " "
  for _, row in ipairs(phrases) do
    if find(plain, row[2], 1, true) then
      return row[1]
    end
  end
end

local function find_code(status)
  for _, row in ipairs(codes) do
    if find(status, row[2]) then
      return row[1]
    end
  end
end

-- The reply code and the enhanced code within a text; nil where there is none.
local function codes_in(text)
  text = " " .. sub(text, 1, TEXT_BYTES_MAX) .. " "
  local enhanced = match(text, "[%s#(;:]([245]%.%d%d?%d?%.%d%d?%d?)[^%w.]")
    or match(text, "[%s(;:]%d%d%d%-([245]%.%d%d?%d?%.%d%d?%d?)[^%w.]")
  local reply = match(text, "[%s(;:]([45]%d%d)[%s-]")
  return tonumber(reply), enhanced
end

-- The class, whether it is for good, and whether the address itself is no good.
local function classify(status, text)
  local reply, enhanced = codes_in(text)
  local is_vague = not status or find(status, "^%d%.0%.0$")
  status = is_vague and enhanced or status
  local worded = find_phrase(text)
  local class = worded or (status and find_code(status)) or (reply and (replies[reply]
    or (reply >= 500 and "policy" or "soft")))
  local is_permanent = status and sub(status, 1, 1) == "5" or (not status and reply ~= nil and reply >= 500)
  class = class or (is_permanent and "policy" or "soft")
  local is_proven = worded == "hard" or (status ~= nil and address_codes[status] == true)
  return class, is_permanent, class == "hard" and is_permanent and is_proven, status
end

return { classify = classify, codes_in = codes_in }
