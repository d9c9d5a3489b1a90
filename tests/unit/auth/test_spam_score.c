/* Rules one by one, and their weight on real messages: from the folder POSTERN_CORPUS, or ../shared/corpus
 * beside the source root, where names begin with easy-ham, hard-ham or spam. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "auth/spam_score.h"
#include "base/buf.h"

#define PLAIN_HEADER                                                                       \
    "Received: from a.test by b.test; Fri, 20 Nov 2026 10:00:00 +0000\r\n"                 \
    "Date: Fri, 20 Nov 2026 12:00:00 +0200\r\n"                                            \
    "Message-ID: <1@sender.test>\r\n"

static struct message *message;
static struct auth_verdict verdict;

static int open_message(void **state)
{
    (void)state;
    message = message_new();
    verdict = (struct auth_verdict){0};
    return 0;
}

static int release_message(void **state)
{
    (void)state;
    message_release(message);
    return 0;
}

static void score(struct str raw)
{
    blob_release(message->raw);
    message->raw = blob_copy(raw);
    header_parse(blob_view(message->raw), message->arena, &message->header);
    auth_spam_score(message, message->arena, &verdict);
}

static void score_text(const char *text)
{
    message->received_at = UINT64_C(1795168800000); /* 20 Nov 2026, 10:00 UTC */
    score(str_of(text));
}

static void score_parts(const char *header, const char *body)
{
    score_text(arena_printf(message->arena, PLAIN_HEADER "%s\r\n%s", header, body));
}

#define FROM_TO "From: Anna <anna@sender.test>\r\nTo: ben@dest.test\r\n"

static void a_plain_letter_scores_nothing(void **state)
{
    (void)state;
    score_parts(
        FROM_TO "Subject: Dinner on Friday\r\nContent-Type: text/plain\r\n",
        "Dear Ben,\r\nshall we meet at 8? See https://sender.test/map for the way.\r\n");
    assert_true(verdict.spam_score == 0);
    assert_int_equal(verdict.spam_reasons.length, 0);
}

static bool has_reason(const char *name)
{
    struct str wanted = str_of(arena_printf(message->arena, " %s=", name));
    struct str reasons =
        str_of(arena_printf(message->arena, " %.*s", STR_ARG(verdict.spam_reasons)));
    return str_find(reasons, wanted) >= 0;
}

static void assert_reason(const char *name)
{
    if (!has_reason(name))
        fail_msg("no %s in: %.*s", name, STR_ARG(verdict.spam_reasons));
}

static void assert_no_reason(const char *name)
{
    if (has_reason(name))
        fail_msg("%s is in: %.*s", name, STR_ARG(verdict.spam_reasons));
}

static void rules_about_the_header_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *header, *reason;
    } cases[] = {
        {"To: b@dest.test\r\nSubject: x\r\n", "no_from"},
        {"From: a, b\r\nTo: b@dest.test\r\nSubject: x\r\n", "bad_from"},
        {"From: a@sender.test\r\nSubject: x\r\n", "no_recipients"},
        {"From: a@sender.test\r\nTo: undisclosed-recipients:;\r\n",
         "undisclosed_recipients"},
        {FROM_TO, "empty_subject"},
        {FROM_TO "Subject: BUY THIS TODAY\r\n", "shouted_subject"},
        {FROM_TO "Subject: Look!\r\n", "excited_subject"},
        {FROM_TO "Subject: Look!!\r\n", "very_excited_subject"},
        {FROM_TO "Subject: Earn $500\r\n", "money_subject"},
        {FROM_TO "Subject: Hello             xqzzy\r\n", "subject_gap"},
        {"From: anna12345@sender.test\r\n", "number_name"},
        {"From: \"service@bank.test\" <a@evil.test>\r\n", "other_address_in_name"},
        {FROM_TO "Reply-To: a@other.test\r\n", "other_reply_domain"},
        {"From: a@sender.test\r\nTo: <A@sender.test>\r\n", "to_itself"},
        {FROM_TO "Subject: \xc4\xe3\xba\xc3\r\n", "8bit_header"},
        {FROM_TO "Content-Type: text/plain; charset=\"qqq\"\r\n", "odd_charset"},
        {FROM_TO "X-Priority: 1 (Highest)\r\n", "urgent"},
        {FROM_TO "References: <1@x>\r\n", "answer"},
        {FROM_TO "Content-Type: text/html\r\n", "html_only"},
        {FROM_TO "Content-Type: text/plain\r\nContent-Transfer-Encoding: Base64\r\n",
         "base64_text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_parts(cases[i].header, "x");
        assert_reason(cases[i].reason);
    }
}

