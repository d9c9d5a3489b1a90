/* Scripts that take too much: CPU in interpreted and compiled loops, swallowed errors, patterns, memory,
 * coroutines, recursion. Each ends its own message; what follows in the same isolate works, or the isolate
 * is dead, which its host can tell. */
#include "driver.h"

#include "isolate/internal.h"

/* A body that switches the compiler off does not exist for scripts; a loop over a function that cannot be
 * compiled (string.gsub with a callback) stays in the interpreter. */
#define INTERPRETED_STEP "string.gsub('x', 'x', function() end)"

static const struct load soft_limits = {.cpu_soft_ms = 60, .cpu_hard_ms = 2000};

static struct load soft(const char *source)
{
    struct load load = soft_limits;
    load.source = source;
    return load;
}

/* The script ends by itself, as this; and the isolate serves the next message as if nothing had been. */
static void ends_and_the_next_works(const struct load *load, const char *result)
{
    struct driver *driver = driver_start_with(load);
    for (uint32_t run = 1; run <= 2; run++) {
        driver_send_mail(driver, run);
        assert_has(driver_report(driver, run), result);
        assert_false(driver->was_killed);
    }
    assert_int_equal(driver_stop(driver), 0);
}

/* The script needs the host's watchdog, or ends by itself with the result; the isolate does not hang. */
static void ends_or_is_killed(const char *source)
{
    struct load load = {.source = source, .cpu_soft_ms = 60, .cpu_hard_ms = 300};
    struct driver *driver = driver_start_with(&load);
    driver_send_mail(driver, 1);
    const char *report = driver_report(driver, 1);
    if (strcmp(report, "died\n") != 0)
        assert_starts(report, "exceeded");
    driver_stop(driver);
}

static void an_interpreted_loop_ends_at_the_soft_limit_with_its_line(void **state)
{
    (void)state;
    struct load load = soft(HANDLER("while true do\n  " INTERPRETED_STEP "\nend"));
    struct driver *driver = driver_start_with(&load);
    for (uint32_t run = 1; run <= 3; run++) {
        driver_send_mail(driver, run);
        const char *report = driver_report(driver, run);
        assert_starts(report, "exceededCpu: support.lua:");
        assert_has(report, ": CPU limit of 60 ms exceeded\nend\n");
    }
    assert_int_equal(driver_stop(driver), 0);
}

static void swallowing_the_error_does_not_help(void **state)
{
    (void)state;
    struct load with_pcall = soft(HANDLER(
        "while true do pcall(function() while true do " INTERPRETED_STEP " end end) end"));
    ends_and_the_next_works(&with_pcall, "exceededCpu: ");
    struct load with_xpcall =
        soft(HANDLER("while true do xpcall(function() while true do " INTERPRETED_STEP
                     " end end, function(e) return e end) end"));
    ends_and_the_next_works(&with_xpcall, "exceededCpu: ");
    struct load with_coroutines =
        soft(HANDLER("while true do coroutine.resume(coroutine.create(function() while "
                     "true do " INTERPRETED_STEP " end end)) end"));
    ends_and_the_next_works(&with_coroutines, "exceededCpu: ");
}

static void loops_that_nothing_sees_are_killed_by_the_host(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "while true do end",
        "local i = 0\nwhile true do i = i + 1 end",
        "while true do pcall(function() while true do end end) end",
        "xpcall(error, function() while true do end end)",
        "local t = setmetatable({}, { __index = function(t, k) return k end })\n"
        "local x = 0\nwhile true do x = t[x] end",
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end)\n"
        "while true do co() end",
        "repeat local ok = pcall(error) until ok",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char source[500];
        snprintf(source, sizeof source, HANDLER("%s"), bodies[i]);
        ends_or_is_killed(source);
    }
}

static void pattern_bombs_are_killed_by_the_host(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "string.find(string.rep('a', 100), string.rep('a?', 100) .. string.rep('a', 101))",
        "string.find(string.rep('a', 3e4), '.-.-.-.-b')",
        "string.gsub(string.rep('a', 3e4), '.*.*.*b', '')",
        "string.match(string.rep('(', 1e5), string.rep('%b()', 30))",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char source[500];
        snprintf(source, sizeof source, HANDLER("%s\nwhile true do end"), bodies[i]);
        ends_or_is_killed(source);
    }
}

