local check = require "check"
local address = require "address"

return check.worker {
  one_address_is_taken_apart = function()
    check.same(address.parse "Anna <anna+list@Corp.TEST>", { name = "Anna", address = "anna+list@corp.test",
      localPart = "anna+list", domain = "corp.test", user = "anna", tag = "list" })
    check.same(address.parse "a@söhne.test".domain, "xn--shne-5qa.test")
    check.same(address.parse '"J. Doe" <j@d.test>'.name, "J. Doe")
    check.same(address.parse "=?utf-8?q?J=C3=B6rg?= <j@d.test>".name, "Jörg")
    check.same(address.parse '"a b"@c.test'.localPart, "a b")
    check.same(address.parse "j@d.test (Joe)".name, "Joe")
  end,

  what_is_no_address_is_nil = function()
    for _, text in ipairs { "", "a", "a@", "@b.test", "a@b@c.test", "a b@c.test", "a@b..test", "a@-b.test", "<>", "a@b.test, c@d.test",
      "a@b.test\r\nBcc: c@d.test", "a\0@b.test", "a@b.test\0", ("a"):rep(300) .. "@b.test", "\255@b.test",
      "Anna <", "undisclosed-recipients:;", ("<"):rep(10000), ("("):rep(10000), ('"'):rep(9999) } do
      check.same({ text, address.parse(text) }, { text })
      check.same(address.isValid(text), false)
    end
    check.same(address.isValid(nil), false)
    check.same(address.isValid "a@b.test", true)
    check.same(address.isValid "A <a@b.test>", false)
    check.fails("address.parse: the text must be a string, got nil", address.parse)
  end,

  lists_keep_what_is_good = function()
    local list = address.list 'Team: "Doe, J" <J@d.test>, broken, b@C.test;, x@y@z, c@d.test'
    check.same({ #list, list[1].name, list[1].address, list[2].address, list[3].address },
      { 3, "Doe, J", "J@d.test", "b@c.test", "c@d.test" })
    check.same(address.list "", {})
    check.same(#address.list(("a@b.test,"):rep(5000)), 1000)
  end,

  parts_are_asked_for = function()
    check.same(address.normalize "Anna <Anna@Corp.TEST>", "Anna@corp.test")
    check.same(address.domain "a@B.test", "b.test")
    check.same(address.localPart "A.b@B.test", "A.b")
    check.same({ address.subaddress "a+b+c@d.test" }, { "a", "b+c" })
    check.same({ address.subaddress "a@d.test" }, { "a" })
    check.same({ address.subaddress "+a@d.test" }, { "+a" })
    check.same({ address.subaddress("a-b@d.test", "-") }, { "a", "b" })
    check.same(address.subaddress "nothing", nil)
    check.same(address.base "a+b@d.test", "a@d.test")
    check.same(address.base '"a b+c"@d.test', '"a b"@d.test')
    check.same(address.base "x", nil)
    check.same(address.withTag("a+b@d.test", "c"), "a+c@d.test")
    check.same(address.withTag("a@d.test", "x y"), '"a+x y"@d.test')
    check.same(address.withTag("a@d.test", "x\r\ny"), nil)
  end,

  the_same_mailbox_is_recognised = function()
    check.table(address.same, {
      { "a@b.test", "A@B.TEST", wanted = true },
      { "Anna <a@b.test>", '"a"@b.test', wanted = true },
      { "a@söhne.test", "a@xn--shne-5qa.test", wanted = true },
      { "a@b.test", "a@c.test", wanted = false },
      { "a@b.test", "a+x@b.test", wanted = false },
      { "", "", wanted = false },
    })
  end,

  addresses_are_formatted = function()
    check.table(address.format, {
      { "a@b.test", wanted = "a@b.test" },
      { "a@B.test", "Anna", wanted = "Anna <a@b.test>" },
      { "a@b.test", 'Doe, "J"', wanted = '"Doe, \\"J\\"" <a@b.test>' },
      { "a@b.test", "Jörg", wanted = "=?utf-8?B?SsO2cmc=?= <a@b.test>" },
      { "a@b.test", "=?x", wanted = "=?utf-8?B?PT94?= <a@b.test>" },
    })
    check.fails("address.format: 'x' is no address", address.format, "x")
    check.fails("address.format: 'a@b.test??Bcc: c@d.test' is no address", address.format, "a@b.test\r\nBcc: c@d.test")
    check.fails("address.format: the name has a line end", address.format, "a@b.test", "A\r\nBcc: c@d.test")
    check.fails("address.format: the name has a line end", address.format, "a@b.test", "\255")
  end,

  domains_have_two_forms = function()
    check.same(address.toAscii "Söhne.test", "xn--shne-5qa.test")
    check.same(address.toUnicode "xn--shne-5qa.test", "söhne.test")
    check.same(address.toAscii "a b", nil)
    check.same(address.toUnicode "", nil)
  end,
}
