/* Loading a script: what it may use, what it may not, `require`, and what its author is told. */
#include "driver.h"

static void a_broken_script_is_told_with_its_line_and_a_hint(void **state)
{
    (void)state;
    static const char hint[] =
        "; end the script with: return { email = function(message, env, ctx) ... end }";
    const struct {
        const char *source, *why;
        bool has_hint;
    } cases[] = {
        {"", "support.lua:1: the script returns nothing, not a table of handlers", true},
        {"return 5", "support.lua:1: the script returns number, not a table of handlers",
         true},
        {"return {}",
         "support.lua:1: the script returns no function 'email', 'scheduled', 'queue' or"
         " 'fetch'",
         true},
        {"return { email = 5 }",
         "support.lua:1: the script's 'email' is a number, not a function", true},
        {"return { email = print, fetch = {} }",
         "support.lua:1: the script's 'fetch' is a table, not a function", true},
        {"return { emial = print }",
         "support.lua:1: the script returns no function 'email', 'scheduled', 'queue' or"
         " 'fetch', but emial",
         true},
        {"\nlocal x = = 1", "support.lua:2: unexpected symbol near '='", false},
        {"return {", "support.lua:1: unexpected symbol near '<eof>'", false},
        {"\n\nerror('no')", "support.lua:3: no", false},
        {"error({})", "the error is not a string but a table value", false},
        {"local x = nothing.field",
         "support.lua:1: attempt to index global 'nothing' (a nil value)", false},
        {"require 'nothing'",
         "support.lua:1: require: there is no module 'nothing', neither in the standard "
         "library"
         " nor beside the script",
         false},
        {"\x1bLJ\x02\x02", "attempt to load chunk with wrong mode", false},
        {"coroutine.yield()", "support.lua:1: attempt to yield across C-call boundary",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[400];
        snprintf(expected, sizeof expected, "%s%s", cases[i].why,
                 cases[i].has_hint ? hint : "");
        assert_string_equal(driver_broken(&(struct load){.source = cases[i].source}),
                            expected);
    }
}

static void printing_while_loading_is_of_the_loading_run(void **state)
{
    (void)state;
    struct driver *driver =
        driver_spawn(&(struct load){.source = "print('hello')\n" HANDLER("")});
    struct said said = driver_receive(driver);
    assert_int_equal(said.type, WIRE_LOG);
    assert_int_equal(said.run, WIRE_RUN_LOAD);
    assert_string_equal(said_text(driver, &said, "text"), "hello");
    assert_int_equal(driver_receive(driver).type, WIRE_READY);
    driver_stop(driver);
}

static void modules_are_loaded_once_and_named_by_their_file(void **state)
{
    (void)state;
    assert_string_equal(
        run_script_with(&(struct load){
            .source = "local tickets = require 'lib.tickets'\n" HANDLER(
                "print(tickets.next(), require('lib.tickets').next())\n"
                "print(require 'empty', require 'empty')\n"
                "tickets.fail()"),
            .modules = {{"lib.tickets",
                         "print('loading', ...)\n"
                         "local n = 0\n"
                         "return { next = function() n = n + 1 return n end,\n"
                         "  fail = function() error('bad') end }"},
                        {"empty", "-- nothing"}},
        }),
        "log info: 1\t2\nlog info: true\ttrue\nexception: lib/tickets.lua:4: bad\nend\n");
}

static void problems_in_modules_are_told_with_their_place(void **state)
{
    (void)state;
    assert_string_equal(driver_broken(&(struct load){
                            .source = "require 'a'",
                            .modules = {{"a", "\nlocal x ="}},
                        }),
                        "a.lua:2: unexpected symbol near '<eof>'");
    assert_string_equal(
        driver_broken(&(struct load){
            .source = "require 'a'",
            .modules = {{"a", "require 'b'"}, {"b", "\nrequire 'a'"}},
        }),
        "b.lua:2: require: module 'a' is required again while it is still loading");
}

static void the_standard_library_cannot_be_shadowed(void **state)
{
    (void)state;
    assert_string_equal(run_script_with(&(struct load){
                            .source = HANDLER("require('log').info(log == require 'log')"),
                            .modules = {{"log", "return nil"}},
                        }),
                        "log info: true\nok\nend\n");
}

static void only_the_listed_globals_exist(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("local names = {}\n"
                    "for name in pairs(_G) do names[#names + 1] = name end\n"
                    "table.sort(names)\n"
                    "print(table.concat(names, ' '))\n"
                    "for _, library in ipairs { 'bit', 'coroutine', 'math', 'os', "
                    "'string', 'table' } do\n"
                    "  names = {}\n"
                    "  for name in pairs(_G[library]) do names[#names + 1] = name end\n"
                    "  table.sort(names)\n"
                    "  print(library, table.concat(names, ' '))\n"
                    "end")),
        "log info: _G _VERSION assert bit collectgarbage coroutine error getmetatable "
        "ipairs load"
        " loadstring log math next os pairs pcall print rawequal rawget rawset require "
        "select"
        " setmetatable string table tonumber tostring type unpack xpcall\n"
        "log info: bit\tarshift band bnot bor bswap bxor lshift rol ror rshift tobit "
        "tohex\n"
        "log info: coroutine\tcreate resume running status wrap yield\n"
        "log info: math\tabs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp "
        "huge ldexp"
        " log log10 max min modf pi pow rad random randomseed sin sinh sqrt tan tanh\n"
        "log info: os\tclock date difftime time\n"
        "log info: string\tbyte char find format gmatch gsub len lower match rep reverse "
        "sub upper\n"
        "log info: table\tconcat insert maxn move remove sort\n"
        "ok\nend\n");
}

