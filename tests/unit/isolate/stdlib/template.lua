local check = require "check"
local template = require "template"

return check.worker {
  objects_have_fields_too = function(message)
    check.same(template.text("{{m.from}}{{m.nothing}}{{n}}{{n.x}}", { m = message, n = require("json").null }), message.from)
  end,

  values_are_filled_in = function()
    check.table(template.render, {
      { "", {}, wanted = "" },
      { "{{a}} {{ b.c }} {{b.d.e}} {{l.2}}", { a = "<x>", b = { c = 5 }, l = { 1, 2 } }, wanted = "&lt;x&gt; 5  2" },
      { "{{{a}}}{{a}}", { a = "'&'" }, wanted = "'&'&#39;&amp;&#39;" },
      { "{{no}}{{f}}{{t}}", { f = false, t = true }, wanted = "true" },
      { "a{{! {{x }}b{{!-- }} {{y}} --}}c", wanted = "abc" },
      { "{ {a} } }}", wanted = "{ {a} } }}" },
      { "{{o}}", { o = setmetatable({}, { __tostring = function() return "<o>" end }) }, wanted = "&lt;o&gt;" },
      { "{{first-name}}", { ["first-name"] = "A" }, wanted = "A" },
    })
    check.same(template.text("{{a}}", { a = "<&>" }), "<&>")
  end,

  blocks_choose_and_repeat = function()
    check.table(template.render, {
      { "{{#if a}}x{{else}}y{{/if}}", { a = 0 }, wanted = "x" },
      { "{{#if a}}x{{else}}y{{/if}}", { a = "" }, wanted = "y" },
      { "{{#if a}}x{{/if}}", { a = {} }, wanted = "" },
      { "{{#unless a}}x{{else}}y{{/unless}}", {}, wanted = "x" },
      { "{{#each l}}{{@index}}={{this}};{{/each}}", { l = { "a", "b" } }, wanted = "1=a;2=b;" },
      { "{{#each l}}{{n}}{{out}}{{@root.n}}{{/each}}", { l = { { n = 1 }, {} }, n = "N", out = "o" }, wanted = "1oNNoN" },
      { "{{#each l}}x{{else}}none{{/each}}", { l = {} }, wanted = "none" },
      { "{{#each l}}x{{else}}none{{/each}}", {}, wanted = "none" },
      { "{{#each a}}{{#each b}}{{.}}{{c}}{{/each}}|{{/each}}", { a = { { b = { 1, 2 }, c = "x" }, { b = {} } } },
        wanted = "1x2x||" },
      { "{{#each l}}{{#if v}}{{v}}{{/if}}{{/each}}", { l = { { v = false }, { v = 1 } }, v = "outer" }, wanted = "1" },
    })
  end,

  lines_of_blocks_vanish = function()
    check.same(template.text("a\n  {{#each l}}\n  - {{this}}\n  {{/each}}\nb\n", { l = { 1, 2 } }), "a\n  - 1\n  - 2\nb\n")
    check.same(template.text("{{#if a}}\r\nx\r\n{{else}}\r\ny\r\n{{/if}}", { a = 1 }), "x\r\n")
    check.same(template.text("x {{#if a}}\ny{{/if}}\n", { a = 1 }), "x \ny\n")
    check.same(template.text("{{! one }}\n{{a}}\n{{#if a}} {{/if}}", { a = 1 }), "1\n ")
  end,

  errors_name_line_and_column = function()
    check.refused(template.render, {
      ["template:1:1: the tag does not end; }} is missing"] = { "{{a", "{{#if a" },
      ["template:1:1: the tag does not end; }}} is missing"] = "{{{a}}",
      ["template:1:1: the remark does not end"] = { "{{! a", "{{!-- a }}" },
      ["template:2:3: a name is missing"] = "a\nb {{}}",
      ["template:1:1: 'a b' is no name"] = "{{a b}}",
      ["template:1:1: 'os.exit()' is no name"] = "{{os.exit()}}",
      ["template:1:1: 'a.' is no name"] = "{{a.}}",
      ["template:1:1: '#with a' is no block"] = "{{#with a}}{{/with}}",
      ["template:1:1: '#if' is no block"] = "{{#if}}{{/if}}",
      ["template:2:1: the block is not closed; {{/each}} is missing"] = "\n{{#each a}}",
      ["template:1:10: /each where /if is due, for the block of 1:1"] = "{{#if a}}{{/each}}",
      ["template:1:1: /if without its #if"] = "{{/if}}",
      ["template:1:1: an else without its block"] = "{{else}}",
      ["template:1:18: an else without its block"] = "{{#if a}}{{else}}{{else}}{{/if}}",
      ["template:1:451: blocks are nested too deeply"] = ("{{#if a}}"):rep(60),
      ["template.render: the template must be a string, got table"] = { { "x" } },
      ["template.render: the template is larger than 1 MiB"] = ("x"):rep(1024 * 1024 + 1),
    })
    check.fails("template:1:2: 'a' is a table, which has no text", template.render, " {{a}}", { a = {} })
    check.fails("template:1:1: 'f' is a function, which has no text", template.render, "{{f}}", { f = print })
    check.fails("template:1:1: each needs a list; 'a' is a string", template.render, "{{#each a}}{{/each}}", { a = "x" })
    check.fails("template.render: the values must be a table", template.render, "", "x")
    check.fails("template:1:1: 'a b'", template.check, "{{a b}}")
    check.same(template.check "{{a}}", nil)
  end,

  hostile_templates_are_bounded = function()
    local many = {}
    for i = 1, 1000 do
      many[i] = i
    end
    local text = ("{{#each m}}"):rep(3) .. ("x"):rep(100) .. ("{{/each}}"):rep(3)
    check.fails("template: the text is larger than 32 MiB", template.text, text, { m = many })
    check.fails("template:1:1: the tag does not end", template.text, ("{"):rep(100001) .. "}}")
    check.fails("template:1:1: '{", template.text, ("{"):rep(100001) .. "}}}")
  end,

  more_templates_than_the_cache_holds = function()
    for i = 1, 200 do
      check.same(template.text("{{a}}" .. i, { a = i }), i .. "" .. i)
    end
  end,
}
