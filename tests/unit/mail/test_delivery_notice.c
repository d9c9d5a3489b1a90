/* RET, ENVID, NOTIFY and ORCPT: read, refused, and written again. */
#include "arena_fixture.h"
#include "test.h"

#include "mail/delivery_notice.h"

static void assert_str(struct str actual, const char *expected)
{
    assert_int_equal(actual.length, strlen(expected));
    assert_memory_equal(actual.at, expected, actual.length);
}

static struct str repeated(const char *piece, size_t count)
{
    size_t length = strlen(piece);
    char *text = arena_alloc(arena, count * length);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, piece, length);
    return (struct str){text, count * length};
}

static void ret_is_one_of_two(void **state)
{
    (void)state;
    enum dsn_return ret = DSN_RETURN_UNSAID;
    assert_true(dsn_return_parse(STR("full"), &ret));
    assert_int_equal(ret, DSN_RETURN_FULL);
    assert_true(dsn_return_parse(STR("HDRS"), &ret));
    assert_int_equal(ret, DSN_RETURN_HEADERS);
    assert_false(dsn_return_parse(STR(""), &ret));
    assert_false(dsn_return_parse(STR("HEADERS"), &ret));
    assert_false(dsn_return_parse(STR("FULL,HDRS"), &ret));
}

static void an_envid_is_printable_and_short(void **state)
{
    (void)state;
    struct str envid;
    assert_true(dsn_envid_parse(STR("QQ314159"), arena, &envid));
    assert_str(envid, "QQ314159");
    assert_true(dsn_envid_parse(STR("a+20b+2Bc"), arena, &envid));
    assert_str(envid, "a b+c");
    assert_true(dsn_envid_parse(repeated("+41", 100), arena, &envid));
    assert_int_equal(envid.length, 100);
    assert_false(dsn_envid_parse(repeated("+41", 101), arena, &envid));
    assert_false(dsn_envid_parse(repeated("A", 101), arena, &envid));
    static const char *const bad[] = {"", "a+0Ab", "+00", "+7F", "+80", "+", "a+2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dsn_envid_parse(str_of(bad[i]), arena, &envid));
}

static void notify_is_a_list_or_never(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        unsigned notify;
    } rows[] = {
        {"NEVER", DSN_NOTIFY_NEVER},
        {"never", DSN_NOTIFY_NEVER},
        {"SUCCESS", DSN_NOTIFY_SUCCESS},
        {"Failure,DELAY", DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY},
        {"DELAY,SUCCESS,FAILURE",
         DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY},
        {"SUCCESS,SUCCESS", DSN_NOTIFY_SUCCESS},
        {"", 0},
        {",", 0},
        {"SUCCESS,", 0},
        {",SUCCESS", 0},
        {"SUCCESS,,DELAY", 0},
        {"NEVER,SUCCESS", 0},
        {"DELAY,NEVER", 0},
        {"SUCCESS DELAY", 0},
        {"ALWAYS", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned notify = 0;
        assert_int_equal(dsn_notify_parse(str_of(rows[i].value), &notify),
                         rows[i].notify != 0);
        assert_int_equal(notify, rows[i].notify);
    }
}

static void an_orcpt_is_a_type_and_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *value, *type, *address;
    } rows[] = {
        {"rfc822;anna@dest.test", "rfc822", "anna@dest.test"},
        {"RFC822;anna+2Btag@dest.test", "RFC822", "anna+tag@dest.test"},
        {"rfc822;+22a+20b+22@dest.test", "rfc822", "\"a b\"@dest.test"},
        {"x400;/C=DE;S=x/", NULL, NULL},
        {"x400;/C+3DDE/", "x400", "/C=DE/"},
        {"unknown;a;b", "unknown", "a;b"},
        {"utf-8;j\\x{FC}rgen@dest.test", "utf-8", "j\xC3\xBCrgen@dest.test"},
        {"UTF-8;j\xC3\xBCrgen@dest.test", "UTF-8", "j\xC3\xBCrgen@dest.test"},
        {"", NULL, NULL},
        {"rfc822", NULL, NULL},
        {"rfc822;", NULL, NULL},
        {";anna@dest.test", NULL, NULL},
        {"rfc 822;anna", NULL, NULL},
        {"rfc.822;anna", NULL, NULL},
        {"rfc822;anna+0D+0AX-Evil:+20yes", NULL, NULL},
        {"rfc822;j\xC3\xBCrgen@dest.test", NULL, NULL},
        {"rfc822;j+FCrgen@dest.test", NULL, NULL},
        {"utf-8;anna\\x{0A}", NULL, NULL},
        {"utf-8;anna+2B", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dsn_recipient recipient = {0};
        assert_int_equal(dsn_orcpt_parse(str_of(rows[i].value), arena, &recipient),
                         rows[i].type != NULL);
        assert_str(recipient.orcpt_type, rows[i].type ? rows[i].type : "");
        assert_str(recipient.orcpt_address, rows[i].address ? rows[i].address : "");
    }
}

