/* Rspamd's interface, played by a server on loopback: what it is asked, what becomes of its answers, and that
 * mail goes on without it. */
#include "auth/policy.h"
#include "auth/rspamd.h"
#include "net/fake_http.h"

static struct fake_http server;
static struct message *message;
static struct auth_verdict verdict;

static int open_message(void **state)
{
    message = message_new();
    message->raw = blob_copy(STR("From: a@b.test\r\n\r\nHi.\r\n"));
    message->client.address = loopback(0);
    message->client.helo = STR("client.test");
    message->client.hostname = STR("a\r\nEvil: yes");
    message->reverse_path.text = STR("a@b.test");
    message->id = STR("0abc");
    verdict = (struct auth_verdict){0};
    return test_loop_open(state);
}

static int release_message(void **state)
{
    message_release(message);
    return test_loop_close(state);
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

/* --- over HTTP --- */

struct question {
    const char *answer;
    uint64_t time_ms;
    char request[1000];
};

static int ask_in_task(void *arg)
{
    struct question *question = arg;
    fake_http_open(&server, question->answer);
    struct http_client *client = http_client_open(NULL);
    int result = auth_rspamd_check(client, str_of(server.url), message,
                                   task_in_ms(question->time_ms), &verdict.rspamd);
    http_client_close(client);
    task_sleep(10); /* the server sees the end of its connection */
    struct str request = buf_view(&server.request);
    memcpy(question->request, request.at ? request.at : "",
           request.length < sizeof question->request ? request.length : 0);
    fake_http_close(&server);
    return result;
}

#define HTTP_OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
#define SPAM                                                                               \
    "{\"score\": 6.0, \"required_score\": 15, \"action\": \"add header\","                 \
    "\"symbols\": {\"BAYES_SPAM\": {\"score\": 5.1}, \"ZERO\": {\"score\": 0},"            \
    " \"bad) ;name\": {\"score\": 0.9}}}"

static void it_is_told_all_that_is_known(void **state)
{
    (void)state;
    struct question question = {HTTP_OK "Content-Length: 154\r\n\r\n" SPAM, 5000, ""};
    assert_int_equal(strlen(SPAM), 154);
    assert_int_equal(test_run(ask_in_task, &question), 0);
    assert_true(verdict.rspamd.has_answered);
    struct str request = str_of(question.request);
    assert_true(str_starts(request, STR("POST /checkv2 HTTP/1.1\r\n")));
    static const char *const fields[] = {
        "\r\nIP: 127.0.0.1\r\n", "\r\nHelo: client.test\r\n", "\r\nFrom: <a@b.test>\r\n",
        "\r\nQueue-Id: 0abc\r\n"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (str_find(request, str_of(fields[i])) < 0)
            fail_msg("%s is not in %s", fields[i], question.request);
    assert_true(str_find(request, STR("Evil")) < 0);
    assert_true(str_ends_nocase(request, STR("\r\n\r\nFrom: a@b.test\r\n\r\nHi.\r\n")));
}

static void mail_goes_on_without_it(void **state)
{
    static const struct {
        const char *answer;
        uint64_t time_ms;
        const char *reason;
    } cases[] = {
        {"", 50, "no answer in time"},
        {"220 mx.test ESMTP\r\n", 5000, "HTTP"},
        {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 5000, "HTTP status 503"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nspam", 5000, "not JSON"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 5000, "not one of /checkv2"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", 5000, "too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct question question = {cases[i].answer, cases[i].time_ms, ""};
        assert_int_equal(test_run(ask_in_task, &question), 0);
        assert_false(verdict.rspamd.has_answered);
        assert_true(str_starts(verdict.rspamd.reason, STR("Rspamd at http://127.0.0.1:")));
        if (str_find(verdict.rspamd.reason, str_of(cases[i].reason)) < 0)
            fail_msg("%s: %.*s", cases[i].answer, STR_ARG(verdict.rspamd.reason));
        test_loop_close(state);
        test_loop_open(state);
    }
}

static int ask_and_cancel(void *arg)
{
    struct task *task = task_start("asks", ask_in_task, arg);
    task_sleep(20);
    task_cancel(task);
    return task_join(task);
}

static void a_cancelled_question_unwinds(void **state)
{
    (void)state;
    struct question question = {"", 5000, ""};
    assert_int_equal(test_run(ask_and_cancel, &question), -ECANCELED);
}

/* --- its answers --- */

static int parse(const char *json)
{
    return auth_rspamd_parse(str_of(json), message->arena, &verdict.rspamd, NULL);
}

static void its_score_and_symbols_become_ours(void **state)
{
    (void)state;
    assert_int_equal(parse(SPAM), 0);
    auth_rspamd_score(message->arena, &verdict);
    assert_true(verdict.spam_score > 1.99 && verdict.spam_score < 2.01);
    assert_str(verdict.spam_reasons,
               "rspamd=6.0/15.0 add-header BAYES_SPAM=5.1 bad---name=0.9");
}

static void a_score_stays_between_nothing_and_five(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"score\": -3, \"required_score\": 15, \"action\": \"no action\"}"), 0);
    auth_rspamd_score(message->arena, &verdict);
    assert_true(verdict.spam_score == 0);
    assert_str(verdict.spam_reasons, "rspamd=-3.0/15.0 no-action");
    assert_int_equal(parse("{\"score\": 1e300, \"required_score\": 1e-300,"
                           "\"action\": \"reject\"}"),
                     0);
    auth_rspamd_score(message->arena, &verdict);
    assert_true(verdict.spam_score == 5);
}

static void what_is_no_answer_changes_nothing(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"score\": \"1\", \"required_score\": 15, \"action\": \"reject\"}",
        "{\"score\": 1, \"required_score\": 0, \"action\": \"reject\"}",
        "{\"score\": 1, \"required_score\": -1, \"action\": \"reject\"}",
        "{\"score\": 1e999, \"required_score\": 15, \"action\": \"reject\"}",
        "{\"score\": 1, \"action\": \"reject\"}",
        "{\"score\": 1, \"required_score\": 15}",
        "{\"score\": 1, \"required_score\": 15, \"action\": 7}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i]) != -EBADMSG)
            fail_msg("%s", cases[i]);
        assert_false(verdict.rspamd.has_answered);
    }
}

