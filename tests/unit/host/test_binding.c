/* Bindings as an isolate can call them that checks nothing: only what is bound, and only what makes sense. */
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "config.h"
#include "route.h"
#include "test.h"

#include "base/mem.h"
#include "delivery/delivery.h"
#include "store/worker_queue.h"
#include "worker/wire.h"

static struct {
    struct arena *arena;
    struct router router;
    struct config_worker worker;
    struct binding bindings[6];
    struct worker_variable variables[3];
    unsigned sent_count;
} fixture;

static void count_sent(void *arg, const struct delivery_request *request,
                       struct arena *arena, struct delivery_result *result)
{
    (void)arg;
    (void)request;
    (void)arena;
    fixture.sent_count++;
    result->status = DELIVERY_OK;
}

static void fill_worker(void)
{
    static struct str hosts[] = {{"*", 1}};
    const struct binding bindings[] = {
        {.name = STR("KV"), .kind = BINDING_KV, .space = STR("space")},
        {.name = STR("LIMITER"), .kind = BINDING_LIMITER, .limit = 5, .period_ms = 60000},
        {.name = STR("EMAIL"), .kind = BINDING_SEND},
        {.name = STR("API"), .kind = BINDING_FETCH, .hosts = hosts, .host_count = 1},
        {.name = STR("OTHER"), .kind = BINDING_KV, .space = STR("other")},
        {.name = STR("JOBS"), .kind = BINDING_QUEUE, .space = STR("jobs")},
    };
    const struct worker_variable variables[] = {
        {STR("PLAIN"), STR("plain"), false},
        {STR("TOKEN"), STR("hunter2"), true},
        {STR("LONGER"), STR("hunter2000"), true},
    };
    memcpy(fixture.bindings, bindings, sizeof bindings);
    memcpy(fixture.variables, variables, sizeof variables);
    fixture.worker = (struct config_worker){.bindings = fixture.bindings,
                                            .binding_count = 6,
                                            .options = {.name = STR("work"),
                                                        .variables = fixture.variables,
                                                        .variable_count = 3}};
}

static int fixture_open(void **state)
{
    test_loop_open(state);
    fixture.arena = arena_new();
    fill_worker();
    fixture.sent_count = 0;
    fixture.router = (struct router){.config = config_new_default(),
                                     .delivery = delivery_open_capture(count_sent, NULL),
                                     .bindings = bindings_open(2)};
    return 0;
}

static int close_router(void *arg)
{
    (void)arg;
    bindings_close(fixture.router.bindings);
    delivery_close(fixture.router.delivery);
    config_release(fixture.router.config);
    return 0;
}

static int fixture_close(void **state)
{
    test_run(close_router, NULL);
    arena_free(fixture.arena);
    return test_loop_close(state);
}

/* --- calls --- */

/* "key=text" are strings, "key#12" numbers, "key!" a table with itself as its only item; NULL ends them. */
static void write_argument(struct buf *out, const char *text)
{
    size_t length = strcspn(text, "=#!");
    const char *key = arena_text(fixture.arena, (struct str){text, length});
    if (text[length] == '=') {
        value_put_string(out, key, str_of(text + length + 1));
    } else if (text[length] == '#') {
        value_put_number(out, key, strtod(text + length + 1, NULL));
    } else {
        value_put_table(out, key);
        value_write_number(out, 1);
        value_write_string(out, str_of(key));
        value_end_table(out);
    }
}

static struct worker_answer answer_to(const char *binding, const char *method,
                                      const char *const arguments[])
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    value_begin_table(&out);
    for (size_t i = 0; arguments[i]; i++)
        write_argument(&out, arguments[i]);
    value_end_table(&out);
    struct str bytes = arena_str(fixture.arena, buf_view(&out));
    buf_free(&out);
    const struct worker_call call = {.binding = str_of(binding),
                                     .method = str_of(method),
                                     .arguments = value_decode(bytes, fixture.arena)};
    const struct binding_place place = {.router = &fixture.router,
                                        .config = fixture.router.config,
                                        .worker = &fixture.worker};
    struct worker_answer answer = {0};
    assert_non_null(call.arguments);
    binding_call(&place, &call, fixture.arena, &answer);
    return answer;
}

#define ANSWER_TO(binding, method, ...)                                                    \
    answer_to((binding), (method), (const char *const[]){__VA_ARGS__, NULL})

static const char *code_of(struct worker_answer answer)
{
    return answer.is_ok ? "ok" : arena_text(fixture.arena, answer.code);
}

static const struct value *value_of(struct worker_answer answer)
{
    assert_true(answer.is_ok);
    const struct value *value = value_decode(answer.value, fixture.arena);
    assert_non_null(value);
    return value;
}

static int run_body(void *arg)
{
    void (*const *body)(void) = arg;
    (*body)();
    return 0;
}

