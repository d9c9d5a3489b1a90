/* Messages through real scripts in the real isolate: the program is executed again as the isolate. */
#include <errno.h>
#include <stdio.h>

#include "isolate/isolate.h"
#include "worker/harness.h"

#define DISPATCH                                                                           \
    "return { email = function(message, env, ctx)\n"                                       \
    "  local what = message.raw:match('^[^\\r\\n]*')\n"

static const char *const script_of_test =
    DISPATCH "  if what == 'loop' then while true do end end\n"
             "  if what == 'guarded' then\n"
             "    while true do pcall(function() while true do end end) end\n"
             "  end\n"
             "  if what == 'pattern' then string.find(('a'):rep(40), ('a?'):rep(40) .. "
             "('a'):rep(40)) end\n"
             "  if what == 'memory' then local t = {} for i = 1, 1e9 do t[i] = "
             "('x'):rep(65536) .. i end end\n"
             "  if what == 'raise' then error('oh no') end\n"
             "  if what == 'reject' then return message:setReject('no thanks') end\n"
             "  if what == 'forward' then message:forward('team@corp.test') end\n"
             "  if what == 'later' then ctx:waitUntil(function() "
             "message:forward('team@corp.test') end) end\n"
             "end }\n";

static int outcomes(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker(script_of_test, test_limits());
    struct sending ok = {.worker = worker, .raw = "nothing\r\n"};
    struct sending rejected = {.worker = worker, .raw = "reject\r\n"};
    struct sending raised = {.worker = worker, .raw = "raise\r\n"};
    struct sending forwarded = {.worker = worker, .raw = "forward\r\n", .forward_ms = 1};
    struct sending later = {.worker = worker, .raw = "later\r\n", .forward_ms = 1};
    assert_int_equal(send_and_wait(&ok), WORKER_OK);
    assert_int_equal(send_and_wait(&rejected), WORKER_REJECTED);
    assert_string_equal(rejected.text, "no thanks");
    assert_int_equal(send_and_wait(&raised), WORKER_EXCEPTION);
    assert_non_null(strstr(raised.text, "test.lua:"));
    assert_int_equal(send_and_wait(&forwarded), WORKER_OK);
    assert_int_equal(forwarded.forward_count, 1);
    assert_int_equal(send_and_wait(&later), WORKER_OK);
    while (!later.end_count)
        task_sleep(1);
    assert_int_equal(later.forward_count, 1);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_script_decides(void **state)
{
    (void)state;
    assert_int_equal(test_run(outcomes, NULL), 0);
}

/* An evil message beside one that waits in a forward, one that has done nothing, and another worker. */
static int beside_others(void *arg)
{
    const char *evil_raw = arg;
    struct worker *worker = test_worker(script_of_test, test_limits());
    struct worker *other_worker = test_worker(script_of_test, test_limits());
    struct sending other = {.worker = other_worker, .raw = "forward\r\n", .forward_ms = 50};
    struct sending evil = {.worker = worker, .raw = evil_raw};
    struct sending neighbours[6];
    assert_int_equal(worker_try(worker, NULL), 0);
    send_begin(&other);
    send_begin(&evil);
    for (int i = 0; i < 6; i++) {
        neighbours[i] = (struct sending){.worker = worker, .raw = "forward\r\n"};
        send_begin(&neighbours[i]);
    }
    send_join(&evil);
    assert_true(evil.outcome.result == WORKER_EXCEEDED_CPU ||
                evil.outcome.result == WORKER_EXCEEDED_MEMORY);
    for (int i = 0; i < 6; i++) {
        send_join(&neighbours[i]);
        assert_int_equal(neighbours[i].outcome.result, WORKER_OK);
        assert_int_equal(neighbours[i].forward_count, 1);
    }
    send_join(&other);
    assert_int_equal(other.outcome.result, WORKER_OK);
    worker_release(worker);
    worker_release(other_worker);
    worker_stop_all();
    return 0;
}

static void an_endless_loop_ends_for_its_own_message_only(void **state)
{
    (void)state;
    assert_int_equal(test_run(beside_others, (void *)(uintptr_t) "loop\r\n"), 0);
}

static void a_loop_that_swallows_errors_is_killed(void **state)
{
    (void)state;
    assert_int_equal(test_run(beside_others, (void *)(uintptr_t) "guarded\r\n"), 0);
}

static void a_pattern_bomb_is_killed(void **state)
{
    (void)state;
    assert_int_equal(test_run(beside_others, (void *)(uintptr_t) "pattern\r\n"), 0);
}

static void a_memory_bomb_ends_for_its_own_message_only(void **state)
{
    (void)state;
    assert_int_equal(test_run(beside_others, (void *)(uintptr_t) "memory\r\n"), 0);
}

static int reload(void *arg)
{
    (void)arg;
    struct worker *old = test_worker(DISPATCH "message:forward('team@corp.test')\n"
                                              "message:setReject('old') end }",
                                     test_limits());
    struct worker *new =
        test_worker(DISPATCH "message:setReject('new') end }", test_limits());
    struct sending first = {.worker = old, .raw = "x", .forward_ms = 50};
    struct sending second = {.worker = new, .raw = "x"};
    send_begin(&first);
    while (!first.forward_count)
        task_sleep(1);
    worker_release(old);
    assert_int_equal(send_and_wait(&second), WORKER_REJECTED);
    assert_string_equal(second.text, "new");
    send_join(&first);
    assert_string_equal(first.text, "old");
    worker_release(new);
    worker_stop_all();
    return 0;
}

static void a_message_keeps_the_version_it_began_with(void **state)
{
    (void)state;
    assert_int_equal(test_run(reload, NULL), 0);
}

static int broken(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("return {\n  email = 1 +\n}", test_limits());
    struct err err = {0};
    assert_int_equal(worker_try(worker, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "test.lua:3:"));
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_syntax_error_is_told_with_its_line(void **state)
{
    (void)state;
    assert_int_equal(test_run(broken, NULL), 0);
}

static int endless_load(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("while true do end", test_limits());
    struct err err = {0};
    assert_int_not_equal(worker_try(worker, &err), 0);
    assert_true(err.text[0] != '\0');
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_script_that_never_loads_is_refused(void **state)
{
    (void)state;
    assert_int_equal(test_run(endless_load, NULL), 0);
}

#define COUNT 1000

static int send_a_thousand(void *arg)
{
    (void)arg;
    struct worker_limits limits = test_limits();
    limits.messages_max = 64;
    struct worker *worker = test_worker(script_of_test, limits);
    struct sending *sendings = mem_zero(COUNT, sizeof *sendings);
    for (int i = 0; i < COUNT; i++) {
        sendings[i] = (struct sending){.worker = worker,
                                       .raw = "forward\r\n",
                                       .raw_bytes = i % 10 ? 0 : 100000,
                                       .forward_ms = (uint64_t)i % 3};
        send_begin(&sendings[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        send_join(&sendings[i]);
        assert_int_equal(sendings[i].outcome.result, WORKER_OK);
        assert_int_equal(sendings[i].forward_count, 1);
    }
    worker_release(worker);
    worker_stop_all();
    free(sendings);
    return 0;
}

static void a_thousand_messages_at_once_are_all_forwarded(void **state)
{
    (void)state;
    assert_int_equal(test_run(send_a_thousand, NULL), 0);
}

int main(int count, char **words)
{
    if (strcmp(words[0], "postern-isolate") == 0)
        return isolate_main(count > 1 ? words[1] : "");
    const struct CMUnitTest tests[] = {
        loop_test(a_script_decides),
        loop_test(an_endless_loop_ends_for_its_own_message_only),
        loop_test(a_loop_that_swallows_errors_is_killed),
        loop_test(a_pattern_bomb_is_killed),
        loop_test(a_memory_bomb_ends_for_its_own_message_only),
        loop_test(a_message_keeps_the_version_it_began_with),
        loop_test(a_syntax_error_is_told_with_its_line),
        loop_test(a_script_that_never_loads_is_refused),
        loop_test(a_thousand_messages_at_once_are_all_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
