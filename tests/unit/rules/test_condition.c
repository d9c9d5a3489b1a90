/* `when`: what is known at RCPT decides there, what needs the message is open until it is in. */
#include "rules_test.h"

static struct message *message_of(const char *sender, const char *client, const char *text)
{
    struct message *message = arena_new_of(arena, struct message);
    message->arena = arena;
    message->raw = blob_copy(str_of(text));
    header_parse(blob_view(message->raw), arena, &message->header);
    if (*sender)
        assert_int_equal(mailbox_parse(str_of(sender), arena, &message->reverse_path), 0);
    else
        message->reverse_path.is_null = true;
    assert_int_equal(net_address_parse(str_of(client), 25, &message->client.address), 0);
    return message;
}

/* The same question with the message in. */
static enum rule_found judge(const char *when, const char *sender, const char *client,
                             const char *text)
{
    load(arena_printf(
        arena, "domain: example.com\nrules: [{to: [a@, /^p/], when: %s, drop: true}]\n",
        when));
    struct message *message = message_of(sender, client, text);
    enum rule_found found = find_in(message, message, "a@example.com");
    assert_int_equal(find_in(message, message, "p@example.com"), found);
    blob_release(message->raw);
    return found;
}

struct question {
    const char *when;
    bool holds;
};

static void assert_answers(const struct question *questions, size_t count)
{
    static const char text[] = "Subject: Re: your\r\n Refund, please\r\n"
                               "X-Twice: one\r\nX-TWICE: two\r\nEmpty:\r\n\r\nbody\r\n";
    for (size_t i = 0; i < count; i++) {
        enum rule_found found =
            judge(questions[i].when, "Ben@Corp.test", "192.0.2.7", text);
        if (found != (questions[i].holds ? RULE_FOUND : RULE_NO_RECIPIENT))
            fail_msg("when: %s -> %d", questions[i].when, found);
    }
}
#define ANSWERS(questions) assert_answers(questions, sizeof questions / sizeof *questions)

static void header_conditions_look_at_unfolded_values(void **state)
{
    (void)state;
    static const struct question questions[] = {
        {"{header: {subject: /your refund/i}}", true},
        {"{header: {subject: /refund/}}", false},
        {"{header: {SUBJECT: '/^Re: your Refund, please$/'}}", true},
        {"{header: {subject: 're: YOUR refund, please'}}", true},
        {"{header: {subject: refund}}", false},
        {"{header: {subject: [x, /Refund/]}}", true},
        {"{header: {x-twice: two}}", true},
        {"{header: {x-twice: three}}", false},
        {"{header: {x-twice: one, subject: /Refund/}}", true},
        {"{header: {x-twice: one, subject: /x/}}", false},
        {"{header: {empty: ''}}", true},
        {"{header: {missing: ''}}", false},
        {"{header: {missing: /.*/}}", false},
    };
    ANSWERS(questions);
}

static void auth_conditions_compare_results(void **state)
{
    (void)state;
    const struct rule_auth results = {.spf = STR("softfail"),
                                      .dkim = STR("pass"),
                                      .dmarc = STR("pass"),
                                      .arc = STR("none")};
    static const struct question questions[] = {
        {"{auth: {dmarc: pass}}", true},
        {"{auth: {dmarc: fail}}", false},
        {"{auth: {spf: [fail, softfail], dkim: pass}}", true},
        {"{auth: {spf: pass, dkim: pass}}", false},
        {"{not: {auth: {arc: none}}}", false},
        {"[{auth: {spf: pass}}, {auth: {dkim: pass}}]", true},
    };
    verified = &results;
    ANSWERS(questions);
    verified = NULL;
    static const struct question unverified[] = {
        {"{auth: {dmarc: pass}}", false},
        {"{auth: {dmarc: none}}", true},
    };
    ANSWERS(unverified);
}

static void size_sender_and_client_conditions_compare(void **state)
{
    (void)state;
    static const struct question questions[] = {
        {"{size: '>10'}", true},
        {"{size: '> 1 KiB'}", false},
        {"{size: '<1KiB'}", true},
        {"{size: ['>1MiB', '<1KiB']}", true},
        {"{sender: ben@corp.test}", true},
        {"{sender: anna@corp.test}", false},
        {"{sender: '@CORP.test'}", true},
        {"{sender: '@test'}", false},
        {"{sender: '/^ben@corp\\.test$/'}", true},
        {"{sender: [anna@corp.test, /ben/]}", true},
        {"{sender: '<>'}", false},
        {"{client: 192.0.2.0/24}", true},
        {"{client: 192.0.2.7}", true},
        {"{client: ['2001:db8::/32', 198.51.100.0/24]}", false},
    };
    ANSWERS(questions);
}