static void libraries_outside_the_list_cannot_be_required(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ffi",    "jit", "jit.util",  "debug",   "io",      "package",       "os",
        "string", "bit", "table.new", "prelude", "postern", "../stdlib/log", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char source[200];
        snprintf(source, sizeof source, HANDLER("print(pcall(require, '%s'))"), names[i]);
        assert_has(run_handler(source), "require: there is no module");
    }
}

static void bytecode_is_never_loaded(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("print(string.dump, load('\\27LJ\\2\\2'))\n"
                                            "print(load('\\27LJ\\2\\2', 'x', 'b'))\n"
                                            "print(loadstring('\\27Lua'))\n"
                                            "local done = false\n"
                                            "print(load(function() if not done then done = "
                                            "true return '\\27LJ\\2' end end))")),
                        "log info: nil\tnil\tattempt to load chunk with wrong mode\n"
                        "log info: nil\tload: only text is loaded here\n"
                        "log info: nil\tattempt to load chunk with wrong mode\n"
                        "log info: nil\tattempt to load chunk with wrong mode\n"
                        "ok\nend\n");
}

static void text_is_loaded_as_ever(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("print(load('return 1 + 1')(), load('return ...', 'name', 't')(5))\n"
                    "print(load('return x', 'name', 't', { x = 7 })(), x)\n"
                    "local pieces = { 'return ', '8' }\n"
                    "print(load(function() return table.remove(pieces, 1) end)())\n"
                    "print(load('return +'))\n"
                    "print(pcall(load('local x = nil + 1', '=mine')))\n"
                    "print(pcall(load, 5))\n"
                    "print(pcall(load, 'x = 1', 'x', 't', 5))\n"
                    "print(pcall(load, function() return 5 end))")),
        "log info: 2\t5\n"
        "log info: 7\tnil\n"
        "log info: 8\n"
        "log info: nil\t[string \"return +\"]:1: unexpected symbol near '+'\n"
        "log info: false\tmine:1: attempt to perform arithmetic on a nil value\n"
        "log info: false\tsupport.lua:8: load: the chunk must be a string or a function, "
        "got number\n"
        "log info: false\tsupport.lua:9: load: the environment must be a table, got "
        "number\n"
        "log info: false\tsupport.lua:10: load: the reader must return strings, got "
        "number\n"
        "ok\nend\n");
}

