/* ARC: chains that are right, of every length; chains with one thing wrong; what hostile ones cost. */
#include <errno.h>

#include "test.h"

#include "auth/arc.h"
/* after test.h: they assert */
#include "../net/fake_dns.h"
#include "arc_sealer.h"

#define NOW_MS 1795321752000 /* 22 November 2026 */

#define ORIGINAL                                                                           \
    "From: a@author.test\r\nTo: b@dest.test\r\nSubject: Hello\r\n\r\nOne.\r\nTwo.\r\n"

/* --- the fixture --- */

static struct signer signer;
static struct fake_dns fake;
static struct dns *dns;
static struct arena *arena;
static struct auth_arc arc;

static void publish(struct fake_record *records)
{
    const char *key = arena_printf(arena, "v=DKIM1; k=ed25519; p=%s", signer.public_text);
    for (size_t i = 1; i <= SEALER_SETS_MAX; i++)
        *records++ = (struct fake_record){
            arena_printf(arena, "ed._domainkey.hop%zu.test", i), DNS_TXT, key};
    *records++ = (struct fake_record){"fail._domainkey.hop1.test", FAKE_ANY, FAKE_SERVFAIL};
    *records++ =
        (struct fake_record){"silent._domainkey.hop1.test", FAKE_ANY, FAKE_NO_ANSWER};
    *records++ = (struct fake_record){"revoked._domainkey.hop1.test", DNS_TXT,
                                      "v=DKIM1; k=ed25519; p="};
    *records = (struct fake_record){0};
}

static int run_body(void *body)
{
    struct fake_record records[SEALER_SETS_MAX + 4];
    struct err err;
    arena = arena_new();
    signer_open_ed25519(&signer);
    publish(records);
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 2000},
                   &err);
    assert_non_null(dns);
    (*(void (**)(void))body)();
    dns_close(dns);
    fake_dns_close(&fake);
    task_sleep(1); /* the records are on the stack */
    signer_close(&signer);
    arena_free(arena);
    return 0;
}

static void run(void (*body)(void))
{
    assert_int_equal(test_run(run_body, &body), 0);
}

static struct sealed sealed_message(size_t count)
{
    struct sealed sealed = {
        .arena = arena, .signer = &signer, .raw = arena_text(arena, STR(ORIGINAL))};
    while (sealed.count < count)
        sealer_add(&sealed, &(struct sealing){0});
    return sealed;
}

static int verify(const char *raw)
{
    struct message *message = signer_message(raw, NOW_MS);
    int result = auth_arc_verify(dns, message, task_in_ms(5000), arena, &arc);
    message_release(message);
    return result;
}

static void assert_result(const char *raw, enum auth_result expected, const char *reason)
{
    assert_int_equal(verify(raw), 0);
    if (arc.result != expected || (*reason && str_find(arc.reason, str_of(reason)) < 0))
        fail_msg("%s (%.*s) instead of %s (%s)", auth_result_name(arc.result),
                 STR_ARG(arc.reason), auth_result_name(expected), reason);
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(s), expected);
}

/* --- chains that are right --- */

static void check_lengths(void)
{
    static const size_t counts[] = {1, 2, 3, 10, 49, 50};
    assert_result(ORIGINAL, AUTH_NONE, "");
    assert_int_equal(arc.count, 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct sealed sealed = sealed_message(counts[i]);
        assert_result(sealed.raw, AUTH_PASS, "");
        assert_int_equal(arc.count, counts[i]);
        assert_int_equal(arc.oldest_pass, 0);
        const struct auth_arc_set *last = &arc.sets[arc.count - 1];
        assert_int_equal(last->instance, counts[i]);
        assert_str(last->sealer, arena_printf(arena, "hop%zu.test", counts[i]));
        assert_str(last->selector, "ed");
        assert_int_equal(last->results_dmarc, AUTH_PASS);
    }
}

static void chains_of_up_to_fifty_sets_pass(void **state)
{
    (void)state;
    run(check_lengths);
}

static void check_order(void)
{
    struct sealed sealed = sealed_message(3);
    const char *raw = "";
    static const size_t order[] = {1, 2, 0};
    for (size_t i = 0; i < 3; i++)
        raw = arena_printf(arena, "%s%s%s%s", raw, sealed.seals[order[i]],
                           sealed.results[order[i]], sealed.message_signatures[order[i]]);
    assert_result(arena_printf(arena, "%s%s", raw, ORIGINAL), AUTH_PASS, "");
    assert_str(arc.sets[0].sealer, "hop1.test");
}

