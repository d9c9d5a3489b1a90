#include <errno.h>

#include "test.h"
/* after test.h: it asserts */
#include "key_folder.h"

#include "delivery/notice.h"
#include "mail/delivery_notice.h"
#include "mail/header.h"
#include "mail/message.h"

#define NOW_MS UINT64_C(1795321752000)
#define DAY_MS UINT64_C(86400000)

static struct arena *arena;
static struct notice_options options;
static struct notice_request request;
static struct store_message message, notice;
static struct store_leg leg;
static struct notice_recipient recipient;
static struct reply reply;
static struct str content;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    options = (struct notice_options){.host_name = "mx.gate.test"};
    request = (struct notice_request){&options, &message, &recipient, 1, NOW_MS, arena};
    content = STR("From: Joe <joe@sender.test>\r\n"
                  "Subject: Dinner\r\n"
                  "Message-ID: <1@sender.test>\r\n"
                  "\r\n"
                  "On Friday?\r\n");
    message = (struct store_message){.id = STR("0abc"),
                                     .created_ms = NOW_MS - 5 * DAY_MS,
                                     .return_path = STR("joe@sender.test"),
                                     .parts = &content,
                                     .part_count = 1};
    reply = reply_make(550, "5.1.1", "User unknown");
    recipient = (struct notice_recipient){.original = STR("anna@example.com"),
                                          .recipient = STR("anna@example.com"),
                                          .reply = &reply,
                                          .is_from_peer = true,
                                          .peer = STR("mx1.example.com[192.0.2.1]:25")};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* The whole notice. */
static const char *composed(void)
{
    assert_int_equal(notice_compose(&request, &notice, &leg, &err), 0);
    const char *text = "";
    for (size_t i = 0; i < notice.part_count; i++)
        text = arena_printf(arena, "%s%.*s", text, STR_ARG(notice.parts[i]));
    return text;
}

static void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void assert_says_not(const char *text, const char *words)
{
    if (strstr(text, words))
        fail_msg("\"%s\" is in:\n%s", words, text);
}

/* --- whether --- */

static void notify_decides_who_is_told(void **state)
{
    (void)state;
    static const struct {
        uint8_t notify;
        bool failed, delayed, relayed;
    } rows[] = {
        {0, true, true, false},
        {DSN_NOTIFY_NEVER, false, false, false},
        {DSN_NOTIFY_FAILURE, true, false, false},
        {DSN_NOTIFY_DELAY, false, true, false},
        {DSN_NOTIFY_SUCCESS, false, false, true},
        {DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY, true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        recipient.notify = rows[i].notify;
        recipient.action = NOTICE_FAILED;
        assert_int_equal(notice_is_wanted(&message, &recipient), rows[i].failed);
        recipient.action = NOTICE_DELAYED;
        assert_int_equal(notice_is_wanted(&message, &recipient), rows[i].delayed);
        recipient.action = NOTICE_RELAYED;
        assert_int_equal(notice_is_wanted(&message, &recipient), rows[i].relayed);
    }
}

static void nobody_is_told_where_nobody_may_be(void **state)
{
    (void)state;
    message.return_path = STR("");
    recipient.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY;
    for (int action = NOTICE_FAILED; action <= NOTICE_RELAYED; action++) {
        recipient.action = (enum notice_action)action;
        assert_false(notice_is_wanted(&message, &recipient));
    }
}

/* --- envelope --- */

static void a_notice_goes_from_nobody_to_the_return_path(void **state)
{
    (void)state;
    message.return_path = STR("joe@Sender.TEST");
    composed();
    assert_int_equal(notice.reverse_path.length, 0);
    assert_int_equal(notice.return_path.length, 0);
    assert_false(notice.is_8bit || notice.is_utf8);
    assert_true(notice.id.length > 0);
    assert_true(str_equal(leg.message_id, notice.id));
    assert_true(str_equal(leg.recipient, STR("joe@Sender.TEST")));
    assert_true(str_equal(leg.destination, STR("sender.test")));
    assert_int_equal(leg.notify, DSN_NOTIFY_NEVER);
    assert_int_equal(leg.attempts, 0);
}

static void a_return_path_that_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "joe", "joe@", "a@b\r\nBcc: c@d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        message.return_path = str_of(bad[i]);
        assert_int_equal(notice_compose(&request, &notice, &leg, &err), -EINVAL);
    }
}

/* --- content --- */

