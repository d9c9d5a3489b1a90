local check = require "check"
local crypto = require "crypto"

return check.worker {
  hashes_are_those_of_the_standards = function()
    check.same(crypto.md5 "", "d41d8cd98f00b204e9800998ecf8427e")
    check.same(crypto.sha1 "abc", "a9993e364706816aba3e25717850c26c9cd0d89d")
    check.same(crypto.sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    check.same(#crypto.sha512 "abc", 128)
    check.same(crypto.sha256("abc", "base64"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
    check.same(#crypto.sha256("abc", "raw"), 32)
  end,

  keyed_hashes_too = function()
    -- RFC 4231 section 4.3, RFC 2202
    check.same(crypto.hmac.sha256("Jefe", "what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    check.same(crypto.hmac.md5("Jefe", "what do ya want for nothing?"), "750c783e6ab0b503eaa86e310a5db738")
    check.same(crypto.hmac.sha1("Jefe", "what do ya want for nothing?"),
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    check.same(#crypto.hmac.sha512("", "", "raw"), 64)
  end,

  random_bytes_differ = function()
    check.same(#crypto.random(0), 0)
    check.same(#crypto.random(65536), 65536)
    check.same(crypto.random(16) == crypto.random(16), false)
    check.refused(crypto.random, {
      ["crypto.random: the count must be 0 to 65536"] = { -1, 65537, 1.5, 0 / 0, 1 / 0 },
      ["crypto.random: the count must be a number, got string"] = "5",
    })
  end,

  uuids_have_their_form = function()
    local form = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
    check.same(crypto.uuid():match(form) ~= nil, true)
    check.same(crypto.uuid():sub(15, 15), "4")
    check.same(crypto.uuid(7):match(form) ~= nil, true)
    check.same(crypto.uuid(7):sub(15, 15), "7")
    local ms = tonumber((crypto.uuid(7):sub(1, 13):gsub("-", "")), 16)
    check.same(math.abs(ms / 1000 - os.time()) < 5, true)
    check.fails("crypto.uuid: the version must be 4 or 7", crypto.uuid, 1)
  end,

  texts_are_compared = function()
    check.table(crypto.equal, {
      { "", "", wanted = true },
      { "abc", "abc", wanted = true },
      { "abc", "abd", wanted = false },
      { "abc", "ab", wanted = false },
      { "a\0b", "a\0c", wanted = false },
    })
    check.fails("crypto.equal: b must be a string, got nil", crypto.equal, "a")
  end,

  bytes_become_text_and_come_back = function()
    check.same(crypto.toHex "\0\255A", "00ff41")
    check.same(crypto.fromHex "00FF41", "\0\255A")
    check.same(crypto.toBase32 "fooba", "MZXW6YTB")
    check.same(crypto.toBase32 "foob", "MZXW6YQ=")
    check.same(crypto.fromBase32 "mzxw6yq", "foob")
    check.same(crypto.fromBase64(crypto.toBase64 "x\0y"), "x\0y")
    check.same(crypto.fromBase64Url(crypto.toBase64Url "x\0y"), "x\0y")
    check.refused(crypto.fromHex, {
      ["crypto.fromHex: byte 1 is no digit of hex"] = { "g0", "=", " 00" },
      ["crypto.fromHex: the text ends too early"] = { "0", "000" },
    })
    check.refused(crypto.fromBase32, {
      ["crypto.fromBase32: the text ends too early"] = { "M", "MZX", "MZXW6Y==" },
      ["crypto.fromBase32: byte 2 is no digit of base32"] = { "M1", "M\n" },
    })
  end,

  what_is_wrong_is_told = function()
    check.fails("crypto.sha256: the bytes must be a string, got number", crypto.sha256, 5)
    check.fails('crypto.sha256: the form must be "hex"', crypto.sha256, "", "hexa")
    check.fails("crypto.hmac.sha256: the key must be a string, got nil", crypto.hmac.sha256, nil, "")
  end,
}
