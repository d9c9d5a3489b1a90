-- base64: bytes as letters and back (RFC 4648 sections 4 and 5).
--
--   base64.encode(bytes)                     -- with padding
--   base64.decode(text)                      -- line ends and blanks are passed over
--   base64.encodeUrl(bytes), base64.decodeUrl(text)   -- with - and _, no padding
local _, native = ...

local check = native.check

local function encoder(call, encoding)
  return function(bytes)
    return native.encode(encoding, check(call .. ": the bytes", bytes, "string"))
  end
end

local function decoder(call, encoding)
  return function(text)
    return native.decode(encoding, call, text)
  end
end

return {
  encode = encoder("base64.encode", "base64"),
  decode = decoder("base64.decode", "base64"),
  encodeUrl = encoder("base64.encodeUrl", "base64url"),
  decodeUrl = decoder("base64.decodeUrl", "base64url"),
}