static void an_orcpt_has_at_most_500_bytes(void **state)
{
    (void)state;
    struct dsn_recipient recipient = {0};
    struct str longest =
        str_of(arena_printf(arena, "rfc822;%.*s", STR_ARG(repeated("a", 493))));
    assert_true(dsn_orcpt_parse(longest, arena, &recipient));
    assert_int_equal(strlen(dsn_rcpt_parameters(&recipient, arena)),
                     strlen(" ORCPT=") + 500);
    longest = str_of(arena_printf(arena, "%.*sa", STR_ARG(longest)));
    assert_false(dsn_orcpt_parse(longest, arena, &recipient));
}

static void what_was_read_is_written_again(void **state)
{
    (void)state;
    struct dsn_envelope envelope = {0};
    assert_string_equal(dsn_mail_parameters(&envelope, arena), "");
    envelope.ret = DSN_RETURN_FULL;
    assert_string_equal(dsn_mail_parameters(&envelope, arena), " RET=FULL");
    envelope = (struct dsn_envelope){DSN_RETURN_HEADERS, STR("a b+c")};
    assert_string_equal(dsn_mail_parameters(&envelope, arena), " RET=HDRS ENVID=a+20b+2Bc");

    struct dsn_recipient recipient = {0};
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), "");
    recipient.notify = DSN_NOTIFY_DELAY | DSN_NOTIFY_SUCCESS;
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), " NOTIFY=SUCCESS,DELAY");
    recipient =
        (struct dsn_recipient){DSN_NOTIFY_NEVER, STR("rfc822"), STR("a+b@dest.test")};
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena),
                        " NOTIFY=NEVER ORCPT=rfc822;a+2Bb@dest.test");
    recipient = (struct dsn_recipient){0, STR("utf-8"), STR("j\xC3\xBCrgen@dest.test")};
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena),
                        " ORCPT=utf-8;j\\x{FC}rgen@dest.test");
}

static void an_orcpt_that_grows_too_long_is_left_out(void **state)
{
    (void)state;
    struct dsn_recipient recipient = {DSN_NOTIFY_FAILURE, STR("utf-8"),
                                      repeated("\xC3\xBC", 100)};
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), " NOTIFY=FAILURE");
}

static void what_no_sender_can_have_said_is_left_out(void **state)
{
    (void)state;
    struct dsn_envelope envelope = {(enum dsn_return)7, repeated("a", 101)};
    assert_string_equal(dsn_mail_parameters(&envelope, arena), "");
    struct dsn_recipient recipient = {0xF0, STR("rfc822 NOTIFY=NEVER"), STR("a")};
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), "");
    recipient.orcpt_type = STR("a\r\nDATA");
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), "");
    recipient.orcpt_type = STR("rfc822");
    recipient.orcpt_address = repeated("a", 100000);
    assert_string_equal(dsn_rcpt_parameters(&recipient, arena), "");
}

static void an_orcpt_is_kept_as_one_text(void **state)
{
    (void)state;
    struct dsn_recipient recipient = {0};
    assert_str(dsn_orcpt_text(&recipient, arena), "");
    assert_true(dsn_orcpt_parse(STR("rfc822;a+2Bb@c.test"), arena, &recipient));
    assert_str(dsn_orcpt_text(&recipient, arena), "rfc822;a+b@c.test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ret_is_one_of_two),
        cmocka_unit_test(an_envid_is_printable_and_short),
        cmocka_unit_test(notify_is_a_list_or_never),
        cmocka_unit_test(an_orcpt_is_a_type_and_an_address),
        cmocka_unit_test(an_orcpt_has_at_most_500_bytes),
        cmocka_unit_test(what_was_read_is_written_again),
        cmocka_unit_test(an_orcpt_that_grows_too_long_is_left_out),
        cmocka_unit_test(what_no_sender_can_have_said_is_left_out),
        cmocka_unit_test(an_orcpt_is_kept_as_one_text),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}
