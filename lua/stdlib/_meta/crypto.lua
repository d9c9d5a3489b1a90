---@meta crypto
-- Hashes, keyed hashes, random bytes, and bytes as text.

---How a hash is given; hexadecimal unless said otherwise.
---@alias HashForm "hex"|"raw"|"base64"|"base64url"|"base32"

---@class crypto
local crypto = {}

crypto.hmac = {}

---@param bytes string
---@param form? HashForm
---@return string
function crypto.sha1(bytes, form) end

---@param bytes string
---@param form? HashForm
---@return string
function crypto.sha256(bytes, form) end

---@param bytes string
---@param form? HashForm
---@return string
function crypto.sha512(bytes, form) end

---For what others still ask for; it protects nothing.
---@param bytes string
---@param form? HashForm
---@return string
function crypto.md5(bytes, form) end

---@param key string
---@param bytes string
---@param form? HashForm
---@return string
function crypto.hmac.sha1(key, bytes, form) end

---@param key string
---@param bytes string
---@param form? HashForm
---@return string
function crypto.hmac.sha256(key, bytes, form) end

---@param key string
---@param bytes string
---@param form? HashForm
---@return string
function crypto.hmac.sha512(key, bytes, form) end

---@param key string
---@param bytes string
---@param form? HashForm
---@return string
function crypto.hmac.md5(key, bytes, form) end

---Compares in a time that does not tell where the first difference is.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end

---At most 65536 random bytes.
---@param count integer
---@return string
function crypto.random(count) end

---Version 4 (random) or 7 (later ones sort after).
---@param version? 4|7
---@return string
function crypto.uuid(version) end

---@param bytes string
---@return string
function crypto.toHex(bytes) end

---Raises an error that says where the text is wrong.
---@param text string
---@return string
function crypto.fromHex(text) end

---@param bytes string
---@return string
function crypto.toBase32(bytes) end

---Raises an error that says where the text is wrong.
---@param text string
---@return string
function crypto.fromBase32(text) end

---@param bytes string
---@return string
function crypto.toBase64(bytes) end

---Raises an error that says where the text is wrong.
---@param text string
---@return string
function crypto.fromBase64(text) end

---@param bytes string
---@return string
function crypto.toBase64Url(bytes) end

---Raises an error that says where the text is wrong.
---@param text string
---@return string
function crypto.fromBase64Url(text) end

return crypto
