-- crypto: hashes, keyed hashes, random bytes, and bytes as text.
--
--   local mine = crypto.hmac.sha256(env.KEY, body)             -- in hexadecimal
--   if not crypto.equal(mine, theirs) then return end
--   local key = crypto.sha256(text, "raw")                     -- the bytes themselves
--
-- Hashes are given in hexadecimal, or as "raw", "base64", "base64url" or "base32".
local _, native = ...

local check, raise = native.check, native.raise
local byte, char, sub = string.byte, string.char, string.sub

local forms = { hex = true, base64 = true, base64url = true, base32 = true, raw = true }

local crypto = { hmac = {} }

local function in_form(call, bytes, form)
  form = form or "hex"
  if not forms[form] then
    raise(call .. ': the form must be "hex", "raw", "base64", "base64url" or "base32"')
  end
  return form == "raw" and bytes or native.encode(form, bytes)
end

local function hash(name)
  local call = "crypto." .. name
  return function(bytes, form)
    return in_form(call, native.digest(name, check(call .. ": the bytes", bytes, "string")), form)
  end
end

local function keyed_hash(name)
  local call = "crypto.hmac." .. name
  return function(key, bytes, form)
    check(call .. ": the key", key, "string")
    return in_form(call, native.hmac(name, key, check(call .. ": the bytes", bytes, "string")), form)
  end
end

crypto.sha1, crypto.sha256, crypto.sha512 = hash "sha1", hash "sha256", hash "sha512"
-- For what others still ask for; it protects nothing.
crypto.md5 = hash "md5"

for _, name in ipairs { "sha1", "sha256", "sha512", "md5" } do
  crypto.hmac[name] = keyed_hash(name)
end

-- The same time whatever the first difference is.
function crypto.equal(a, b)
  return native.equal(check("crypto.equal: a", a, "string"), check("crypto.equal: b", b, "string"))
end

function crypto.random(count)
  return native.random(check("crypto.random: the count", count, "number"))
end

-- --- UUIDs (RFC 9562) ------------------------------------------------------------------------------

local function uuid_of(bytes, version)
  bytes = sub(bytes, 1, 6) .. char(version * 16 + byte(bytes, 7) % 16) .. sub(bytes, 8, 8)
    .. char(128 + byte(bytes, 9) % 64) .. sub(bytes, 10, 16)
  return (native.encode("hex", bytes):gsub("^(" .. ("."):rep(8) .. ")(....)(....)(....)", "%1-%2-%3-%4-"))
end

-- Version 4 is random; version 7 begins with the time, so that later ones sort after.
function crypto.uuid(version)
  version = version or 4
  if version == 4 then
    return uuid_of(native.random(16), 4)
  elseif version == 7 then
    local ms, time = math.floor(native.now() * 1000), ""
    for _ = 1, 6 do
      time, ms = char(ms % 256) .. time, math.floor(ms / 256)
    end
    return uuid_of(time .. native.random(10), 7)
  end
  raise("crypto.uuid: the version must be 4 or 7")
end

-- --- bytes as text ---------------------------------------------------------------------------------

local function add_encoding(suffix, encoding)
  local to, from = "crypto.to" .. suffix, "crypto.from" .. suffix
  crypto["to" .. suffix] = function(bytes)
    return native.encode(encoding, check(to .. ": the bytes", bytes, "string"))
  end
  crypto["from" .. suffix] = function(text)
    return native.decode(encoding, from, text)
  end
end

add_encoding("Hex", "hex")
add_encoding("Base32", "base32")
add_encoding("Base64", "base64")
add_encoding("Base64Url", "base64url")

return crypto
