-- address: mail addresses.
--
--   local from = address.parse('Anna <anna+list@Corp.test>')
--   -- { name = "Anna", address = "anna+list@corp.test", localPart = "anna+list", domain = "corp.test",
--   --   user = "anna", tag = "list" }
--   if address.same(message.from, "Anna@CORP.test") then … end
--
-- parse, normalize and the like return nil for what is no address: it may well come from a message. Domains
-- are in normal form: lower case, A-labels (xn--…).
local _, native = ...
local fields = require "mime_address"

local check, raise = native.check, native.raise
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub

local address = {}

local function subaddress(local_part, separator)
  local at = find(local_part, separator, 2, true)
  if not at then
    return local_part, nil
  end
  return sub(local_part, 1, at - 1), sub(local_part, at + #separator)
end

local function described(name, text)
  local local_part, domain, normal = native.mailbox(text)
  if not local_part then
    return nil
  end
  local user, tag = subaddress(local_part, "+")
  return { name = name, address = normal, localPart = local_part, domain = domain, user = user, tag = tag }
end

-- All addresses of a field such as To; what is malformed is left out, and so is what is an address only when
-- the blanks within it are passed over.
function address.list(text)
  local list = {}
  for _, item in ipairs(fields.read(check("address.list: the text", text, "string"))) do
    if find(text, item.address, 1, true) then
      list[#list + 1] = described(item.name, item.address)
    end
  end
  return list
end

-- One address, with or without a name; nil when it is none or more than one.
function address.parse(text)
  check("address.parse: the text", text, "string")
  local plain = described("", text)
  if plain then
    return plain
  end
  local list = find(text, "[%z\1-\8\10-\31]") and {} or address.list(text)
  return #list == 1 and list[1] or nil
end

local function part(name)
  return function(text)
    local parsed = address.parse(text)
    return parsed and parsed[name]
  end
end

address.normalize = part "address"
address.domain = part "domain"
address.localPart = part "localPart"

function address.isValid(text)
  return type(text) == "string" and native.mailbox(text) ~= nil
end

-- The user and the tag of user+tag@domain; nil for the tag when there is none.
function address.subaddress(text, separator)
  separator = check("address.subaddress: the separator", separator or "+", "string")
  local parsed = address.parse(text)
  if not parsed or separator == "" then
    return nil
  end
  return subaddress(parsed.localPart, separator)
end

local function quoted_local(local_part)
  local is_atoms = find(local_part, "^[%w!#$%%&'*+/=?^_`{|}~.\128-\255-]+$")
  if is_atoms and not find("." .. local_part .. ".", "..", 1, true) then
    return local_part
  end
  return '"' .. gsub(local_part, '["\\]', "\\%0") .. '"'
end

-- user@domain of user+tag@domain.
function address.base(text, separator)
  local user = address.subaddress(text, separator)
  return user and address.normalize(quoted_local(user) .. "@" .. address.domain(text))
end

-- user+tag@domain, in place of the tag there may be.
function address.withTag(text, tag)
  check("address.withTag: the tag", tag, "string")
  local user = address.subaddress(text)
  return user and address.normalize(quoted_local(user .. "+" .. tag) .. "@" .. address.domain(text))
end

-- The same mailbox: the local parts are compared without case, as nearly all servers do.
function address.same(a, b)
  local one, other = address.parse(a), address.parse(b)
  return one ~= nil and other ~= nil and one.domain == other.domain
    and one.localPart:lower() == other.localPart:lower()
end

-- As a header field has it: Anna <anna@corp.test>, the name quoted or encoded (RFC 2047) where it needs it.
function address.format(text, name)
  check("address.format: the address", text, "string")
  name = check("address.format: the name", name or "", "string")
  local parsed = described("", text)
  if not parsed then
    raise(("address.format: '%s' is no address"):format((gsub(sub(text, 1, 100), "%c", "?"))))
  elseif find(name, "[%z\1-\31\127]") or not native.mime_is_utf8(name) then
    raise("address.format: the name has a line end or another control character, or is not UTF-8")
  end
  name = match(name, "^.*%S", find(name, "%S") or 1) or ""
  return name == "" and parsed.address or fields.phrase(name) .. " <" .. parsed.address .. ">"
end

-- A domain in normal form; nil when it is none.
function address.toAscii(domain)
  return native.domain_to_ascii(check("address.toAscii: the domain", domain, "string"))
end

-- A domain as people read it.
function address.toUnicode(domain)
  local normal = native.domain_to_ascii(check("address.toUnicode: the domain", domain, "string"))
  return normal and native.domain_to_unicode(normal)
end

return address
