local check = require "check"
local url = require "url"

local function why(text)
  local parts, reason = url.parse(text)
  return parts == nil and reason
end

return check.worker {
  urls_are_taken_apart = function()
    check.table(url.parse, {
      { "https://Example.com", wanted = { scheme = "https", host = "example.com", path = "/" } },
      { " HTTP://h.test:8080/a/b?x=1#f\n", wanted = { scheme = "http", host = "h.test", port = 8080, path = "/a/b",
        query = "x=1", fragment = "f" } },
      { "https://us%40er:p:w@h.test", wanted = { scheme = "https", user = "us@er", password = "p:w", host = "h.test",
        path = "/" } },
      { "https://söhne.test/ü", wanted = { scheme = "https", host = "xn--shne-5qa.test", path = "/ü" } },
      { "http://[2001:DB8::1]:25/", wanted = { scheme = "http", host = "[2001:db8::1]", port = 25, path = "/" } },
      { "http://192.0.2.1?q", wanted = { scheme = "http", host = "192.0.2.1", path = "/", query = "q" } },
      { "mailto:a@b.test?subject=x", wanted = { scheme = "mailto", path = "a@b.test", query = "subject=x" } },
      { "urn:x:y#", wanted = { scheme = "urn", path = "x:y", fragment = "" } },
      { "file:///etc/x", wanted = { scheme = "file", host = "", path = "/etc/x" } },
      { "http://h.test:/", wanted = { scheme = "http", host = "h.test", path = "/" } },
      { "http://a@b@h.test/", wanted = { scheme = "http", user = "a@b", host = "h.test", path = "/" } },
    })
  end,

  what_is_no_url_is_told = function()
    check.table(why, {
      { "", wanted = "it has no scheme" },
      { "example.com/x", wanted = "it has no scheme" },
      { "/path", wanted = "it has no scheme" },
      { "http:", wanted = "it has no host" },
      { "http:/x", wanted = "it has no host" },
      { "http:///x", wanted = "it has no host" },
      { "http://user@/x", wanted = "it has no host" },
      { "http://a b/", wanted = 'it has a blank, a control character or one of \\ < > "' },
      { "http://a\\@b/", wanted = 'it has a blank, a control character or one of \\ < > "' },
      { "http://a\r\nb/", wanted = 'it has a blank, a control character or one of \\ < > "' },
      { "http://a.test/\255", wanted = "it is not UTF-8" },
      { "http://h.test:65536/", wanted = "its port is greater than 65535" },
      { "http://h.test:999999999999/", wanted = "its port is greater than 65535" },
      { "http://h.test:8x/", wanted = "its host is no domain name" },
      { "http://127.1/", wanted = "its IPv4 address is malformed" },
      { "http://2130706433/", wanted = "its IPv4 address is malformed" },
      { "http://0x7f.0.0.1/", wanted = "its IPv4 address is malformed" },
      { "http://0177.0.0.1/", wanted = "its IPv4 address is malformed" },
      { "http://127.0.0.0x1/", wanted = "its IPv4 address is malformed" },
      { "http://1.2.3.256/", wanted = "its IPv4 address is malformed" },
      { "http://[::1/", wanted = "its host is no domain name" },
      { "http://[1:2]/", wanted = "its IPv6 address is malformed" },
      { "http://[1::2::3]/", wanted = "its IPv6 address is malformed" },
      { "http://[::12345]/", wanted = "its IPv6 address is malformed" },
      { "http://[fe80::1%25eth0]/", wanted = "its IPv6 address is malformed" },
      { "http://a..b/", wanted = "its host is no domain name" },
      { "http://-a.test/", wanted = "its host is no domain name" },
      { "http://h%2f.test/", wanted = "its host is no domain name" },
      { "http://" .. ("1"):rep(60000) .. "x", wanted = "its host is no domain name" },
      { "http://" .. ("a"):rep(70000), wanted = "it is longer than 65536 bytes" },
    })
    check.same(url.parse("http://[::ffff:192.0.2.1]/").host, "[::ffff:192.0.2.1]")
    check.same(url.parse("http://[::]/").host, "[::]")
    check.same(url.parse("http://[1:2:3:4:5:6:7:8]/").host, "[1:2:3:4:5:6:7:8]")
    check.fails("url.parse: the text must be a string, got nil", url.parse)
  end,

  urls_are_put_together = function()
    check.table(url.build, {
      { { scheme = "https", host = "h.test" }, wanted = "https://h.test" },
      { { scheme = "HTTPS", host = "Söhne.test", port = 443, path = "a b/ü", query = { b = { 1, true }, a = "x&y" } },
        wanted = "https://xn--shne-5qa.test/a%20b/%C3%BC?a=x%26y&b=1&b=true" },
      { { scheme = "http", host = "::1", port = 8080, path = "/?#%zz%41" }, wanted = "http://[::1]:8080/%3F%23%25zz%41" },
      { { scheme = "http", host = "h.test", user = "a@b", password = ":/", path = "/", query = "q=1#2", fragment = "f g" },
        wanted = "http://a%40b:%3A%2F@h.test/?q=1%232#f%20g" },
      { { scheme = "mailto", path = "a@b.test", query = { subject = "Hi there" } },
        wanted = "mailto:a@b.test?subject=Hi%20there" },
      { { scheme = "x", path = "%" }, wanted = "x:%25" },
    })
    check.refused(url.build, {
      ["url.build: the parts must be a table, got string"] = "x",
      ["url.build: the scheme must be a string"] = { {} },
      ["url.build: the scheme must be letters"] = { { scheme = "1a" }, { scheme = "a b" }, { scheme = "java\nscript" } },
      ["url.build: the host is no domain name"] = { { scheme = "a", host = "b/c" }, { scheme = "a", host = "x@y" } },
      ["url.build: the port must be"] = { { scheme = "a", host = "b", port = "1" }, { scheme = "a", host = "b", port = 1.5 } },
      ["url.build: a path without a host"] = { { scheme = "a", path = "//evil.test" } },
      ["url.buildQuery: the value of 'a' must be"] = { { scheme = "a", query = { a = print } } },
    })
  end,

  components_are_encoded_and_decoded = function()
    check.same(url.encode "a b&ü~", "a%20b%26%C3%BC~")
    check.same(url.decode "a%20b%26%c3%bc%zz%4", "a b&ü%zz%4")
    local first, all = url.parseQuery "a=1&b=%26+x&a=2&c&=d&&e=f=g"
    check.same(first, { a = "1", b = "& x", c = "", [""] = "d", e = "f=g" })
    check.same(all.a, { "1", "2" })
    check.same(url.parseQuery "", {})
  end,

  -- RFC 3986 section 5.4
  references_are_resolved = function()
    local wanted = {
      ["g:h"] = "g:h", ["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g", ["g/"] = "http://a/b/c/g/",
      ["/g"] = "http://a/g", ["//g"] = "http://g", ["?y"] = "http://a/b/c/d;p?y", ["g?y"] = "http://a/b/c/g?y",
      ["#s"] = "http://a/b/c/d;p?q#s", ["g#s"] = "http://a/b/c/g#s", ["g?y#s"] = "http://a/b/c/g?y#s",
      [";x"] = "http://a/b/c/;x", ["g;x?y#s"] = "http://a/b/c/g;x?y#s", [""] = "http://a/b/c/d;p?q",
      ["."] = "http://a/b/c/", ["./"] = "http://a/b/c/", [".."] = "http://a/b/", ["../"] = "http://a/b/",
      ["../g"] = "http://a/b/g", ["../.."] = "http://a/", ["../../"] = "http://a/", ["../../g"] = "http://a/g",
      ["../../../g"] = "http://a/g", ["../../../../g"] = "http://a/g", ["/./g"] = "http://a/g",
      ["/../g"] = "http://a/g", ["g."] = "http://a/b/c/g.", [".g"] = "http://a/b/c/.g", ["g.."] = "http://a/b/c/g..",
      ["..g"] = "http://a/b/c/..g", ["./../g"] = "http://a/b/g", ["./g/."] = "http://a/b/c/g/",
      ["g/./h"] = "http://a/b/c/g/h", ["g/../h"] = "http://a/b/c/h", ["g;x=1/./y"] = "http://a/b/c/g;x=1/y",
      ["g?y/../x"] = "http://a/b/c/g?y/../x", ["g#s/../x"] = "http://a/b/c/g#s/../x",
    }
    for reference, result in pairs(wanted) do
      check.same({ reference, url.join("http://a/b/c/d;p?q", reference) }, { reference, result })
    end
    check.same(url.join("http://a", "b"), "http://a/b")
    check.same({ url.join("/a", "b") }, { nil, "it has no scheme" })
    check.same(url.join("http://a/", "b c"), nil)
    check.same(#url.join("http://a/", ("../"):rep(20000) .. ("x/"):rep(1000)) > 2000, true)
  end,
}
