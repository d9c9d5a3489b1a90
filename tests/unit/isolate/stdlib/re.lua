local check = require "check"
local re = require "re"

local function all(text, pattern, flags)
  local found = {}
  for m in re.gmatch(text, pattern, flags) do
    found[#found + 1] = m[0]
  end
  return found
end

return check.worker {
  captures_are_known_by_number_and_name = function()
    local m = re.match("Re: [#42] broken", [[\[#(?<ticket>\d+)\](x)?]])
    check.same(m, { [0] = "[#42]", [1] = "42", ticket = "42" })
    check.same(re.match("nothing", "x(y)"), nil)
    check.same(re.match("ab", "(?J)(?<n>a)|(?<n>b)", nil, 2), { [0] = "b", [2] = "b", n = "b" })
  end,

  places_are_bytes = function()
    local first, last, m = re.find("größer", "ß")
    check.same({ first, last, m }, { 5, 6, { [0] = "ß" } })
    check.same({ re.find("aXbX", "X", nil, 3) }, { 4, 4, { [0] = "X" } })
    check.same({ re.find("ab", "x") }, {})
    check.same({ re.find("ab", "", nil, 3) }, { 3, 2, { [0] = "" } })
    check.same({ re.find("ab", "", nil, 9) }, {})
    check.same({ re.find("éa", "a", nil, 2) }, { 3, 3, { [0] = "a" } })
  end,

  flags_change_what_matches = function()
    check.table(re.test, {
      { "ABC", "b", wanted = false },
      { "ABC", "b", "i", wanted = true },
      { "ÄRGER", "är", "i", wanted = true },
      { "a\nb", "^b", wanted = false },
      { "a\nb", "^b", "m", wanted = true },
      { "a\nb", "a.b", "s", wanted = true },
      { "ab", "a b # both", "x", wanted = true },
      { "é", "^.$", wanted = true },
      { "é", "^..$", "b", wanted = true },
      { "x", "(?i)X", wanted = true },
    })
    check.same(re.match("aaa", "a+", "U")[0], "a")
    check.same(re.match("ab", "(a)(?<n>b)", "n"), { [0] = "ab", [1] = "b", n = "b" })
  end,

  every_match_is_found = function()
    check.table(all, {
      { "a1b22", "\\d+", wanted = { "1", "22" } },
      { "äöü", "", wanted = { "", "", "", "" } },
      { "aab", "a*", wanted = { "aa", "", "" } },
      { "", "x*", wanted = { "" } },
      { "", "x", wanted = {} },
    })
  end,

  matches_are_replaced = function()
    check.table(re.gsub, {
      { "a-b", "(\\w)-(\\w)", "$2-$1", wanted = "b-a" },
      { "a-b", "(?<x>\\w)-", "${x}${1}$&$$", wanted = "aaa-$b" },
      { "abc", "", "-", wanted = "-a-b-c-" },
      { "abc", "b", { b = "X" }, wanted = "aXc" },
      { "abc", "[bc]", { b = 5 }, wanted = "a5c" },
      { "abc", "(?<l>[ac])", function(m) return m.l == "a" and m.l:upper() end, wanted = "Abc" },
      { "aaa", "a", "b", nil, 2, wanted = "bba" },
      { "aaa", "a", "b", "", 0, wanted = "aaa" },
      { "A", "a", "b", "i", wanted = "b" },
      { "ab", "(x)?b", "[$1]", wanted = "a[]" },
    })
    check.same(select(2, re.gsub("aXbX", "X", "")), 2)
    local nested = re.gsub("a b", "\\w", function(m) return (re.gsub(m[0], "\\w", "<$&>")) end)
    check.same(nested, "<a> <b>")
    check.fails("re.gsub: a $ in the replacement", re.gsub, "a", "a", "$")
    check.fails("re.gsub: a $ in the replacement", re.gsub, "a", "a", "${a")
    check.fails("re.gsub: the replacement must be", re.gsub, "a", "a")
    check.fails("re.gsub: the replacement gave a table", re.gsub, "a", "a", function() return {} end)
  end,

  texts_are_split = function()
    check.table(re.split, {
      { "a, b;c", "[,;]\\s*", wanted = { "a", "b", "c" } },
      { "a,b,c", ",", nil, 2, wanted = { "a", "b,c" } },
      { "äb", "", wanted = { "ä", "b" } },
      { ",a,", ",", wanted = { "", "a", "" } },
      { "a,b", ",*", wanted = { "a", "b" } },
      { "", ",", wanted = { "" } },
      { "abc", "x", wanted = { "abc" } },
    })
  end,

  an_escaped_text_matches_itself = function()
    for _, text in ipairs { "a.b*c", "[x]$", "\\E", "é#\n-^", "a\0b", "(?i) {2}", "~`'\"<>!@%&=;:,/" } do
      check.same(re.test(text, "^" .. re.escape(text) .. "\\z"), true)
      check.same(re.test(text, "^" .. re.escape(text) .. "\\z", "x"), not text:find(" "))
    end
  end,

  what_is_wrong_is_told = function()
    check.fails("re: the pattern is wrong at byte 3: missing closing parenthesis", re.test, "a", "(a")
    check.fails("re: the pattern is wrong at byte 2", re.test, "a", "a\255")
    check.fails("re: unknown flag 'g'", re.test, "a", "a", "g")
    check.fails("re.test: the pattern must be a string, got nil", re.test, "a")
    check.fails("re.test: the text must be a string, got table", re.test, {}, "a")
    check.fails("re.test: the flags must be a string", re.test, "a", "a", 5)
    check.fails("re.find: the place to begin at must be 1 or more", re.find, "a", "a", nil, 0)
    check.fails("re: the pattern is wrong", re.test, "a", "\\C")
    check.fails("re: the pattern is wrong", re.test, "a", "(*UTF)a", "b")
    check.fails("re: the pattern is longer than", re.test, "a", ("a"):rep(40000))
    check.fails("re: the pattern has more than 200 groups", re.test, "a", ("(a)?"):rep(300))
  end,

  malformed_utf8_harms_nothing = function()
    check.same(re.match("a\255b", "b")[0], "b")
    check.same(re.match("\255\254\237\160\128é", "é")[0], "é")
    check.same(all("x\128x\255", "x"), { "x", "x" })
    check.same(re.gsub("\195", "", "-"):find("\195", 1, true) ~= nil, true)
    check.same(re.match("\255", "\\xff", "b")[0], "\255")
  end,

  a_pattern_that_explodes_is_an_error = function()
    local text = ("a"):rep(40) .. "b"
    check.fails("re: the pattern takes too many steps", re.test, text, "^(a+)+$")
    check.fails("re: the pattern takes too many steps", re.test, text, "(*NO_JIT)^(a+)+$")
    check.fails("re: the pattern takes too many steps", re.test, ("x"):rep(2e6), "(*NO_JIT)^(?:(x)|y)*$")
    check.fails("re: the pattern takes too many steps", re.test, ("("):rep(1e6), "^(\\((?1)*\\))")
    check.same(re.test("ok", "ok"), true)
  end,

  more_patterns_than_the_cache_holds = function()
    for round = 1, 3 do
      for i = 1, 200 do
        check.same(re.match("n" .. i, "^n(" .. i .. ")$")[1], tostring(i))
      end
      check.same(re.test("round" .. round, "round\\d"), true)
    end
  end,

  many_matches_take_linear_time = function()
    local text, count = ("x é\n"):rep(200000), 0
    for _ in re.gmatch(text, "é") do
      count = count + 1
    end
    check.same(count, 200000)
    check.same(select(2, re.gsub(text .. "\255", "x", "y")), 200000)
  end,
}
