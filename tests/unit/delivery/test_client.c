/* The client's side of a conversation, with peers of every kind. */
#include "delivery/fixture.h"

/* --- messages that go through --- */

static void send_one(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_int_equal(result.reply.code, 250);
    assert_string_equal(result.reply.enhanced, "2.0.0");
    assert_string_equal(result.reply.text, "queued as 42");
    assert_true(result.is_from_peer);
    assert_false(result.used_kept_connection);
    assert_int_equal(result.tls.length, 0);
    assert_true(str_starts(result.peer, STR("127.0.0.1[127.0.0.1]:")));
}

static void a_plain_peer_gets_one_command_at_a_time(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_PLAIN, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,      UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    fixture.options.idle_ms = 0;
    run(send_one);
}

static void send_and_look(void)
{
    send_one();
    assert_heard(
        "EHLO gw.test|MAIL FROM:<from@src.test> SIZE=20|RCPT TO:<to@dest.test>|DATA|");
    assert_content("Subject: x\r\n\r\nbody\r\n.\r\n");
    assert_int_equal(fixture.peer.burst_lines, 3);
}

static void a_pipelining_peer_gets_the_envelope_in_one_write(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_PIPELINING, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,           UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_and_look);
}

static void send_chunk(void)
{
    static const struct str parts[] = {
        {"A: b\r\n", 6}, {"\r\n.x\r\n", 6}, {"", 0}, {".", 1}};
    struct delivery_result result =
        send_as("from@src.test", "to@dest.test",
                (struct delivery_request){.parts = parts, .part_count = 4});
    assert_int_equal(result.status, DELIVERY_OK);
    assert_heard(
        "EHLO gw.test|MAIL FROM:<from@src.test>|RCPT TO:<to@dest.test>|BDAT 13 LAST|");
    assert_content("A: b\r\n\r\n.x\r\n.");
}

static void a_chunking_peer_gets_the_bytes_as_they_are(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_CHUNKING, MAIL_OK, RCPT_OK, {"BDAT", "250 2.0.0 ok"}, UNTIL_END,
        {0}};
    fixture.peer.scripts[0] = script;
    run(send_chunk);
}

static void a_peer_that_knows_no_ehlo_is_told_helo(void **state)
{
    (void)state;
    static const struct fake_step script[] = {{NULL, "220 old"},
                                              {"EHLO", "502 what?"},
                                              {"HELO gw.test", "250 old PIPELINING"},
                                              MAIL_OK,
                                              RCPT_OK,
                                              DATA_OK,
                                              TAKEN,
                                              UNTIL_END,
                                              {0}};
    fixture.peer.scripts[0] = script;
    run(send_one);
}

static void broken_but_harmless_replies_are_understood(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        {NULL, "=220\n"},   {"EHLO", "=250-\n250-pipelining\n250\n"},
        {"MAIL", "=250\n"}, {"RCPT", "=251-will\n251 forward\n"},
        {"DATA", "=354\n"}, TAKEN,
        UNTIL_END,          {0}};
    fixture.peer.scripts[0] = script;
    run(send_one);
}

static void send_null_and_8bit(void)
{
    struct delivery_result result =
        send_as("", "to@dest.test", (struct delivery_request){.is_8bit = true});
    assert_int_equal(result.status, DELIVERY_OK);
    assert_heard(
        "EHLO gw.test|MAIL FROM:<> SIZE=20 BODY=8BITMIME|RCPT TO:<to@dest.test>|DATA|");
}

static void null_paths_and_8bit_are_announced(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_PIPELINING, {"MAIL", "250 ok"}, RCPT_OK,
        DATA_OK,  TAKEN,           UNTIL_END,          {0}};
    fixture.peer.scripts[0] = script;
    run(send_null_and_8bit);
}

/* --- refusals --- */

struct refusal {
    const char *name;
    struct fake_step script[12];
    enum delivery_status status;
    int code;
    const char *enhanced, *text;
    bool is_from_peer;
};