static void deep_json_is_no_answer(void **state)
{
    (void)state;
    static char deep[1000000];
    memset(deep, '[', sizeof deep - 1);
    assert_int_equal(parse(deep), -EBADMSG);
}

/* A sender who could spoil the answer would pass unseen. */
static void a_senders_words_do_not_spoil_it(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"score\": 1, \"required_score\": 15, \"action\": \"reject\", \"symbols\":"
              "{\"A\": {\"score\": 1, \"options\": [\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
              "\\\"[[[[[[[[[\", \"\xff\xc3\", \"\\u0000\"]}, \"A\": {\"score\": 1}}}"),
        0);
    assert_int_equal(verdict.rspamd.action, RSPAMD_REJECT);
}

static void its_texts_are_bounded_and_printable(void **state)
{
    (void)state;
    static char json[20000] =
        "{\"score\": 1, \"required_score\": 15, \"action\": \"a\\nb\","
        "\"messages\": {\"smtp_message\": \"no\\r\\n250 ok\xc3\xa9";
    memset(json + strlen(json), 'x', 1000);
    strcat(json, "\"}, \"symbols\": {");
    for (int i = 0; i < 500; i++)
        sprintf(json + strlen(json), "\"%s%d\": {\"score\": 1},", "SYMBOL", i);
    strcat(json, "\"Z\": 0}}");
    assert_int_equal(parse(json), 0);
    assert_true(str_starts(verdict.rspamd.message, STR("no  250 ok??xxx")));
    assert_int_equal(verdict.rspamd.message.length, 200);
    assert_str(verdict.rspamd.action_name, "a-b");
    assert_true(str_ends_nocase(verdict.rspamd.symbols, STR("SYMBOL19=1.0")));
}