static void the_order_of_the_fields_does_not_matter(void **state)
{
    (void)state;
    run(check_order);
}

static void check_oldest_pass(void)
{
    struct sealed sealed = sealed_message(2);
    sealer_edit(&sealed, "Two.", "Two. And a footer.");
    sealer_add(&sealed, &(struct sealing){.names = "from:to"});
    assert_result(sealed.raw, AUTH_PASS, "");
    assert_int_equal(arc.oldest_pass, 3);
    sealer_edit(&sealed, "Hello", "[list] Hello");
    sealer_add(&sealed, &(struct sealing){0});
    assert_result(sealed.raw, AUTH_PASS, "");
    assert_int_equal(arc.oldest_pass, 3);
    sealer_edit(&sealed, "Two.", "Three.");
    assert_result(sealed.raw, AUTH_FAIL, "ARC-Message-Signature i=4: the body was changed");
}

static void what_changed_the_message_is_told_by_the_oldest_pass(void **state)
{
    (void)state;
    run(check_oldest_pass);
}

static void check_results(void)
{
    static const struct {
        const char *payload;
        enum auth_result result;
    } cases[] = {
        {"mx.test; spf=pass; dmarc=fail (p=reject) header.from=a.test", AUTH_FAIL},
        {"mx.test; none", AUTH_NONE},
        {"mx.test;\r\n\tdkim=fail; dmarc=temperror", AUTH_TEMPERROR},
        {"dmarc=pass", AUTH_NONE},
        {"mx.test; dmarc=\"", AUTH_NONE},
        {"", AUTH_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealed sealed = sealed_message(0);
        sealer_add(&sealed, &(struct sealing){.payload = cases[i].payload});
        assert_result(sealed.raw, AUTH_PASS, "");
        if (arc.sets[0].results_dmarc != cases[i].result)
            fail_msg("%s: %s", cases[i].payload,
                     auth_result_name(arc.sets[0].results_dmarc));
    }
}

static void what_a_sealer_says_of_dmarc_is_told(void **state)
{
    (void)state;
    run(check_results);
}

static void check_signatures(void)
{
    static const struct {
        struct sealing sealing;
        enum auth_result result;
        const char *reason;
    } cases[] = {
        {{.forms = "simple/simple"}, AUTH_PASS, ""},
        {{.extra = "; l=12"}, AUTH_PASS, ""},
        {{.extra = "; l=5"}, AUTH_FAIL, "l= is not the length"},
        {{.extra = "; l=13"}, AUTH_FAIL, "l= is not the length"},
        {{.extra = "; l=x"}, AUTH_FAIL, "l= is no number"},
        {{.extra = "; t=1795321752; x=1795321753"}, AUTH_PASS, ""},
        {{.extra = "; x=1795300000"}, AUTH_FAIL, "expired"},
        {{.extra = "; v=2; zz=unknown"}, AUTH_PASS, ""},
        {{.extra = "; zz=1; zz=2"}, AUTH_FAIL, "has no i="},
        {{.names = "from:arc-seal"}, AUTH_FAIL, "h= names ARC-Seal"},
        {{.names = "from:arc-message-signature:arc-authentication-results"}, AUTH_PASS, ""},
        {{.extra_seal = "; h=from"}, AUTH_FAIL, "there is h= in a seal"},
        {{.extra_seal = "; t=99999999999"}, AUTH_FAIL, "in the future"},
        {{.status = "pass"}, AUTH_FAIL, "cv="},
        {{.status = "fail"}, AUTH_FAIL, "cv=fail"},
        {{.status = "maybe"}, AUTH_FAIL, "cv="},
        {{.domain = "-"}, AUTH_FAIL, "d= is no domain"},
        {{.domain = "nowhere.test"}, AUTH_FAIL, "no key at"},
        {{.selector = "revoked"}, AUTH_FAIL, "revoked"},
        {{.selector = "fail"}, AUTH_TEMPERROR, "no answer for"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealed sealed = sealed_message(0);
        sealer_add(&sealed, &cases[i].sealing);
        assert_result(sealed.raw, cases[i].result, cases[i].reason);
    }
}

static void signatures_are_judged_as_those_of_dkim(void **state)
{
    (void)state;
    run(check_signatures);
}

/* --- chains with one thing wrong --- */

static void check_structure(void)
{
    static const struct {
        const char *old, *new, *reason;
    } cases[] = {
        {"ARC-Seal: i=3", "X-Seal: i=3", "a set is not complete"},
        {"ARC-Message-Signature: i=2", "X: i=2", "a set is not complete"},
        {"ARC-Authentication-Results: i=1", "X: i=1", "a set is not complete"},
        {"ARC-Seal: i=3", "ARC-Seal: i=2", "ARC-Seal stands twice"},
        {"ARC-Seal: i=3", "ARC-Seal: i=4", "ARC-Seal has no i="},
        {"ARC-Seal: i=3", "ARC-Seal: i=0", "ARC-Seal has no i="},
        {"ARC-Seal: i=3", "ARC-Seal: i=003", "ARC-Seal has no i="},
        {"ARC-Seal: i=3", "ARC-Seal: i=-3", "ARC-Seal has no i="},
        {"ARC-Seal: i=3", "ARC-Seal: i=18446744073709551619", "ARC-Seal has no i="},
        {"ARC-Seal: i=3;", "ARC-Seal: i=3;;", "ARC-Seal has no i="},
        {"ARC-Message-Signature: i=1;", "ARC-Message-Signature:", "Signature has no i="},
        {"ARC-Authentication-Results: i=2;", "ARC-Authentication-Results:", "has no i="},
        {"ARC-Authentication-Results: i=2;", "ARC-Authentication-Results: i=2 ",
         "has no i="},
        {"ARC-Authentication-Results: i=2", "ARC-Authentication-Results: i=3", "twice"},
        {"cv=pass", "cv=fail", "cv=fail"},
        {"cv=none", "cv=pass", "cv="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealed sealed = sealed_message(3);
        unsigned before = fake.question_count;
        sealer_edit(&sealed, cases[i].old, cases[i].new);
        assert_result(sealed.raw, AUTH_FAIL, cases[i].reason);
        assert_int_equal(arc.count, 0);
        assert_int_equal(fake.question_count, before);
    }
}

static void a_chain_without_valid_structure_fails_before_anything_is_asked(void **state)
{
    (void)state;
    run(check_structure);
}

static void check_tampering(void)
{
    static const struct {
        const char *old, *new, *reason;
    } cases[] = {
        {"i=1; mx.test; dmarc=pass", "i=1; mx.test; dmarc=fail", "ARC-Seal i=3"},
        {"From: a@", "From: x@", "ARC-Message-Signature i=3"},
        {"\r\nOne.", "\r\nZero.", "ARC-Message-Signature i=3"},
        {"ARC-Seal: i=1; a", "ARC-Seal: i=1; y=z; a", "ARC-Seal i=3"},
        {"d=hop2.test", "d=hop1.test", "ARC-Seal i=3"},
        {"i=1; a=ed25519-sha256", "i=1; a=rsa-sha1", "ARC-Seal i=3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sealed sealed = sealed_message(3);
        sealer_edit(&sealed, cases[i].old, cases[i].new);
        assert_result(sealed.raw, AUTH_FAIL, cases[i].reason);
        assert_int_equal(arc.count, 3);
    }
}

static void what_was_changed_below_a_seal_breaks_it(void **state)
{
    (void)state;
    run(check_tampering);
}

static void check_temporary(void)
{
    struct sealed sealed = sealed_message(0);
    sealer_add(&sealed, &(struct sealing){.selector = "silent"});
    sealer_add(&sealed, &(struct sealing){0});
    assert_result(sealed.raw, AUTH_TEMPERROR, "ARC-Seal i=1: no answer");
    struct sealed broken = sealed;
    sealer_edit(&broken, "Two.", "Three.");
    assert_result(broken.raw, AUTH_FAIL, "ARC-Message-Signature i=2");
    struct message *message = signer_message(sealed.raw, NOW_MS);
    assert_int_equal(auth_arc_verify(dns, message, task_in_ms(20), arena, &arc), 0);
    assert_int_equal(arc.result, AUTH_TEMPERROR);
    task_cancel(task_current());
    assert_int_equal(auth_arc_verify(dns, message, task_in_ms(20), arena, &arc),
                     -ECANCELED);
    message_release(message);
}

static void a_key_that_cannot_be_asked_for_is_a_temporary_error(void **state)
{
    (void)state;
    run(check_temporary);
}

/* --- hostile ones --- */

static void check_key_questions(void)
{
    struct sealed sealed = sealed_message(0);
    unsigned before = fake.question_count;
    for (size_t i = 0; i < AUTH_ARC_SETS_MAX; i++)
        sealer_add(&sealed, &(struct sealing){.domain = "hop1.test"});
    assert_result(sealed.raw, AUTH_PASS, "");
    assert_int_equal(fake.question_count, before + 1);
}

static void a_key_is_asked_for_once(void **state)
{
    (void)state;
    run(check_key_questions);
}

static void check_many_sets(void)
{
    struct buf raw;
    unsigned before = fake.question_count;
    assert_result(sealed_message(51).raw, AUTH_FAIL, "more than 50 sets");
    buf_init(&raw, (size_t)1 << 20);
    for (size_t i = 1; i <= 600; i++)
        buf_printf(&raw,
                   "ARC-Seal: i=%zu; cv=pass\r\nARC-Message-Signature: i=%zu\r\n"
                   "ARC-Authentication-Results: i=%zu; x\r\n",
                   i, i, i);
    buf_append(&raw, STR(ORIGINAL));
    assert_result(arena_text(arena, buf_view(&raw)), AUTH_FAIL, "more than 50 sets");
    buf_free(&raw);
    assert_int_equal(fake.question_count, before);
}

static void more_than_fifty_sets_are_not_looked_at(void **state)
{
    (void)state;
    run(check_many_sets);
}

static char *repeated(const char *text, size_t count)
{
    size_t length = strlen(text);
    char *all = arena_alloc(arena, length * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * length, text, length);
    return all;
}

static void check_sizes(void)
{
    struct sealed sealed = sealed_message(0);
    sealer_add(&sealed, &(struct sealing){.payload = repeated("x", 260 * 1024)});
    assert_result(sealed.raw, AUTH_FAIL, "too large");
    sealed = sealed_message(0);
    sealer_add(&sealed, &(struct sealing){0});
    sealer_edit(&sealed, "h=from", arena_printf(arena, "h=%sfrom", repeated("to:", 300)));
    assert_result(sealed.raw, AUTH_FAIL, "too many fields");
    sealed = sealed_message(0);
    sealer_add(&sealed, &(struct sealing){.extra = repeated("; a=b", 5000)});
    assert_result(sealed.raw, AUTH_FAIL, "has no i=");
    sealed = sealed_message(1);
    sealed.raw = arena_printf(arena, "%s%s", repeated("X: y\r\n", HEADER_FIELDS_MAX - 7),
                              sealed.raw);
    assert_result(sealed.raw, AUTH_PASS, "");
    assert_result(arena_printf(arena, "X: y\r\n%s", sealed.raw), AUTH_FAIL, "more fields");
    sealed = sealed_message(1);
    sealer_edit(&sealed, "Hello", repeated("h", (size_t)1100 * 1024));
    assert_result(sealed.raw, AUTH_FAIL, "covers too much");
}

static void fields_of_any_size_are_refused_in_bounds(void **state)
{
    (void)state;
    run(check_sizes);
}

static int count_turns(void *arg)
{
    for (size_t *turns = arg; task_sleep(0) == 0;)
        ++*turns;
    return 0;
}

/* 2 MiB hashed fifty times over would not be bearable here; others run meanwhile. */
static void check_large_body(void)
{
    struct sealed sealed = sealed_message(0);
    size_t turns = 0;
    sealed.raw =
        arena_printf(arena, "%s%s", ORIGINAL, repeated("line of text\r\n", 150000));
    for (size_t i = 0; i < 10; i++)
        sealer_add(&sealed, &(struct sealing){.forms = i % 2 ? "simple/simple" : NULL});
    struct task *other = task_start("other", count_turns, &turns);
    assert_result(sealed.raw, AUTH_PASS, "");
    task_cancel(other);
    task_join(other);
    assert_true(turns > 10);
}

static void a_large_body_is_hashed_once_for_each_form(void **state)
{
    (void)state;
    run(check_large_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(chains_of_up_to_fifty_sets_pass),
        loop_test(the_order_of_the_fields_does_not_matter),
        loop_test(what_changed_the_message_is_told_by_the_oldest_pass),
        loop_test(what_a_sealer_says_of_dmarc_is_told),
        loop_test(signatures_are_judged_as_those_of_dkim),
        loop_test(a_chain_without_valid_structure_fails_before_anything_is_asked),
        loop_test(what_was_changed_below_a_seal_breaks_it),
        loop_test(a_key_that_cannot_be_asked_for_is_a_temporary_error),
        loop_test(a_key_is_asked_for_once),
        loop_test(more_than_fifty_sets_are_not_looked_at),
        loop_test(fields_of_any_size_are_refused_in_bounds),
        loop_test(a_large_body_is_hashed_once_for_each_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