static void metatables_of_others_are_locked(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER(
            "print(getmetatable(''), pcall(setmetatable, '', {}))\n"
            "print(getmetatable(message), getmetatable(message.headers), getmetatable(ctx),"
            " getmetatable(env))\n"
            "print(pcall(setmetatable, env, {}))\n"
            "print(getmetatable(1LL), pcall(function() return (1LL)[0] end))\n"
            "local ok, e = pcall(message.forward, message, 'refused')\n"
            "print(getmetatable(e))")),
        "log info: the metatable of strings is locked\tfalse\tbad argument #1 to '?'"
        " (table expected, got string)\n"
        "log info: message\theaders\tctx\tenv\n"
        "log info: false\tcannot change a protected metatable\n"
        "log info: ffi\tfalse\tsupport.lua:5: 'int64_t' cannot be indexed with 'number'\n"
        "call forward refused\n"
        "log info: error\n"
        "ok\nend\n");
}

static void methods_do_not_take_foreign_objects(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER(
            "local reject = message.setReject\n"
            "for _, object in ipairs { ctx, message.headers, {}, 5, '', print } do\n"
            "  assert(not pcall(reject, object, 'x'))\n"
            "end\n"
            "assert(not pcall(ctx.waitUntil, message, print))\n"
            "assert(not pcall(message.headers.get, message, 'x'))\n"
            "assert(not pcall(message.headers:each(), message))\n"
            "assert(not pcall(reject))")),
        "ok\nend\n");
}

static void globals_that_are_replaced_do_not_break_the_prelude(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("local show = print\n"
                            "local globals = _G\n"
                            "for name in pairs(globals) do globals[name] = nil end\n"
                            "local ok = message:forward('a@b.test')\n"
                            "show(ok.messageId)")),
        "call forward a@b.test\nlog info: <1@postern.test>\nok\nend\n");
}

static void time_is_utc(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("print(os.date('%Y-%m-%d %H:%M', 86400), os.date('!%H', 3600),"
                    " os.date('*t', 0).hour, os.time { year = 1970, month = 1, day = 2,"
                    " hour = 0 }, os.time() > 1.7e9, os.clock() >= 0)")),
        "log info: 1970-01-02 00:00\t01\t0\t86400\ttrue\ttrue\nok\nend\n");
}

static void only_the_size_of_the_heap_is_told(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("print(collectgarbage('count') > 10, pcall(collectgarbage))")),
        "log info: true\tfalse\tsupport.lua:2: collectgarbage: only \"count\" is offered; "
        "garbage"
        " is collected by itself\nok\nend\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_broken_script_is_told_with_its_line_and_a_hint),
    cmocka_unit_test(printing_while_loading_is_of_the_loading_run),
    cmocka_unit_test(modules_are_loaded_once_and_named_by_their_file),
    cmocka_unit_test(problems_in_modules_are_told_with_their_place),
    cmocka_unit_test(the_standard_library_cannot_be_shadowed),
    cmocka_unit_test(only_the_listed_globals_exist),
    cmocka_unit_test(libraries_outside_the_list_cannot_be_required),
    cmocka_unit_test(bytecode_is_never_loaded),
    cmocka_unit_test(text_is_loaded_as_ever),
    cmocka_unit_test(metatables_of_others_are_locked),
    cmocka_unit_test(methods_do_not_take_foreign_objects),
    cmocka_unit_test(globals_that_are_replaced_do_not_break_the_prelude),
    cmocka_unit_test(time_is_utc),
    cmocka_unit_test(only_the_size_of_the_heap_is_told),
};

ISOLATE_TEST_MAIN(tests)
