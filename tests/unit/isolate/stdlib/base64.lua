local check = require "check"
local base64 = require "base64"

return check.worker {
  bytes_become_letters = function()
    check.table(base64.encode, {
      { "", wanted = "" },
      { "f", wanted = "Zg==" },
      { "fo", wanted = "Zm8=" },
      { "foo", wanted = "Zm9v" },
      { "\0\255\254", wanted = "AP/+" },
    })
    check.same(base64.encodeUrl("\0\255\254\1"), "AP_-AQ")
  end,

  letters_become_bytes = function()
    check.table(base64.decode, {
      { "", wanted = "" },
      { "Zg==", wanted = "f" },
      { "Zg", wanted = "f" },
      { "Zm 9v\r\n\tZg==\n", wanted = "foof" },
    })
    check.same(base64.decodeUrl("AP_-AQ"), "\0\255\254\1")
    check.same(base64.decodeUrl("AP_-AQ=="), "\0\255\254\1")
  end,

  what_is_wrong_is_told = function()
    check.refused(base64.decode, {
      ["base64.decode: byte 2 is no digit of base64"] = { "Z!==", "Z\0", "A\255" },
      ["base64.decode: byte 5 is no digit of base64"] = { "Zg==Zg==" },
      ["base64.decode: the text ends too early"] = { "Z", "Zg=", "Zg===", "Zh==", "====", "=" },
      ["base64.decode: the text must be a string, got number"] = 5,
    })
    check.fails("base64.decodeUrl: byte 3 is no digit of base64url", base64.decodeUrl, "AP/+")
    check.fails("base64.encode: the bytes must be a string, got nil", base64.encode)
  end,

  all_lengths_come_back = function()
    for length = 0, 300 do
      local bytes = {}
      for i = 1, length do
        bytes[i] = string.char((i * 37 + length) % 256)
      end
      bytes = table.concat(bytes)
      check.same(base64.decode(base64.encode(bytes)) == bytes, true)
      check.same(base64.decodeUrl(base64.encodeUrl(bytes)) == bytes, true)
    end
  end,
}