static void conditions_combine(void **state)
{
    (void)state;
    static const struct question questions[] = {
        {"{sender: '@corp.test', client: 192.0.2.7}", true},
        {"{sender: '@corp.test', client: 192.0.2.8}", false},
        {"{not: {sender: '@corp.test'}}", false},
        {"{not: {sender: '@x.test'}, client: 192.0.2.7}", true},
        {"{not: {sender: '@corp.test', client: 192.0.2.8}}", true},
        {"{not: [{sender: '@corp.test'}, {client: 192.0.2.8}]}", false},
        {"{not: {not: {client: 192.0.2.7}}}", true},
        {"[{sender: '@x.test'}, {client: 192.0.2.7}]", true},
        {"[{sender: '@x.test'}, {client: 192.0.2.8}]", false},
        {"{size: '>1', not: {size: '>1KiB'}}", true},
    };
    ANSWERS(questions);
}

static void the_null_sender_is_a_sender(void **state)
{
    (void)state;
    static const char text[] = "\r\n";
    assert_int_equal(judge("{sender: '<>'}", "", "::1", text), RULE_FOUND);
    assert_int_equal(judge("{sender: [a@b.test, '@b.test']}", "", "::1", text),
                     RULE_NO_RECIPIENT);
    assert_int_equal(judge("{sender: /^$/}", "", "::1", text), RULE_FOUND);
    assert_int_equal(judge("{header: {a: b}}", "", "::1", text), RULE_NO_RECIPIENT);
}

struct early_question {
    const char *when;
    enum rule_found at_rcpt;
};

static void what_needs_the_message_is_open_at_rcpt(void **state)
{
    (void)state;
    static const struct early_question questions[] = {
        {"{sender: '@corp.test'}", RULE_FOUND},
        {"{sender: '@x.test'}", RULE_NO_RECIPIENT},
        {"{size: '>1'}", RULE_MAYBE},
        {"{header: {a: b}}", RULE_MAYBE},
        {"{auth: {dmarc: pass}}", RULE_MAYBE},
        {"{not: {header: {a: b}}}", RULE_MAYBE},
        {"{header: {a: b}, sender: '@x.test'}", RULE_NO_RECIPIENT},
        {"[{header: {a: b}}, {sender: '@corp.test'}]", RULE_FOUND},
        {"[{header: {a: b}}, {sender: '@x.test'}]", RULE_MAYBE},
    };
    struct message *envelope = message_of("ben@corp.test", "192.0.2.7", "");
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        load(arena_printf(arena,
                          "domain: example.com\nrules: [{to: a@, when: %s, drop: true}]\n",
                          questions[i].when));
        enum rule_found found = find_in(envelope, NULL, "a@example.com");
        if (found != questions[i].at_rcpt)
            fail_msg("when: %s -> %d", questions[i].when, found);
    }
    blob_release(envelope->raw);
}

static void rules_of_one_address_are_tried_in_order(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules:\n"
         "  - {name: big, to: a@, when: {size: '>20'}, drop: true}\n"
         "  - {name: ben, to: a@, when: {sender: ben@corp.test}, drop: true}\n"
         "  - {name: else, to: a@, drop: true}\n");
    static const struct {
        const char *sender, *text, *name;
    } cases[] = {
        {"ben@corp.test", "Subject: a long message\r\n\r\n", "big"},
        {"ben@corp.test", "\r\n", "ben"},
        {"anna@corp.test", "\r\n", "else"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct message *message = message_of(cases[i].sender, "::1", cases[i].text);
        assert_int_equal(find_in(message, NULL, "a@example.com"), RULE_MAYBE);
        assert_int_equal(find_in(message, message, "a@example.com"), RULE_FOUND);
        assert_true(str_equal(match.rule->name, str_of(cases[i].name)));
        blob_release(message->raw);
    }
}

static void captures_survive_the_patterns_of_conditions(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules: [{name: o, to: '/^order-(?<id>\\d+)@/', when: {header: {subject: "
         "'/(r)(e)fund/i'}}, worker: orders}]\n");
    struct message *message = message_of("a@b.test", "::1", "Subject: Refund\r\n\r\n");
    assert_int_equal(find_in(message, message, "order-42@example.com"), RULE_FOUND);
    assert_int_equal(match.capture_count, 2);
    assert_capture(1, "id", "42");
    assert_int_equal(find_in(message, NULL, "order-42@example.com"), RULE_MAYBE);
    assert_int_equal(match.capture_count, 0);
    blob_release(message->raw);
}

static void a_costly_condition_is_no_answer(void **state)
{
    (void)state;
    char value[2900] = "";
    memset(value, 'a', sizeof value - 1);
    const char *text = arena_printf(arena, "Subject: %s\r\n\r\n", value);
    assert_int_equal(
        judge("{header: {subject: '/(a+|aa)+[bc]/'}}", "a@b.test", "::1", text),
        RULE_TOO_COSTLY);
    assert_int_equal(judge("{header: {subject: /a+$/}}", "a@b.test", "::1", text),
                     RULE_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule_test(header_conditions_look_at_unfolded_values),
        rule_test(auth_conditions_compare_results),
        rule_test(size_sender_and_client_conditions_compare),
        rule_test(conditions_combine),
        rule_test(the_null_sender_is_a_sender),
        rule_test(what_needs_the_message_is_open_at_rcpt),
        rule_test(rules_of_one_address_are_tried_in_order),
        rule_test(captures_survive_the_patterns_of_conditions),
        rule_test(a_costly_condition_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