static void a_failure_says_who_and_why_and_what_to_do(void **state)
{
    (void)state;
    const char *text = composed();
    assert_says(text, "\r\nSubject: Undelivered mail to anna@example.com\r\n");
    assert_says(text, "From: \"Mail Delivery System\" <MAILER-DAEMON@mx.gate.test>\r\n");
    assert_says(text, "\r\nAuto-Submitted: auto-replied\r\n");
    assert_says(text, "\r\nIn-Reply-To: <1@sender.test>\r\n");
    assert_says(text, "    Subject: Dinner\r\n");
    assert_says(text, "    Why: no such address there.\r\n    mx1.example.com said:\r\n"
                      "        550 5.1.1 User unknown\r\n");
    assert_says(text, "Look at the address");
    assert_says(text, "\r\nFinal-Recipient: rfc822; anna@example.com\r\n"
                      "Action: failed\r\nStatus: 5.1.1\r\n"
                      "Remote-MTA: dns; mx1.example.com\r\n"
                      "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n");
}

static void a_delay_says_until_when_it_is_tried(void **state)
{
    (void)state;
    reply = reply_make(451, "4.4.1", "no connection to mx1.example.com: refused");
    recipient.is_from_peer = false;
    recipient.action = NOTICE_DELAYED;
    recipient.retry_until_ms = NOW_MS + DAY_MS;
    const char *text = composed();
    assert_says(text, "Subject: Delayed mail to anna@example.com\r\n");
    assert_says(text, "Action: delayed\r\nStatus: 4.4.1\r\n");
    assert_says(text, "Diagnostic-Code: x-postern; 451 4.4.1 no connection to");
    assert_says(text, "Will-Retry-Until: Mon, 23 Nov 2026 04:29:12 +0000\r\n");
    assert_says(text, "you need not send it again");
    assert_says_not(text, "Remote-MTA");
}

static void a_failure_after_all_attempts_says_how_long_it_was_tried(void **state)
{
    (void)state;
    reply = reply_make(452, "", "later");
    const char *text = composed();
    assert_says(text, "Action: failed\r\nStatus: 4.4.7\r\n");
    assert_says(text, "it was tried for 5 days");
}

static void a_success_says_that_it_was_passed_on(void **state)
{
    (void)state;
    reply = reply_make(250, "2.6.0", "OK");
    recipient.action = NOTICE_RELAYED;
    const char *text = composed();
    assert_says(text, "Subject: Mail passed on to anna@example.com\r\n");
    assert_says(text, "Action: relayed\r\nStatus: 2.6.0\r\n");
}

static void what_the_sender_named_comes_back(void **state)
{
    (void)state;
    message.envid = STR("QQ=314+1");
    recipient.orcpt = STR("rfc822;Anna@old.test");
    const char *text = composed();
    assert_says(text, "\r\nOriginal-Envelope-Id: QQ=314+1\r\n");
    assert_says(text, "\r\nOriginal-Recipient: rfc822; Anna@old.test\r\n");
}

/* --- what is given back --- */

static void ret_decides_how_much_comes_back(void **state)
{
    (void)state;
    assert_says_not(composed(), "On Friday?");
    message.ret = DSN_RETURN_HEADERS;
    assert_says_not(composed(), "On Friday?");
    assert_says(composed(), "Content-Type: text/rfc822-headers\r\n");
    message.ret = DSN_RETURN_FULL;
    assert_says(composed(), "On Friday?");
    assert_says(composed(), "Content-Type: message/rfc822\r\n");
    recipient.action = NOTICE_DELAYED;
    assert_says_not(composed(), "On Friday?");
}

static void a_message_in_pieces_comes_back_whole(void **state)
{
    (void)state;
    struct str pieces[] = {STR("Received: from a\r\n"), STR(""), content};
    message.parts = pieces;
    message.part_count = 3;
    message.ret = DSN_RETURN_FULL;
    assert_says(composed(), "\r\n\r\nReceived: from a\r\nFrom: Joe");
}

static void a_long_message_gives_back_its_header_only(void **state)
{
    (void)state;
    char *body = arena_alloc(arena, 100000);
    memset(body, '\n', 100000);
    for (size_t i = 0; i < 100000; i += 2)
        body[i] = '\r';
    struct str pieces[] = {content, {body, 100000}};
    message.parts = pieces;
    message.part_count = 2;
    message.ret = DSN_RETURN_FULL;
    const char *text = composed();
    assert_says(text, "text/rfc822-headers");
    assert_says_not(text, "On Friday?");
    assert_true(strlen(text) < 5000);
}