static void the_isolate_ends_itself_when_the_host_does_not(void **state)
{
    (void)state;
    struct load load = {
        .source = HANDLER("while true do end"), .cpu_soft_ms = 50, .cpu_hard_ms = 100};
    struct driver *driver = driver_start_with(&load);
    driver->does_not_kill = true;
    driver_send_mail(driver, 1);
    assert_string_equal(driver_report(driver, 1), "died\n");
    int status = driver_stop(driver);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ISOLATE_EXIT_CPU);
}

/* It shares a packet with what is said later, which does not come. */
static void what_has_been_said_goes_out_while_the_script_computes(void **state)
{
    (void)state;
    struct load load = {.source = HANDLER("print('before')\nwhile true do end"),
                        .cpu_soft_ms = 50,
                        .cpu_hard_ms = 100};
    struct driver *driver = driver_start_with(&load);
    driver->does_not_kill = true;
    driver_send_mail(driver, 1);
    assert_non_null(strstr(driver_report(driver, 1), "log info: before"));
    driver_stop(driver);
}

static void cpu_counts_over_all_the_resumes_of_a_message(void **state)
{
    (void)state;
    struct load load = soft(HANDLER("for i = 1, 1000 do\n"
                                    "  for j = 1, 20000 do " INTERPRETED_STEP " end\n"
                                    "  message:forward('a@b.test')\n"
                                    "end"));
    ends_and_the_next_works(&load, "exceededCpu: support.lua:");
}

static void wait_until_functions_share_the_limit(void **state)
{
    (void)state;
    struct load load = soft(HANDLER("for i = 1, 3 do ctx:waitUntil(function()\n"
                                    "  while true do " INTERPRETED_STEP " end\n"
                                    "end) end"));
    ends_and_the_next_works(&load,
                            "ok\nlog error: support.lua:3: CPU limit of 60 ms exceeded\n");
}

static void neighbours_of_a_soft_limit_go_on(void **state)
{
    (void)state;
    struct load load = soft(HANDLER(
        "message:forward('a@b.test')\n"
        "if message.rawSize > 200 then while true do " INTERPRETED_STEP " end end"));
    struct driver *driver = driver_start_with(&load);
    char long_mail[400] = "";
    memset(long_mail, 'x', sizeof long_mail - 1);
    driver_send_mail(driver, 1);
    assert_int_equal(driver_receive(driver).type, WIRE_CALL);
    driver_send_raw(driver, 2, str_of(long_mail));
    assert_has(driver_report(driver, 2), "exceededCpu: support.lua:3: ");
    driver_answer_ok(driver, 1, 1);
    assert_string_equal(driver_report(driver, 1), "ok\nend\n");
    assert_int_equal(driver_stop(driver), 0);
}

static void loading_is_limited_too(void **state)
{
    (void)state;
    struct load load = soft("while true do\n  " INTERPRETED_STEP "\nend");
    assert_has(driver_broken(&load), ": CPU limit of 60 ms exceeded");
    load =
        (struct load){.source = "while true do end", .cpu_soft_ms = 50, .cpu_hard_ms = 200};
    struct driver *driver = driver_spawn(&load);
    assert_int_equal(driver_receive(driver).type, 0);
    assert_true(driver->was_killed);
    driver_stop(driver);
}