#define BINDING_TEST(name)                                                                 \
    static void name##_body(void);                                                         \
    static void name(void **state)                                                         \
    {                                                                                      \
        (void)state;                                                                       \
        void (*body)(void) = name##_body;                                                  \
        test_run(run_body, &body);                                                         \
    }                                                                                      \
    static void name##_body(void)

BINDING_TEST(only_what_is_bound_can_be_called)
{
    static const char *const calls[][2] = {
        {"NONE", "get"},  {"", "get"},       {"kv", "get"},      {"KV", "fetch"},
        {"KV", ""},       {"KV", "getx"},    {"LIMITER", "get"}, {"EMAIL", "limit"},
        {"EMAIL", "get"}, {"API", "delete"}, {"TOKEN", "get"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        assert_string_equal(code_of(ANSWER_TO(calls[i][0], calls[i][1], "key=a")),
                            "E_NO_BINDING");
}

BINDING_TEST(namespaces_are_apart)
{
    assert_string_equal(code_of(ANSWER_TO("KV", "put", "key=a", "value=one")), "ok");
    struct str value =
        value_get_string(value_of(ANSWER_TO("KV", "get", "key=a")), "value", STR(""));
    assert_true(str_equal(value, STR("one")));
    assert_int_equal(value_of(ANSWER_TO("OTHER", "get", "key=a"))->kind, VALUE_NIL);
}

BINDING_TEST(arguments_of_kv_are_checked)
{
    char *long_text = mem_zero(1, 2000);
    memcpy(long_text, "key=", 4);
    memset(long_text + 4, 'x', 513);
    assert_string_equal(code_of(ANSWER_TO("KV", "get", long_text)), "E_VALIDATION_ERROR");
    memcpy(long_text, "metadata=", 9);
    memset(long_text + 9, 'x', 1025);
    assert_string_equal(code_of(ANSWER_TO("KV", "put", "key=a", "value=b", long_text)),
                        "E_VALIDATION_ERROR");
    free(long_text);
    static const char *const puts[][3] = {
        {"key=", "value=b"},
        {"key=..", "value=b"},
        {"key#1", "value=b"},
        {"key!", "value=b"},
        {"value=b"},
        {"key=a"},
        {"key=a", "value#5"},
        {"key=a", "value=b", "metadata!"},
        {"key=a", "value=b", "expiration#1"},
        {"key=a", "value=b", "expiration=soon"},
        {"key=a", "value=b", "expirationTtl#0"},
        {"key=a", "value=b", "expirationTtl#-5"},
        {"key=a", "value=b", "expirationTtl#1.5"},
        {"key=a", "value=b", "expirationTtl#nan"},
        {"key=a", "value=b", "expirationTtl#inf"},
        {"key=a", "value=b", "expirationTtl#1e300"},
    };
    for (size_t i = 0; i < sizeof puts / sizeof *puts; i++)
        assert_string_equal(
            code_of(ANSWER_TO("KV", "put", puts[i][0], puts[i][1], puts[i][2])),
            "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("KV", "increment", "key=a", "by#0.5")),
                        "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("KV", "increment", "key=a", "by#1e17")),
                        "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("KV", "list", "prefix=", "cursor=", "limit#0")),
                        "E_VALIDATION_ERROR");
    assert_string_equal(
        code_of(ANSWER_TO("KV", "list", "prefix=", "cursor=", "limit#1001")),
        "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("KV", "list", "prefix!", "cursor=")),
                        "E_VALIDATION_ERROR");
}

BINDING_TEST(a_host_has_its_share_of_a_limit)
{
    for (unsigned i = 0; i < 4; i++) {
        const struct value *told = value_of(ANSWER_TO("LIMITER", "limit", "key=anna"));
        assert_int_equal(value_get_bool(told, "success", i >= 2), i < 2);
    }
    assert_true(value_get_bool(value_of(ANSWER_TO("LIMITER", "limit", "key=ben")),
                               "success", false));
    assert_string_equal(code_of(ANSWER_TO("LIMITER", "limit", "key#1")),
                        "E_VALIDATION_ERROR");
}

BINDING_TEST(what_is_sent_is_checked)
{
    static const char good[] = "raw=From: a@b.test\r\n\r\nhello\r\n";
    assert_string_equal(code_of(ANSWER_TO("EMAIL", "send", good)), "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("EMAIL", "send", "recipients=a@b.test", good)),
                        "E_VALIDATION_ERROR");
    /* The table holds "recipients", which is no address. */
    assert_string_equal(code_of(ANSWER_TO("EMAIL", "send", "recipients!", good)),
                        "E_VALIDATION_ERROR");
    assert_int_equal(fixture.sent_count, 0);
}

static void count_queued(void *arg, const struct binding *binding,
                         const struct store_worker_send *sent)
{
    (void)arg;
    assert_string_equal(arena_text(fixture.arena, binding->space), "jobs");
    fixture.sent_count += (unsigned)sent->count;
}

/* So many messages with this body. */
static const char *send_to_queue(size_t count, struct str body, double delay_s)
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    value_begin_table(&out);
    value_put_table(&out, "messages");
    for (size_t i = 0; i < count; i++) {
        value_write_number(&out, (double)(i + 1));
        value_begin_table(&out);
        value_put_string(&out, "body", body);
        value_put_number(&out, "delaySeconds", delay_s);
        value_end_table(&out);
    }
    value_end_table(&out);
    value_end_table(&out);
    struct str bytes = arena_str(fixture.arena, buf_view(&out));
    buf_free(&out);
    const struct worker_call call = {.binding = STR("JOBS"),
                                     .method = STR("send"),
                                     .arguments = value_decode(bytes, fixture.arena)};
    const struct binding_place place = {.router = &fixture.router,
                                        .config = fixture.router.config,
                                        .worker = &fixture.worker};
    struct worker_answer answer = {0};
    binding_call(&place, &call, fixture.arena, &answer);
    return code_of(answer);
}

/* "S", a length and so many bytes: as the wire has a text. */
static struct str text_of_length(size_t length)
{
    struct buf out;
    char *bytes = arena_alloc(fixture.arena, length + 1);
    memset(bytes, 'x', length);
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    value_write_string(&out, (struct str){bytes, length});
    struct str text = arena_str(fixture.arena, buf_view(&out));
    buf_free(&out);
    return text;
}

BINDING_TEST(what_goes_to_a_queue_is_checked)
{
    const struct {
        size_t count;
        struct str body;
        double delay_s;
    } cases[] = {
        {0, STR("N"), 0},
        {101, STR("N"), 0},
        {1, STR(""), 0},
        {1, STR("no value"), 0},
        {1, STR("NN"), 0},
        {1, STR("{"), 0},
        {1, text_of_length((size_t)128 * 1024), 0},
        {3, text_of_length((size_t)100 * 1024), 0},
        {1, STR("N"), -1},
        {1, STR("N"), 86401},
        {1, STR("N"), 1e300},
        {1, STR("N"), 0.5},
    };
    bindings_set_sent(fixture.router.bindings, count_queued, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(send_to_queue(cases[i].count, cases[i].body, cases[i].delay_s),
                            "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("JOBS", "send", "messages=a")),
                        "E_VALIDATION_ERROR");
    assert_string_equal(code_of(ANSWER_TO("JOBS", "send", "messages!")),
                        "E_VALIDATION_ERROR");
    assert_int_equal(fixture.sent_count, 0);
    assert_string_equal(send_to_queue(100, text_of_length(1000), 86400), "ok");
    assert_int_equal(fixture.sent_count, 100);
    bindings_set_sent(fixture.router.bindings, NULL, NULL);
    assert_string_equal(send_to_queue(1, STR("N"), 0), "E_STORE");
}

BINDING_TEST(nothing_is_asked_where_nothing_leaves)
{
    assert_string_equal(code_of(ANSWER_TO("API", "fetch", "url=http://a.test/")),
                        "E_FETCH_NOT_ALLOWED");
}

BINDING_TEST(only_what_is_sent_is_an_action)
{
    const struct binding_place place = {.worker = &fixture.worker};
    static const char *const calls[][2] = {
        {"EMAIL", "send"}, {"KV", "put"}, {"API", "fetch"}, {"NONE", "send"}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        assert_int_equal(
            binding_is_action(&place, &(struct worker_call){.binding = str_of(calls[i][0]),
                                                            .method = str_of(calls[i][1])}),
            i == 0);
}

BINDING_TEST(secrets_are_hidden)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"hunter", "hunter"},
        {"hunter2", "[secret]"},
        {"a hunter2 and hunter2000!", "a [secret] and [secret]!"},
        {"hunter2hunter2", "[secret][secret]"},
        {"hunter200", "[secret]00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str hidden =
            binding_hide_secrets(&fixture.worker, str_of(cases[i][0]), fixture.arena);
        assert_string_equal(arena_text(fixture.arena, hidden), cases[i][1]);
    }
}

#define binding_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        binding_test(only_what_is_bound_can_be_called),
        binding_test(namespaces_are_apart),
        binding_test(arguments_of_kv_are_checked),
        binding_test(a_host_has_its_share_of_a_limit),
        binding_test(what_is_sent_is_checked),
        binding_test(what_goes_to_a_queue_is_checked),
        binding_test(nothing_is_asked_where_nothing_leaves),
        binding_test(only_what_is_sent_is_an_action),
        binding_test(secrets_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