static void lines_that_a_peer_would_not_take_stay_out(void **state)
{
    (void)state;
    char *line = arena_alloc(arena, 2001);
    memset(line, 'x', 2000);
    message.ret = DSN_RETURN_FULL;
    content = str_of(arena_printf(
        arena, "Subject: Dinner\r\nX-Long: %s\r\nX-Bare: a\nX-Last: b\r\n\r\n%s\r\n", line,
        line));
    const char *text = composed();
    assert_says(text, "text/rfc822-headers\r\n");
    assert_says(text, "\r\nSubject: Dinner\r\nX-Last: b\r\n");
    assert_says_not(text, "X-Long");
    assert_says_not(text, "X-Bare");
    assert_says_not(text, "xxxx");
}

static void a_boundary_is_in_no_part(void **state)
{
    (void)state;
    message.ret = DSN_RETURN_FULL;
    content = STR("Subject: x\r\n\r\n--=_\r\n--=_0\r\n");
    const char *text = composed();
    const char *boundary = strstr(text, "boundary=\"");
    struct str name = str_of(boundary + strlen("boundary=\""));
    name = str_cut(&name, '"');
    int count = 0;
    for (const char *at = text; (at = memmem(at, strlen(at), name.at, name.length)); at++)
        count++;
    assert_int_equal(count, 5); /* named, three parts, the end */
}

/* --- what must not be told --- */

static void a_forwarding_does_not_tell_its_destination(void **state)
{
    (void)state;
    reply = reply_make(550, "5.1.1",
                       "<Secret.Anna@Home.test>: rejected by mx2.home.test\n"
                       "see https://home.test/?rcpt=secret.anna%%40home.test\n"
                       "user secret.anna unknown at home.test.");
    recipient.recipient = STR("secret.anna@home.test");
    recipient.peer = STR("mx2.home.test[192.0.2.1]:25");
    const char *text = composed();
    assert_says_not(text, "ecret");
    assert_says_not(text, "ome.test");
    assert_says_not(text, "Remote-MTA");
    assert_says(text, "550 5.1.1 <anna@example.com>: rejected by (hidden)");
    assert_says(text, "user anna unknown at (hidden).");
    assert_says(text, "Final-Recipient: rfc822; anna@example.com\r\n");
}

static void our_own_words_about_a_hidden_peer_are_general(void **state)
{
    (void)state;
    reply = reply_make(451, "4.4.1", "no connection to mx.provider.test: refused");
    recipient.recipient = STR("anna@home.test");
    recipient.is_from_peer = false;
    const char *text = composed();
    assert_says_not(text, "provider");
    assert_says(text, "Diagnostic-Code: x-postern; 451 4.4.1 nobody could be reached\r\n");
}

static void a_destination_in_the_same_domain_hides_only_the_address(void **state)
{
    (void)state;
    reply = reply_make(550, "5.1.1", "<b.2@example.com>: no mailbox at mx1.example.com");
    recipient.recipient = STR("b.2@example.com");
    assert_says(composed(), "550 5.1.1 <anna@example.com>: no mailbox at mx1.example.com");
}

/* --- addresses in UTF-8 --- */

static void an_address_in_utf8_makes_the_report_global(void **state)
{
    (void)state;
    recipient.original = recipient.recipient = STR("änna@example.com");
    const char *text = composed();
    assert_says(text, "Content-Type: message/global-delivery-status\r\n");
    assert_says(text, "Final-Recipient: utf-8; änna@example.com\r\n");
    assert_says(text, "\r\nSubject: =?utf-8?B?");
    assert_says(text, "quoted-printable");
    assert_true(notice.is_8bit);
    assert_false(notice.is_utf8);
}

static void a_domain_in_utf8_does_not(void **state)
{
    (void)state;
    recipient.original = recipient.recipient = STR("anna@piñata.es");
    const char *text = composed();
    assert_says(text, "Content-Type: message/delivery-status\r\n");
    assert_says(text, "Final-Recipient: rfc822; anna@xn--piata-pta.es\r\n");
}

static void a_return_path_in_utf8_needs_smtputf8(void **state)
{
    (void)state;
    message.return_path = STR("jöe@sender.test");
    assert_says(composed(), "\r\nTo: jöe@sender.test\r\n");
    assert_true(notice.is_utf8);
}