static void memory_bombs_end_their_own_message(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "local t = {}\nfor i = 1, 1e9 do t[i] = { i } end",
        "local t = {}\nfor i = 1, 1e9 do t[i] = i .. 'x' end",
        "local s = 'x'\nwhile true do s = s .. s end",
        "string.rep('x', 1e9)",
        "string.rep('x', 2^31 - 1)",
        "('x'):rep(1e4):gsub('x', ('y'):rep(1e5))",
        "local t = {}\nfor i = 1, 1e4 do t[i] = ('x'):rep(1e4) .. i end\ntable.concat(t)",
        "local t = {}\nt[2^26] = 1\nfor i = 1, 1e9 do t[-i] = i end",
        "unpack({}, 1, 1e8)",
        "local t = {}\nwhile true do t[#t + 1] = coroutine.create(print) end",
        "local t, c = {}, coroutine\nwhile true do t[#t + 1] = c.wrap(c.yield) t[#t]() end",
        "while true do ctx:waitUntil(function() end) end",
        "local t = {}\nwhile true do t[#t + 1] = load('return ' .. #t) end",
        "string.format('%99999s', 'x')",
        "local t = {}\nwhile true do t[#t + 1] = message.raw .. #t end",
        "local function f(...) return f(1, ...) end\nf()",
        "local s = ('x'):rep(2e7)\nmessage:reply { text = s, html = s, to = s, from = s }",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char source[500];
        snprintf(source, sizeof source,
                 HANDLER("if message.rawSize == 0 then return end\n%s"), bodies[i]);
        struct load load = {.source = source};
        struct driver *driver = driver_start_with(&load);
        driver_send_mail(driver, 1);
        const char *report = driver_report(driver, 1);
        if (strncmp(report, "exceededMemory: ", 16) != 0)
            assert_starts(report, "exception: ");
        driver_send_raw(driver, 2, STR(""));
        assert_string_equal(driver_report(driver, 2), "ok\nend\n");
        assert_int_equal(driver_stop(driver), 0);
    }
}

static void garbage_alone_never_meets_the_cap(void **state)
{
    (void)state;
    struct load load = {
        .source = HANDLER("local s = ''\n"
                          "for i = 1, 20 do s = s .. ('x'):rep(1e6) end\n"
                          "local kept = {}\n"
                          "for i = 1, 2e5 do kept[i % 1e4] = { tostring(i) } end\n"
                          "print(#s)"),
        .memory_bytes = 128.0 * 1024 * 1024,
    };
    assert_string_equal(run_script_with(&load), "log info: 20000000\nok\nend\n");
}

static void recursion_and_nesting_have_an_end(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "local function f() return 1 + f() end\nf()",
        "local function f() return pcall(f) end\nf()\nerror('x')",
        "local function f() coroutine.wrap(f)() end\nf()",
        "local function f() string.gsub('x', 'x', f) end\nf()",
        "t = setmetatable({}, { __index = function(t, k) return t[k] end })\nt.y = t.x",
        "local t = setmetatable({}, {})\ngetmetatable(t).__index = t\nreturn t.x + 1",
        "local s = ('('):rep(1e5)\nassert(load('return ' .. s))",
        "local s = ('{'):rep(1e5)\nassert(load('return ' .. s))",
        "local s = ('(a'):rep(1e5)\nstring.find(('a'):rep(1e5), s)",
        "local t = {}\nfor i = 1, 1e5 do t = { t } end\nerror(tostring(t))",
        "xpcall(error, error)\nerror('x')",
        "local function h(e) error(e) end\nxpcall(h, h)\nerror('x')",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char source[500];
        snprintf(source, sizeof source, HANDLER("%s"), bodies[i]);
        const char *report = run_handler(source);
        if (strncmp(report, "exceededMemory: ", 16) != 0)
            assert_starts(report, "exception: ");
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_interpreted_loop_ends_at_the_soft_limit_with_its_line),
    cmocka_unit_test(swallowing_the_error_does_not_help),
    cmocka_unit_test(loops_that_nothing_sees_are_killed_by_the_host),
    cmocka_unit_test(pattern_bombs_are_killed_by_the_host),
    cmocka_unit_test(the_isolate_ends_itself_when_the_host_does_not),
    cmocka_unit_test(what_has_been_said_goes_out_while_the_script_computes),
    cmocka_unit_test(cpu_counts_over_all_the_resumes_of_a_message),
    cmocka_unit_test(wait_until_functions_share_the_limit),
    cmocka_unit_test(neighbours_of_a_soft_limit_go_on),
    cmocka_unit_test(loading_is_limited_too),
    cmocka_unit_test(memory_bombs_end_their_own_message),
    cmocka_unit_test(garbage_alone_never_meets_the_cap),
    cmocka_unit_test(recursion_and_nesting_have_an_end),
};

ISOLATE_TEST_MAIN(tests)
