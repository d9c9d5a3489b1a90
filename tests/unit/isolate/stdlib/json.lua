local check = require "check"
local json = require "json"

return check.worker {
  values_are_decoded = function()
    check.table(json.decode, {
      { "1", wanted = 1 },
      { " -0.5e+2 ", wanted = -50 },
      { "9007199254740992", wanted = 2 ^ 53 },
      { "-9007199254740991", wanted = -(2 ^ 53) + 1 },
      { "123456789012345678901234567890", wanted = 1.2345678901234568e29 },
      { '"a\\u00e9\\ud83d\\ude00\\n\\/"', wanted = "aé😀\n/" },
      { '"\\u0000"', wanted = "\0" },
      { '["a\\tb","","c"]', wanted = { "a\tb", "", "c" } },
      { '{"a":{"b":[true,false,null]}}', wanted = { a = { b = { true, false, json.null } } } },
      { '{"a":1,"a":2}', wanted = { a = 2 } },
      { "{}", wanted = {} },
      { "\t[\r\n]\n", wanted = {} },
    })
  end,

  what_is_no_json_is_refused_with_its_place = function()
    check.refused(json.decode, {
      ["json.decode: the text ends too early at byte 1"] = "",
      ["json.decode: the text ends too early at byte 3"] = "[ ",
      ["json.decode: expected a value at byte 2"] = { "[,1]", "-a", "[nul]", "[\0]", "-" },
      ["json.decode: expected a value at byte 4"] = "[1,]",
      ["json.decode: expected ',' or ']' at byte 4"] = { "[1 2]", "[1 " },
      ["json.decode: expected ',' or '}' at byte 7"] = { '{"a":1"b":2}', '{"a":1' },
      ["json.decode: expected ':' at byte 6"] = '{"a" 1}',
      ["json.decode: expected a name in quotes at byte 2"] = { "{a:1}", "{1:1}", "{" },
      ["json.decode: something follows the value at byte 2"] = { "1,", "1]", "1\0" },
      ["json.decode: a number begins with 0 at byte 2"] = { "01", "00" },
      ["json.decode: expected a digit at byte 3"] = { "1.", "1e", "1.e1" },
      ["json.decode: the number is too large at byte 1"] = { "1e999", "-1e400" },
      ["json.decode: the string does not end at byte 3"] = '"a',
      ["json.decode: a control character in a string at byte 3"] = { '"a\nb"', '"a\0b"' },
      ["json.decode: malformed UTF-8 at byte 3"] = { '"a\255"', '"a\192\128"', '"a\237\160\128"', '"a\226\130"' },
      ["json.decode: unknown escape at byte 3"] = { '"\\x41"', '"\\', '"\\\0"' },
      ["json.decode: expected four hexadecimal digits"] = { '"\\u12g4"', '"\\u', '"\\u123' },
      ["json.decode: half of a surrogate pair"] = { '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\\ud800\\n"' },
      ["json.decode: nested too deeply at byte 102"] = { ("["):rep(1e6), ("["):rep(101) .. ("]"):rep(101) },
      ["json.decode: the text must be a string, got number"] = { 5 },
    })
    check.fails("json.decode: the text must be a string, got nil", json.decode)
    check.same(#json.decode(("["):rep(100) .. ("]"):rep(100)), 1)
  end,

  values_are_encoded = function()
    check.table(json.encode, {
      { json.null, wanted = "null" },
      { nil, wanted = "null" },
      { true, wanted = "true" },
      { 0.1, wanted = "0.1" },
      { 1 / 3, wanted = "0.33333333333333331" },
      { 2 ^ 53, wanted = "9007199254740992" },
      { 1e300, wanted = "1e+300" },
      { -0, wanted = "0" },
      { 'a"\\\n\1é\127', wanted = '"a\\"\\\\\\n\\u0001é\\u007f"' },
      { {}, wanted = "{}" },
      { json.array {}, wanted = "[]" },
      { json.array(), wanted = "[]" },
      { { 1, json.null, "x" }, wanted = '[1,null,"x"]' },
      { { b = 1, a = { c = {} }, [""] = false }, wanted = '{"":false,"a":{"c":{}},"b":1}' },
      { { b = 1, a = { 1, {} } }, { pretty = true },
        wanted = '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": 1\n}' },
    })
  end,

  what_json_has_no_form_for_is_refused = function()
    local around = {}
    around.around = around
    check.refused(json.encode, {
      ["json.encode: a number is infinite or none at all"] = { 0 / 0, 1 / 0, -1 / 0 },
      ["json.encode: a string is not UTF-8"] = { "\255", { { "a\128" } } },
      ["json.encode: a function cannot be encoded"] = { print },
      ["json.encode: a userdata or coroutine"] = { coroutine.create(print) },
      ["json.encode: a table has both names and numbers"] = { { { 1, a = 2 } } },
      ["json.encode: a list has holes"] = { { { 1, nil, 3 } }, { { [2] = 1 } }, { { [0] = 1 } }, { { [1.5] = 1 } } },
      ["json.encode: a table has a key that is neither"] = { { { [true] = 1 } } },
      ["json.encode: nested too deeply, or a table is within itself"] = { around },
      ["json.encode: a json.array has names"] = { json.array { a = 1 } },
    })
    check.fails("json.encode: the options must be a table", json.encode, 1, "pretty")
  end,

  lists_stay_lists = function()
    check.same(json.encode(json.decode '{"a":[],"b":{}}'), '{"a":[],"b":{}}')
    check.same(json.isArray(json.decode "[]"), true)
    check.same(json.isArray(json.decode "{}"), false)
    check.same(json.isArray { 1 }, true)
    check.same(json.isArray "x", false)
    check.same(tostring(json.null), "json.null")
    check.same(json.decode "null" == json.null, true)
  end,

  a_large_text_comes_back = function()
    local items = {}
    for i = 1, 20000 do
      items[i] = { id = i, text = ("x"):rep(i % 50) .. "\n", flag = i % 2 == 0 }
    end
    local text = json.encode(items)
    check.same(json.encode(json.decode(text)) == text, true)
  end,
}