static const struct refusal refusals[] = {
    {"greeting 554",
     {{NULL, "554 5.7.1 go away"}, UNTIL_END},
     DELIVERY_PERMANENT,
     554,
     "5.7.1",
     "go away",
     true},
    {"greeting 421", {{NULL, "421 busy"}}, DELIVERY_TEMPORARY, 451, "", "busy", true},
    {"greeting 354",
     {{NULL, "354 hello"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "has answered connecting with 354",
     false},
    {"no greeting",
     {{NULL, FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "has closed the connection after connecting",
     false},
    {"garbage",
     {{NULL, "HTTP/1.1 400 Bad Request"}},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "not SMTP",
     false},
    {"endless line",
     {{NULL, FAKE_ENDLESS}},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "not SMTP",
     false},
    {"ehlo 450",
     {GREETING, {"EHLO", "450 4.3.2 later"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     450,
     "4.3.2",
     "later",
     true},
    {"helo 550",
     {GREETING, {"EHLO", "500 no"}, {"HELO", "550 5.7.1 no"}, UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.7.1",
     "no",
     true},
    {"ehlo closes",
     {GREETING, {"EHLO", FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "after EHLO",
     false},
    {"mail 550",
     {GREETING, EHLO_PLAIN, {"MAIL", "550-5.1.8 bad\r\n550 5.1.8 sender"}, UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.1.8",
     "bad\nsender",
     true},
    {"mail 451",
     {GREETING, EHLO_PLAIN, {"MAIL", "451 4.7.1 grey"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.7.1",
     "grey",
     true},
    {"mail 421",
     {GREETING, EHLO_PLAIN, {"MAIL", "421 4.3.2 bye"}},
     DELIVERY_TEMPORARY,
     451,
     "4.3.2",
     "bye",
     true},
    {"mail 354",
     {GREETING, EHLO_PLAIN, {"MAIL", "354 what"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "has answered MAIL FROM with 354",
     false},
    {"mail closes",
     {GREETING, EHLO_PLAIN, {"MAIL", FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "after MAIL FROM",
     false},
    {"rcpt 550",
     {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "550 5.1.1 no such user"}, UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.1.1",
     "no such user",
     true},
    {"rcpt 452",
     {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "452 4.2.2 full"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     452,
     "4.2.2",
     "full",
     true},
    {"rcpt closes",
     {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "after RCPT TO",
     false},
    {"data 554",
     {GREETING, EHLO_PLAIN, MAIL_OK, RCPT_OK, {"DATA", "554 5.5.1 no"}, UNTIL_END},
     DELIVERY_PERMANENT,
     554,
     "5.5.1",
     "no",
     true},
    {"data 250",
     {GREETING, EHLO_PLAIN, MAIL_OK, RCPT_OK, {"DATA", "250 ok"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "has answered DATA with 250",
     false},
    {"data closes",
     {GREETING, EHLO_PLAIN, MAIL_OK, RCPT_OK, {"DATA", FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "after DATA",
     false},
    {"content 550",
     {GREETING,
      EHLO_PLAIN,
      MAIL_OK,
      RCPT_OK,
      DATA_OK,
      {FAKE_CONTENT, "550 5.7.1 spam"},
      UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.7.1",
     "spam",
     true},
    {"content 451",
     {GREETING,
      EHLO_PLAIN,
      MAIL_OK,
      RCPT_OK,
      DATA_OK,
      {FAKE_CONTENT, "451 4.3.0 disk"},
      UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.3.0",
     "disk",
     true},
    {"content 354",
     {GREETING,
      EHLO_PLAIN,
      MAIL_OK,
      RCPT_OK,
      DATA_OK,
      {FAKE_CONTENT, "354 more"},
      UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.5.0",
     "(it may have it) with 354",
     false},
    {"content closes",
     {GREETING, EHLO_PLAIN, MAIL_OK, RCPT_OK, DATA_OK, {FAKE_CONTENT, FAKE_CLOSE}},
     DELIVERY_TEMPORARY,
     451,
     "4.4.2",
     "it may have it",
     false},
    {"bdat 552",
     {GREETING, EHLO_CHUNKING, MAIL_OK, RCPT_OK, {"BDAT", "552 5.2.2 full"}, UNTIL_END},
     DELIVERY_PERMANENT,
     552,
     "5.2.2",
     "full",
     true},
    /* with PIPELINING */
    {"mail 550, data 503",
     {GREETING,
      EHLO_PIPELINING,
      {"MAIL", "550 5.7.1 no"},
      {"RCPT", "503 mail first"},
      {"DATA", "503 rcpt first"},
      UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.7.1",
     "no",
     true},
    {"mail 451, data 354",
     {GREETING,
      EHLO_PIPELINING,
      {"MAIL", "451 4.7.1 grey"},
      {"RCPT", "503 mail first"},
      {"DATA", "354 go on"},
      {FAKE_CONTENT, "554 no recipients"},
      UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.7.1",
     "grey",
     true},
    {"rcpt 550, data 354",
     {GREETING,
      EHLO_PIPELINING,
      MAIL_OK,
      {"RCPT", "550 5.1.1 who?"},
      {"DATA", "354 go on"},
      {FAKE_CONTENT, "554 no recipients"},
      UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.1.1",
     "who?",
     true},
    {"rcpt 550, data 354, content 250",
     {GREETING,
      EHLO_PIPELINING,
      MAIL_OK,
      {"RCPT", "550 5.1.1 who?"},
      {"DATA", "354 go on"},
      {FAKE_CONTENT, "250 thanks"},
      UNTIL_END},
     DELIVERY_PERMANENT,
     550,
     "5.1.1",
     "who?",
     true},
    {"rcpt 550, data closes",
     {GREETING, EHLO_PIPELINING, MAIL_OK, {"RCPT", "550 5.1.1 who?"}, {"DATA", FAKE_CLOSE}},
     DELIVERY_PERMANENT,
     550,
     "5.1.1",
     "who?",
     true},
    {"rcpt 421",
     {GREETING, EHLO_PIPELINING, MAIL_OK, {"RCPT", "421 4.3.2 bye"}},
     DELIVERY_TEMPORARY,
     451,
     "4.3.2",
     "bye",
     true},
    {"data 451",
     {GREETING, EHLO_PIPELINING, MAIL_OK, RCPT_OK, {"DATA", "451 4.3.0 disk"}, UNTIL_END},
     DELIVERY_TEMPORARY,
     451,
     "4.3.0",
     "disk",
     true},
};

static const struct refusal *refusal;

static void send_to_be_refused(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, refusal->status);
    assert_int_equal(result.reply.code, refusal->code);
    assert_string_equal(result.reply.enhanced, refusal->enhanced);
    if (refusal->is_from_peer)
        assert_string_equal(result.reply.text, refusal->text);
    else
        assert_non_null(strstr(result.reply.text, refusal->text));
    assert_int_equal(result.is_from_peer, refusal->is_from_peer);
}

static void every_refusal_at_every_step_has_its_answer(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        refusal = &refusals[i];
        if (i > 0)
            assert_int_equal(fixture_reset(state), 0);
        fixture.peer.scripts[0] = refusal->script;
        print_message("           %s\n", refusal->name);
        run(send_to_be_refused);
        if (i + 1 < sizeof refusals / sizeof *refusals)
            assert_int_equal(test_loop_close(state), 0);
    }
}

/* --- patience --- */

static void send_too_slow(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_int_equal(result.reply.code, 451);
    assert_false(result.is_from_peer);
}

static void a_silent_peer_is_given_up_at_every_step(void **state)
{
    static const struct fake_step scripts[][8] = {
        {{NULL, FAKE_SILENCE}},
        {GREETING, {"EHLO", FAKE_SILENCE}},
        {GREETING, {"EHLO", "=250-mx.test\r\n250-S"}, {FAKE_END, NULL}},
        {GREETING, EHLO_PLAIN, {"MAIL", FAKE_SILENCE}},
        {GREETING, EHLO_PIPELINING, MAIL_OK, {"RCPT", FAKE_SILENCE}},
        {GREETING, EHLO_PIPELINING, MAIL_OK, RCPT_OK, {"DATA", FAKE_SILENCE}},
        {GREETING,
         EHLO_PIPELINING,
         MAIL_OK,
         RCPT_OK,
         DATA_OK,
         {FAKE_CONTENT, FAKE_SILENCE}},
    };
    size_t count = sizeof scripts / sizeof *scripts;
    for (size_t i = 0; i < 2 * count; i++) {
        if (i > 0)
            assert_int_equal(fixture_reset(state), 0);
        fixture.peer.scripts[0] = scripts[i % count];
        fixture.peer.may_be_left = true; /* a loaded machine is slow at other steps too */
        struct delivery_options *options = &fixture.options;
        if (i < count)
            options->greeting_timeout_ms = options->command_timeout_ms =
                options->data_start_timeout_ms = options->data_end_timeout_ms = 30;
        else
            options->total_timeout_ms = 100;
        run(send_too_slow);
        if (i + 1 < 2 * count)
            assert_int_equal(test_loop_close(state), 0);
    }
}

static int send_and_say_status(void *arg)
{
    *(struct delivery_result *)arg = send_plain();
    return 0;
}

static void cancel_sending(void)
{
    struct delivery_result result;
    struct task *task = task_start("sender", send_and_say_status, &result);
    task_sleep(20);
    task_cancel(task);
    task_join(task);
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_int_equal(result.reply.code, 451);
}

static void a_cancelled_delivery_is_a_temporary_failure(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, {"EHLO", FAKE_SILENCE}, {0}};
    fixture.peer.scripts[0] = script;
    run(cancel_sending);
}

static void send_large(void)
{
    struct str part = {mem_zero(1, 8U << 20U), 8U << 20U};
    memset((char *)(uintptr_t)part.at, 'x', part.length);
    struct delivery_result result =
        send_as("from@src.test", "to@dest.test",
                (struct delivery_request){.parts = &part, .part_count = 1});
    assert_int_equal(result.status, DELIVERY_PERMANENT);
    assert_string_equal(result.reply.text, "too big");
    free((void *)(uintptr_t)part.at);
}

static void last_words_of_a_peer_that_hangs_up_on_the_content_are_heard(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING,
                                              EHLO_PLAIN,
                                              MAIL_OK,
                                              RCPT_OK,
                                              {"DATA", "354 go on"},
                                              {NULL, "552 5.3.4 too big"},
                                              {0}};
    fixture.peer.scripts[0] = script;
    run(send_large);
}

/* --- what the peer cannot take --- */

static void send_too_large(void)
{
    struct str part = {mem_zero(1, 100001), 100001};
    struct delivery_result result =
        send_as("from@src.test", "to@dest.test",
                (struct delivery_request){.parts = &part, .part_count = 1});
    assert_int_equal(result.status, DELIVERY_PERMANENT);
    assert_int_equal(result.reply.code, 552);
    assert_string_equal(result.reply.enhanced, "5.3.4");
    assert_false(result.is_from_peer);
    assert_heard("EHLO gw.test|");
    assert_int_equal(send_plain().used_kept_connection, true);
    free((void *)(uintptr_t)part.at);
}

static void a_message_over_the_peers_size_is_refused_here(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_PIPELINING, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,           UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_too_large);
}

static void send_utf8_to_old(void)
{
    struct delivery_request request = {.is_utf8 = true};
    struct delivery_result result =
        send_as("from@src.test", "j\xC3\xB6rg@dest.test", request);
    assert_int_equal(result.status, DELIVERY_PERMANENT);
    assert_string_equal(result.reply.enhanced, "5.6.7");
    result = send_as("from@src.test",
                     "to@pi\xC3\xB1"
                     "ata.test",
                     request);
    assert_int_equal(result.status, DELIVERY_OK);
    assert_heard("EHLO gw.test|MAIL FROM:<from@src.test> SIZE=20|"
                 "RCPT TO:<to@xn--piata-pta.test>|DATA|");
}

static void a_peer_without_smtputf8_gets_a_labels_and_no_utf8_addresses(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_PIPELINING, MAIL_OK,   {"RCPT", "250 ok"},
        DATA_OK,  TAKEN,           UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_utf8_to_old);
}

static void send_utf8(void)
{
    struct delivery_result result = send_as("from@src.test",
                                            "j\xC3\xB6rg@pi\xC3\xB1"
                                            "ata.test",
                                            (struct delivery_request){0});
    assert_int_equal(result.status, DELIVERY_OK);
    assert_heard("EHLO gw.test|MAIL FROM:<from@src.test> SMTPUTF8|"
                 "RCPT TO:<j\xC3\xB6rg@pi\xC3\xB1"
                 "ata.test>|DATA|");
}

static void a_peer_with_smtputf8_gets_addresses_as_they_are(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING,  {"EHLO", "250-mx\r\n250 SMTPUTF8"},
                                              MAIL_OK,   {"RCPT", "250 ok"},
                                              DATA_OK,   TAKEN,
                                              UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_utf8);
}

static void send_nowhere(void)
{
    fake_peer_close(&fixture.peer);
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_string_equal(result.reply.enhanced, "4.4.1");
    assert_int_equal(result.peer.length, 0);
    fake_peer_free(&fixture.peer);
    fake_peer_open(&fixture.peer, "127.0.0.1:0");
}

static void a_closed_port_is_a_temporary_failure(void **state)
{
    (void)state;
    static const struct fake_step script[] = {{0}};
    fixture.peer.scripts[0] = script;
    run(send_nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(a_plain_peer_gets_one_command_at_a_time),
        peer_test(a_pipelining_peer_gets_the_envelope_in_one_write),
        peer_test(a_chunking_peer_gets_the_bytes_as_they_are),
        peer_test(a_peer_that_knows_no_ehlo_is_told_helo),
        peer_test(broken_but_harmless_replies_are_understood),
        peer_test(null_paths_and_8bit_are_announced),
        peer_test(every_refusal_at_every_step_has_its_answer),
        peer_test(a_silent_peer_is_given_up_at_every_step),
        peer_test(a_cancelled_delivery_is_a_temporary_failure),
        peer_test(last_words_of_a_peer_that_hangs_up_on_the_content_are_heard),
        peer_test(a_message_over_the_peers_size_is_refused_here),
        peer_test(a_peer_without_smtputf8_gets_a_labels_and_no_utf8_addresses),
        peer_test(a_peer_with_smtputf8_gets_addresses_as_they_are),
        peer_test(a_closed_port_is_a_temporary_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