/* --- what follows --- */

struct following {
    const char *action;
    enum auth_mode mode;
    unsigned code;
    bool is_quarantined;
};

static void assert_following(const struct following *expected)
{
    struct auth_options options = {.rspamd = expected->mode};
    assert_int_equal(
        parse(arena_printf(message->arena,
                           "{\"score\": 1, \"required_score\": 15, \"action\": \"%s\","
                           "\"messages\": {\"smtp_message\": \"its words\"}}",
                           expected->action)),
        0);
    struct auth_decision decision = auth_policy_decide(&options, message, &verdict);
    if (decision.code != expected->code ||
        decision.is_quarantined != expected->is_quarantined)
        fail_msg("%s: %u %d", expected->action, decision.code, decision.is_quarantined);
    if (decision.code)
        assert_str(decision.text, "its words");
    if (decision.code || decision.is_quarantined)
        assert_string_equal(decision.check, "rspamd");
}

static void it_is_obeyed_only_where_enforced(void **state)
{
    (void)state;
    static const struct following cases[] = {
        {"reject", AUTH_ENFORCE, 550, false},
        {"discard", AUTH_ENFORCE, 550, false},
        {"soft reject", AUTH_ENFORCE, 451, false},
        {"greylist", AUTH_ENFORCE, 451, false},
        {"add header", AUTH_ENFORCE, 0, true},
        {"rewrite subject", AUTH_ENFORCE, 0, true},
        {"no action", AUTH_ENFORCE, 0, false},
        {"something new", AUTH_ENFORCE, 0, false},
        {"reject", AUTH_MARK, 0, true},
        {"soft reject", AUTH_MARK, 0, false},
        {"greylist", AUTH_MARK, 0, false},
        {"add header", AUTH_MARK, 0, true},
        {"no action", AUTH_MARK, 0, false},
        {"reject", AUTH_OFF, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_following(&cases[i]);
}

static void without_an_answer_nothing_follows(void **state)
{
    (void)state;
    struct auth_options options = {.rspamd = AUTH_ENFORCE};
    struct auth_decision decision = auth_policy_decide(&options, message, &verdict);
    assert_int_equal(decision.code, 0);
    assert_false(decision.is_quarantined);
}

static void its_place_is_a_url(void **state)
{
    (void)state;
    struct str url;
    assert_int_equal(auth_rspamd_url(STR("http://127.0.0.1:11333/"), &url), 0);
    assert_str(url, "http://127.0.0.1:11333");
    assert_int_equal(auth_rspamd_url(STR("https://[::1]/rspamd"), &url), 0);
    assert_str(url, "https://[::1]/rspamd");
    static const char *const cases[] = {"",           "127.0.0.1",    "ftp://a.test",
                                        "http://",    "http:///a",    "http://a.test/?b",
                                        "http://a b", "http://a\x7f", "http://a#b"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(auth_rspamd_url(str_of(cases[i]), &url), -EINVAL);
}

#define message_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_message, release_message)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(it_is_told_all_that_is_known),
        message_test(mail_goes_on_without_it),
        message_test(a_cancelled_question_unwinds),
        message_test(its_score_and_symbols_become_ours),
        message_test(a_score_stays_between_nothing_and_five),
        message_test(what_is_no_answer_changes_nothing),
        message_test(deep_json_is_no_answer),
        message_test(a_senders_words_do_not_spoil_it),
        message_test(its_texts_are_bounded_and_printable),
        message_test(it_is_obeyed_only_where_enforced),
        message_test(without_an_answer_nothing_follows),
        cmocka_unit_test(its_place_is_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
