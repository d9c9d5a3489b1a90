/* A batch as an isolate can speak of it that checks nothing: what counts of all that is said, and what is refused. */
#include "batch.h"
#include "test.h"

#include "worker/wire.h"

static struct {
    struct arena *arena;
    struct store_worker_message messages[3];
    struct batch *batch;
} fixture;

static int fixture_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        fixture.messages[i] = (struct store_worker_message){
            .number = i + 1, .id = STR("id"), .attempts = 1, .body = STR("N")};
    fixture.arena = arena_new();
    fixture.batch = batch_new(STR("jobs"), fixture.messages, 3, arena_new());
    return 0;
}

static int fixture_close(void **state)
{
    (void)state;
    batch_release(fixture.batch);
    arena_free(fixture.arena);
    return 0;
}

/* NULL when it was accepted, else the code. `message` 0: of all. */
static const char *say_with(const char *word, double message, const struct value *delay)
{
    struct value keys[] = {{.kind = VALUE_STRING, .string = STR("message")},
                           {.kind = VALUE_STRING, .string = STR("delaySeconds")}};
    struct value items[] = {{.kind = VALUE_NUMBER, .number = message},
                            delay ? *delay : (struct value){.kind = VALUE_NIL}};
    if (message == 0)
        items[0].kind = VALUE_NIL;
    const struct value arguments = {
        .kind = VALUE_TABLE, .keys = keys, .items = items, .count = 2};
    const struct worker_call call = {.method = str_of(word), .arguments = &arguments};
    struct worker_answer answer = {0};
    batch_call(fixture.batch, &call, fixture.arena, &answer);
    return answer.is_ok ? NULL : arena_text(fixture.arena, answer.code);
}

static const char *say(const char *word, double message)
{
    return say_with(word, message, NULL);
}

/* "ack retry+5 ack", where 5 are milliseconds. */
static const char *verdicts(bool has_returned)
{
    const char *text = "";
    batch_close(fixture.batch, has_returned);
    for (size_t i = 0; i < 3; i++) {
        struct batch_verdict verdict = batch_verdict(fixture.batch, i);
        text = arena_printf(fixture.arena, "%s%s%s", text, i ? " " : "",
                            verdict.word == BATCH_ACK ? "ack" : "retry");
        if (verdict.has_delay)
            text = arena_printf(fixture.arena, "%s+%d", text, (int)verdict.delay_ms);
    }
    return text;
}

static void silence_is_consent_unless_the_handler_fails(void **state)
{
    (void)state;
    assert_string_equal(verdicts(true), "ack ack ack");
    assert_string_equal(verdicts(false), "retry retry retry");
}

static void the_first_word_about_a_message_counts(void **state)
{
    (void)state;
    const struct value delay = {.kind = VALUE_NUMBER, .number = 1.5};
    assert_null(say("ack", 1));
    assert_null(say("retry", 1));
    assert_null(say_with("retry", 2, &delay));
    assert_null(say("ack", 2));
    assert_string_equal(verdicts(false), "ack retry+1500 retry");
}

static void a_word_about_one_counts_more_than_about_all(void **state)
{
    (void)state;
    assert_null(say("retry", 0));
    assert_null(say("ack", 0));
    assert_null(say("ack", 3));
    assert_string_equal(verdicts(true), "retry retry ack");
}

static void all_can_be_acked_by_a_handler_that_fails(void **state)
{
    (void)state;
    assert_null(say("ack", 0));
    assert_null(say("retry", 2));
    assert_string_equal(verdicts(false), "ack retry ack");
}

static void what_makes_no_sense_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const struct value delays[] = {{.kind = VALUE_NUMBER, .number = -1},
                                   {.kind = VALUE_NUMBER, .number = 86401},
                                   {.kind = VALUE_NUMBER, .number = 1e300},
                                   {.kind = VALUE_STRING, .string = STR("5")},
                                   {.kind = VALUE_NUMBER, .number = 0.0 / 0.0}};
    assert_string_equal(say("ack", 4), "E_VALIDATION_ERROR");
    assert_string_equal(say("ack", -1), "E_VALIDATION_ERROR");
    assert_string_equal(say("ack", 1e18), "E_VALIDATION_ERROR");
    assert_string_equal(say("drop", 1), "E_NO_BINDING");
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++)
        assert_string_equal(say_with("retry", 1, &delays[i]), "E_VALIDATION_ERROR");
    assert_string_equal(verdicts(true), "ack ack ack");
}

static void after_the_end_nothing_is_heard(void **state)
{
    (void)state;
    batch_close(fixture.batch, true);
    assert_string_equal(say("retry", 1), "E_BATCH_SETTLED");
    assert_string_equal(verdicts(true), "ack ack ack");
}

#define batch_test(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

static const struct CMUnitTest tests[] = {
    batch_test(silence_is_consent_unless_the_handler_fails),
    batch_test(the_first_word_about_a_message_counts),
    batch_test(a_word_about_one_counts_more_than_about_all),
    batch_test(all_can_be_acked_by_a_handler_that_fails),
    batch_test(what_makes_no_sense_is_refused_and_changes_nothing),
    batch_test(after_the_end_nothing_is_heard),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
