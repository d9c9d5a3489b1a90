/* Rspamd's interface, played by a listener on loopback. */
#include "auth/rspamd.h"
#include "base/buf.h"
#include "net/loopback.h"

static const char *answer; /* NULL: says nothing and keeps the connection */
static struct buf question;
static struct message *message;
static struct auth_verdict verdict;
static struct err err;

static int serve(void *arg)
{
    struct net_stream *stream = arg;
    while (str_find(buf_view(&question), STR("the end")) < 0 &&
           net_stream_fill(stream, task_in_ms(3000)) > 0) {
        struct str input = net_stream_input(stream);
        buf_append(&question, input);
        net_stream_consume(stream, input.length);
    }
    if (answer)
        write_text(stream, answer);
    else
        net_stream_fill(stream, task_in_ms(3000));
    net_stream_close(stream);
    return 0;
}

static void on_stream(struct net_stream *stream, void *arg)
{
    (void)arg;
    task_detach(task_start("rspamd", serve, stream));
}

static int ask_with(void *arg)
{
    struct net_address any = loopback(0);
    struct net_listener *listener =
        net_listener_open(&any, "rspamd", on_stream, NULL, NULL);
    assert_non_null(listener);
    int result = auth_rspamd_score(net_listener_address(listener), message,
                                   task_in_ms(*(uint64_t *)arg), &verdict, &err);
    net_listener_close(listener);
    return result;
}

static int ask(const char *says, uint64_t time_ms)
{
    answer = says;
    buf_init(&question, (size_t)1 << 20);
    verdict = (struct auth_verdict){.spam_score = 1, .spam_reasons = STR("ours")};
    return test_run(ask_with, &time_ms);
}

static int open_message(void **state)
{
    message = message_new();
    message->raw = blob_copy(STR("From: a@b.test\r\n\r\nthe end"));
    message->client.address = loopback(0);
    message->client.helo = STR("client.test");
    message->reverse_path.text = STR("a@b.test\r\nEvil: yes");
    return test_loop_open(state);
}

static int release_message(void **state)
{
    message_release(message);
    buf_free(&question);
    return test_loop_close(state);
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

static void its_score_and_symbols_become_ours(void **state)
{
    (void)state;
    assert_int_equal(
        ask("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
            "{\"score\": 6.0, \"required_score\": 15, \"action\": \"add header\","
            "\"symbols\": {\"BAYES_SPAM\": {\"score\": 5.1}, \"ZERO\": {\"score\": 0},"
            " \"bad) ;name\": {\"score\": 0.9}}}",
            5000),
        0);
    assert_true(verdict.spam_score > 1.99 && verdict.spam_score < 2.01);
    assert_str(verdict.spam_reasons,
               "rspamd=6.0/15.0 add-header BAYES_SPAM=5.1 bad---name=0.9");
    assert_str(buf_view(&question), "POST /checkv2 HTTP/1.0\r\nConnection: close\r\n"
                                    "Content-Length: 25\r\nIP: 127.0.0.1\r\n"
                                    "Helo: client.test\r\n\r\n"
                                    "From: a@b.test\r\n\r\nthe end");
}

static void a_score_stays_between_nothing_and_five(void **state)
{
    (void)state;
    assert_int_equal(
        ask("HTTP/1.1 200 OK\r\n\r\n{\"score\": -3, \"required_score\": 15}", 5000), 0);
    assert_true(verdict.spam_score == 0);
}

static void a_score_past_the_threshold_is_five(void **state)
{
    (void)state;
    assert_int_equal(
        ask("HTTP/1.1 200 OK\r\n\r\n{\"score\": 99, \"required_score\": 15}", 5000), 0);
    assert_true(verdict.spam_score == 5);
}

static void assert_untouched(const char *says, uint64_t time_ms, int result)
{
    assert_int_equal(ask(says, time_ms), result);
    assert_true(verdict.spam_score == 1);
    assert_str(verdict.spam_reasons, "ours");
    assert_non_null(strstr(err.text, "Rspamd at 127.0.0.1:"));
    buf_free(&question);
}

static void what_is_no_answer_changes_nothing(void **state)
{
    static const char *const cases[] = {
        "",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{",
        "HTTP/1.1 200 OK\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\n\r\n{\"score\": \"1\", \"required_score\": 15}",
        "HTTP/1.1 200 OK\r\n\r\n{\"score\": 1, \"required_score\": 0}",
        "HTTP/1.1 200 OK\r\n\r\n{\"score\": 1}",
        "HTTP/1.1 200 OK\n{\"score\": 1, \"required_score\": 15}",
        "HTTP/1.1 404 No\r\n\r\n{\"score\": 1, \"required_score\": 15}",
        "HTTP/1.1\r\n\r\n{\"score\": 1, \"required_score\": 15}",
        "SMTP 200\r\n\r\n{\"score\": 1, \"required_score\": 15}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_untouched(cases[i], 5000, -EBADMSG);
        test_loop_close(state);
        test_loop_open(state);
    }
}

static void deep_json_is_no_answer(void **state)
{
    (void)state;
    static char deep[100000] = "HTTP/1.1 200 OK\r\n\r\n";
    memset(deep + strlen(deep), '[', sizeof deep - 1 - strlen(deep));
    assert_untouched(deep, 5000, -EBADMSG);
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    assert_untouched(NULL, 100, -ETIMEDOUT);
}

static int ask_nobody(void *arg)
{
    struct net_address any = loopback(0);
    struct net_listener *listener =
        net_listener_open(&any, "rspamd", on_stream, NULL, NULL);
    struct net_address closed = *net_listener_address(listener);
    (void)arg;
    net_listener_close(listener);
    task_sleep(10);
    return auth_rspamd_score(&closed, message, task_in_ms(3000), &verdict, &err);
}

static void nobody_there_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(test_run(ask_nobody, NULL), -ECONNREFUSED);
}

static void only_an_address_is_a_url(void **state)
{
    (void)state;
    struct net_address address;
    assert_int_equal(auth_rspamd_address(STR("http://127.0.0.1:1/"), &address), 0);
    assert_int_equal(net_address_port(&address), 1);
    assert_int_equal(auth_rspamd_address(STR("http://[::1]"), &address), 0);
    assert_int_equal(net_address_port(&address), 11333);
    static const char *const cases[] = {
        "",        "127.0.0.1",        "https://127.0.0.1",
        "http://", "http://localhost", "http://127.0.0.1/path"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(auth_rspamd_address(str_of(cases[i]), &address), -EINVAL);
}

#define message_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_message, release_message)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(its_score_and_symbols_become_ours),
        message_test(a_score_stays_between_nothing_and_five),
        message_test(a_score_past_the_threshold_is_five),
        message_test(what_is_no_answer_changes_nothing),
        message_test(deep_json_is_no_answer),
        message_test(silence_ends_at_the_deadline),
        message_test(nobody_there_is_an_error),
        cmocka_unit_test(only_an_address_is_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
