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
    cmocka_unit_test(cpu_counts_over_all_the_resumes_of_a_message),
    cmocka_unit_test(wait_until_functions_share_the_limit),
    cmocka_unit_test(neighbours_of_a_soft_limit_go_on),
    cmocka_unit_test(loading_is_limited_too),
    cmocka_unit_test(memory_bombs_end_their_own_message),
    cmocka_unit_test(garbage_alone_never_meets_the_cap),
    cmocka_unit_test(recursion_and_nesting_have_an_end),
};

ISOLATE_TEST_MAIN(tests)