static void a_header_in_utf8_comes_back_as_such(void **state)
{
    (void)state;
    content = STR("Subject: Grüße\r\n\r\nhallo\r\n");
    assert_says(composed(), "Content-Type: message/global-headers\r\n"
                            "Content-Transfer-Encoding: 8bit\r\n");
    message.ret = DSN_RETURN_FULL;
    assert_says(composed(), "Content-Type: message/global\r\n");
    content = STR("Subject: \xFF\r\n\r\nhallo\r\n");
    assert_says(composed(), "Content-Type: message/rfc822\r\n"
                            "Content-Transfer-Encoding: 8bit\r\n");
}

/* --- hostile words --- */

static void nothing_in_the_words_of_others_ends_a_field(void **state)
{
    (void)state;
    snprintf(reply.text, sizeof reply.text, "a\r\nX-Evil: 1\r\n\r\n--=_\xFF\x01");
    recipient.orcpt = STR("rfc822;a\r\nX-Evil: 2");
    recipient.original = recipient.recipient = STR("a\r\nX-Evil: 3\r\n\r\n@b");
    recipient.peer = STR("mx\r\nX-Evil: 4[1]");
    message.envid = STR("e\r\nX-Evil: 5");
    message.id = STR("i\r\nX-Evil: 6");
    content = STR("Subject: x\rX-Evil: 7\r\nMessage-ID: <a@b>\r\n X-Evil: 8\r\n\r\n");
    const char *text = composed();
    assert_says_not(text, "\nX-Evil");
    assert_says_not(text, "\rX-Evil");
}

static void no_line_is_longer_than_a_peer_takes(void **state)
{
    (void)state;
    memset(reply.text, 'x', sizeof reply.text - 1);
    char *address = arena_alloc(arena, 5001);
    memset(address, 'y', 5000);
    recipient.original = recipient.recipient = recipient.peer = str_of(address);
    recipient.orcpt = str_of(arena_printf(arena, "%s;%s", address, address));
    message.envid = message.id = str_of(address);
    struct str rest = str_of(composed());
    while (rest.length)
        assert_true(str_cut(&rest, '\n').length <= 999);
}

/* --- signature --- */

static void a_notice_is_signed_by_its_host(void **state)
{
    (void)state;
    struct key_folder folder;
    key_folder_open(&folder);
    key_folder_add(&folder, "mx.gate.test", "one", false);
    key_folder_activate(&folder, "mx.gate.test", "one", NULL);
    struct key_ring *keys = key_ring_load(folder.path, &err);
    options.keys = keys;
    const char *text = composed();
    assert_true(str_starts(str_of(text), STR("DKIM-Signature: ")));
    assert_says(text, "d=mx.gate.test;");
    assert_says_not(text, "ARC-");
    key_ring_release(keys);
    key_folder_close(&folder);
}

static void a_notice_without_a_key_for_its_host_is_not_signed(void **state)
{
    (void)state;
    struct key_folder folder;
    key_folder_open(&folder);
    key_folder_add(&folder, "example.com", "one", false);
    struct key_ring *keys = key_ring_load(folder.path, &err);
    options.keys = keys;
    assert_true(str_starts(str_of(composed()), STR("Date: ")));
    key_ring_release(keys);
    key_folder_close(&folder);
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(notify_decides_who_is_told),
        test_of(nobody_is_told_where_nobody_may_be),
        test_of(a_notice_goes_from_nobody_to_the_return_path),
        test_of(a_return_path_that_is_no_address_is_refused),
        test_of(a_failure_says_who_and_why_and_what_to_do),
        test_of(a_delay_says_until_when_it_is_tried),
        test_of(a_failure_after_all_attempts_says_how_long_it_was_tried),
        test_of(a_success_says_that_it_was_passed_on),
        test_of(what_the_sender_named_comes_back),
        test_of(ret_decides_how_much_comes_back),
        test_of(a_message_in_pieces_comes_back_whole),
        test_of(a_long_message_gives_back_its_header_only),
        test_of(lines_that_a_peer_would_not_take_stay_out),
        test_of(a_boundary_is_in_no_part),
        test_of(a_forwarding_does_not_tell_its_destination),
        test_of(our_own_words_about_a_hidden_peer_are_general),
        test_of(a_destination_in_the_same_domain_hides_only_the_address),
        test_of(an_address_in_utf8_makes_the_report_global),
        test_of(a_domain_in_utf8_does_not),
        test_of(a_return_path_in_utf8_needs_smtputf8),
        test_of(a_header_in_utf8_comes_back_as_such),
        test_of(nothing_in_the_words_of_others_ends_a_field),
        test_of(no_line_is_longer_than_a_peer_takes),
        test_of(a_notice_is_signed_by_its_host),
        test_of(a_notice_without_a_key_for_its_host_is_not_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