static void rules_that_are_near_misses_do_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *header, *reason;
    } cases[] = {
        {FROM_TO "Subject: NASA ok\r\n", "shouted_subject"},
        {FROM_TO "Subject: =?UTF-8?B?QUJDREVGR0g=?=\r\n", "shouted_subject"},
        {"From: \"a@sender.test\" <a@sender.test>\r\n", "other_address_in_name"},
        {"From: \"a@sender.test\" <a@mail.sender.test>\r\n", "other_address_in_name"},
        {"From: \"Anna @ home\" <a@sender.test>\r\n", "other_address_in_name"},
        {FROM_TO "Reply-To: b@sender.test\r\n", "other_reply_domain"},
        {FROM_TO "Content-Type: text/plain; format=flowed; charset=UTF-8\r\n",
         "odd_charset"},
        {FROM_TO "Content-Type: text/plain; format=flowed\r\n", "odd_charset"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_parts(cases[i].header, "x");
        assert_no_reason(cases[i].reason);
    }
}

static void dates_are_read_and_compared(void **state)
{
    (void)state;
    static const struct {
        const char *date, *reason;
    } cases[] = {
        {"Fri, 20 Nov 2026 12:00:00 +0200", ""},
        {"20 Nov 2026 10:00 GMT", ""},
        {"Fri, 20 Nov 2026 02:00:00 -0800 (PST)", ""},
        {"Fri,  20 Nov 2026 10:00:00", ""},
        {"Mon, 23 Nov 2026 12:00:00 +0200", "date_in_future"},
        {"Fri, 20 Nov 2037 12:00:00 +0200", "date_in_future"},
        {"Mon, 3 Aug 2026 12:00:00 +0200", "date_in_past"},
        {"Fri, 20 Nov 2026 12:00:00 -1900", "bad_date"},
        {"Fri, 20 Nov 2026 12:00:00 +02", "bad_date"},
        {"Sat, 02 Feb 0102 11:39:51 +0200", "bad_date"},
        {"yesterday", "bad_date"},
        {"", "bad_date"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_text(arena_printf(message->arena,
                                "Date: %s\r\nMessage-ID: <1@sender.test>\r\n" FROM_TO
                                "Subject: x\r\nReceived: y\r\n\r\nx",
                                cases[i].date));
        if (*cases[i].reason)
            assert_reason(cases[i].reason);
        else
            assert_int_equal(verdict.spam_reasons.length, 0);
    }
    score_text(FROM_TO "\r\n");
    assert_reason("no_date");
    assert_reason("no_message_id");
    assert_reason("came_directly");
}

static void message_ids_are_looked_at(void **state)
{
    (void)state;
    static const char *const bad[] = {"<1>", "1@x", "<@x>", "<1@>", "<1 2@x>", "<1@x", "@"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        score_text(arena_printf(message->arena, "Message-ID: %s\r\n\r\n", bad[i]));
        assert_reason("bad_message_id");
    }
}

static void rules_about_the_body_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"<html><body>hello</body></html>", "undeclared_html"},
        {"wow! wow! wow! wow! wow!", "excited"},
        {"see http://192.0.2.1/x", "link_to_address"},
        {"<a href=\"http://bank.test@192.0.2.1/x\">x</a>", "link_to_address"},
        {"<A HREF=https://user:pass@192.0.2.1:80/>x</A>", "link_to_address"},
        {"see https://bit.ly/xyz", "shortened_link"},
        {"see https://a.b.xyz/", "odd_domain_link"},
        {"<a href='https://evil.test/bank'>https://www.bank.test/login</a>", "lying_link"},
        {"<a href='https://evil.test/'>\r\n www.bank.test </a>", "lying_link"},
        {"<a href='https://a.co.uk/'>https://b.co.uk</a>", "lying_link"},
        {"<p>hello<img src=x></p>", "mostly_images"},
        {"Content-Disposition: attachment;\r\n filename=\"invoice.pdf.exe\"\r\n",
         "executable"},
        {"Content-Type: application/x; name=a.SCR\r\n", "executable"},
        {"Content-Disposition: attachment; filename*=utf-8''a.js\r\n", "executable"},
        {"You have   WON\r\nthe lottery", "phrases"},
        {"<b>V</b>ia<i>gr</i>a", "phrases"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_parts(FROM_TO "Subject: x\r\n", cases[i].body);
        assert_reason(cases[i].reason);
    }
}

static void honest_bodies_do_not_count(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "if (a <b && c> d) return a != b;",
        "<a href='https://click.bank.test/1'>https://www.bank.test/</a>",
        "<a href='https://a.co.uk/1'>https://www.a.co.uk/</a>",
        "<a href='https://a.test/'>our page</a>",
        "<a href='#top'>https://www.bank.test/</a>",
        "Content-Disposition: attachment; filename=\"report.pdf\"\r\n",
        "my name is Com.exe",
        "invitations from a specialist: xxl",
        "",
        "<",
        "<a",
        "=",
        "http://",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        score_parts(FROM_TO "Subject: x\r\n", bodies[i]);
        if (verdict.spam_reasons.length)
            fail_msg("%s: %.*s", bodies[i], STR_ARG(verdict.spam_reasons));
    }
}

static void quoted_printable_is_read_through(void **state)
{
    (void)state;
    score_parts(FROM_TO "Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n",
                "via=\r\ngra for=20you, <a href=3D\"http://192.0.2.1/\">x</a>");
    assert_reason("phrases");
    assert_reason("link_to_address");
    score_parts(FROM_TO "Subject: x\r\n", "via=\r\ngra");
    assert_no_reason("phrases");
}

static void the_verdict_counts(void **state)
{
    (void)state;
    const struct auth_list_hit hits[] = {{.zone = STR("bl.test")},
                                         {.zone = STR("wl.test"), .is_allowed = true}};
    verdict.client = (struct auth_client){
        .iprev = AUTH_FAIL, .hostname = STR("h.test"), .hits = hits, .hit_count = 2};
    verdict.spf.result = AUTH_FAIL;
    verdict.dkim_count = 1;
    verdict.dkim[0].result = AUTH_FAIL;
    verdict.dmarc.result = AUTH_FAIL;
    message->client.helo = STR("localhost");
    score_parts(FROM_TO "Subject: x\r\n", "x");
    static const char *const reasons[] = {"no_reverse_name", "bad_helo",    "other_helo",
                                          "spf_fail",        "dkim_broken", "dmarc_fail",
                                          "block_listed",    "allow_listed"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        assert_reason(reasons[i]);
}

static void the_score_stays_between_nothing_and_five(void **state)
{
    (void)state;
    score_text(
        "From: \"x@y.test\" <\r\nDate: x\r\nMessage-ID: x\r\n"
        "Subject: FREE FREE FREE!!!!          FREE $$$\r\nContent-Type: text/html\r\n"
        "X-Priority: 1\r\n\r\n<html>viagra! casino! http://1.2.3.4/! you have won! !\r\n");
    assert_true(verdict.spam_score == AUTH_SPAM_SCORE_MAX);
    score_parts(FROM_TO "Subject: x\r\nIn-Reply-To: <1@x>\r\n", "x");
    assert_true(verdict.spam_score == 0);
}

static void only_the_beginning_of_a_body_is_read(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, (size_t)1 << 20);
    assert_int_equal(buf_append(&buf, STR(PLAIN_HEADER FROM_TO "Subject: x\r\n\r\n")), 0);
    while (buf.length < AUTH_SPAM_BYTES_READ + 1000)
        assert_int_equal(buf_append(&buf, STR("hello world\r\n")), 0);
    assert_int_equal(buf_append(&buf, STR("viagra viagra\r\n")), 0);
    score(buf_view(&buf));
    assert_no_reason("phrases");
    buf_free(&buf);
}

/* --- real mail --- */

struct statistics {
    unsigned count, suspect_count;
    double sum;
};

static void read_file(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t bytes = 1; bytes;) {
        char *room = buf_reserve(content, 65536);
        assert_non_null(room);
        bytes = fread(room, 1, 65536, file);
        buf_extend(content, bytes);
    }
    fclose(file);
}

static void score_file(const char *folder, const char *name, struct statistics *statistics)
{
    char path[4096];
    struct buf content;
    buf_init(&content, (size_t)4 << 20);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    read_file(path, &content);
    open_message(NULL);
    score(buf_view(&content));
    if (getenv("POSTERN_SPAM_REASONS"))
        print_message("%.1f %s %.*s\n", verdict.spam_score, name,
                      STR_ARG(verdict.spam_reasons));
    statistics->count++;
    statistics->sum += verdict.spam_score;
    statistics->suspect_count += verdict.spam_score >= 2;
    release_message(NULL);
    buf_free(&content);
}

static void spam_scores_clearly_higher_than_ham(void **state)
{
    (void)state;
    const char *given = getenv("POSTERN_CORPUS");
    const char *folder = given ? given : "../shared/corpus";
    DIR *directory = opendir(folder);
    if (!directory) {
        print_message("no corpus at %s (set POSTERN_CORPUS)\n", folder);
        skip();
        return;
    }
    struct statistics spam = {0}, ham = {0};
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strstr(entry->d_name, ".eml"))
            score_file(folder, entry->d_name,
                       strncmp(entry->d_name, "spam", 4) == 0 ? &spam : &ham);
    closedir(directory);
    assert_true(spam.count > 0 && ham.count > 0);
    print_message("ham %.2f (%u of %u at 2 or more), spam %.2f (%u of %u)\n",
                  ham.sum / ham.count, ham.suspect_count, ham.count, spam.sum / spam.count,
                  spam.suspect_count, spam.count);
    assert_true(spam.sum / spam.count > 2);
    assert_true(ham.sum / ham.count < 0.5);
    assert_true(spam.suspect_count * 10 > spam.count * 6);
    assert_true(ham.suspect_count * 20 < ham.count);
}

#define message_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_message, release_message)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(a_plain_letter_scores_nothing),
        message_test(rules_about_the_header_are_named),
        message_test(rules_that_are_near_misses_do_not_count),
        message_test(dates_are_read_and_compared),
        message_test(message_ids_are_looked_at),
        message_test(rules_about_the_body_are_named),
        message_test(honest_bodies_do_not_count),
        message_test(quoted_printable_is_read_through),
        message_test(the_verdict_counts),
        message_test(the_score_stays_between_nothing_and_five),
        message_test(only_the_beginning_of_a_body_is_read),
        cmocka_unit_test(spam_scores_clearly_higher_than_ham),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
