/* What the signer writes, as our own verification finds it: DKIM and ARC, on messages of every shape, over chains of
 * every state. */
#include <errno.h>

#include "test.h"

#include "auth/arc.h"
#include "auth/dkim.h"
#include "auth/dkim_key.h"
#include "delivery/seal.h"
#include "mail/canonical.h"
#include "mail/tag_list.h"
/* after test.h: they assert */
#include "../delivery/key_folder.h"
#include "../net/fake_dns.h"

#define NOW_MS  1795321752000 /* 22 November 2026 */
#define DOMAINS 3
#define RESULTS                                                                            \
    "mx.one.test; spf=pass smtp.mailfrom=author.test; dmarc=pass header.from=author.test"
#define HEADER_TEXT "From: a@author.test\r\nTo: b@one.test\r\nSubject: Hello\r\n"
#define ORIGINAL    HEADER_TEXT "\r\nOne.\r\nTwo.\r\n"

/* --- the fixture: one.test with RSA and Ed25519, two.test with RSA, three.test with Ed25519 --- */

static struct key_folder folder;
static struct key_ring *ring;
static struct fake_dns fake;
static struct dns *dns;
static struct arena *arena;
static struct fake_record records[DOMAINS * 2 + 1];

/* In strings of at most 255 bytes. */
static const char *in_strings(struct str record)
{
    if (record.length <= 255)
        return arena_text(arena, record);
    return arena_printf(arena, "%.*s|%.*s", 255, record.at, (int)record.length - 255,
                        record.at + 255);
}

static void publish(const struct signing_key *key, void *arg)
{
    struct fake_record **next = arg;
    *(*next)++ = (struct fake_record){arena_text(arena, signing_key_name(key, arena)),
                                      DNS_TXT, in_strings(signing_key_record(key, arena))};
}

static int open_keys(void **state)
{
    (void)state;
    key_folder_open(&folder);
    key_folder_add(&folder, "one.test", "r", false);
    key_folder_add(&folder, "one.test", "e", true);
    key_folder_add(&folder, "two.test", "r", false);
    key_folder_add(&folder, "three.test", "e", true);
    key_folder_activate(&folder, "one.test", "r", "e");
    key_folder_activate(&folder, "two.test", "r", NULL);
    key_folder_activate(&folder, "three.test", "e", NULL);
    ring = key_folder_load(&folder);
    arena = arena_new();
    struct fake_record *next = records;
    key_ring_each(ring, publish, &next);
    return 0;
}

static int close_keys(void **state)
{
    (void)state;
    key_ring_release(ring);
    arena_free(arena);
    key_folder_close(&folder);
    return 0;
}

static int run_body(void *body)
{
    struct err err;
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 2000},
                   &err);
    assert_non_null(dns);
    (*(void (**)(void))body)();
    dns_close(dns);
    fake_dns_close(&fake);
    task_sleep(1);
    return 0;
}

static void run(void (*body)(void))
{
    assert_int_equal(test_run(run_body, &body), 0);
}

/* --- sealing and verifying --- */

static const struct str one[] = {{"one.test", 8}};
static const struct str two[] = {{"two.test", 8}};
static const struct str three[] = {{"three.test", 10}};

/* The fields that go on top. */
static struct str seal(struct str raw, const struct str *domains, size_t count,
                       const char *results, enum seal_chain chain)
{
    struct header header;
    struct err err;
    struct str fields;
    header_parse(raw, arena, &header);
    struct seal_request request = {.header = &header,
                                   .body = str_from(raw, header.body_offset),
                                   .domains = domains,
                                   .domain_count = count,
                                   .results = str_of(results),
                                   .chain = chain,
                                   .now_ms = NOW_MS};
    assert_int_equal(seal_message(ring, &request, arena, &fields, &err), 0);
    return fields;
}

static struct str put_on_top(struct str fields, struct str raw)
{
    size_t length = fields.length + raw.length;
    char *text = arena_alloc(arena, length + 1);
    memcpy(text, fields.at, fields.length);
    memcpy(text + fields.length, raw.at, raw.length);
    return (struct str){text, length};
}

/* The message with one set and signature more. */
static struct str sealed(struct str raw, const struct str *domain, enum seal_chain chain)
{
    return put_on_top(seal(raw, domain, 1, RESULTS, chain), raw);
}

static struct message *message_of(struct str raw)
{
    struct message *message = message_new();
    message->raw = blob_copy(raw);
    message->received_at = NOW_MS;
    header_parse(blob_view(message->raw), message->arena, &message->header);
    return message;
}

static struct auth_verdict verify(struct str raw)
{
    struct auth_verdict verdict = {0};
    struct message *message = message_of(raw);
    assert_int_equal(auth_dkim_verify(dns, message, task_in_ms(5000), arena, &verdict), 0);
    assert_int_equal(auth_arc_verify(dns, message, task_in_ms(5000), arena, &verdict.arc),
                     0);
    message_release(message);
    return verdict;
}

static void assert_dkim(const struct auth_verdict *verdict, size_t count)
{
    assert_int_equal(verdict->dkim_count, count);
    for (size_t i = 0; i < count; i++)
        if (verdict->dkim[i].result != AUTH_PASS)
            fail_msg("DKIM %zu (%.*s): %s, %.*s", i, STR_ARG(verdict->dkim[i].domain),
                     auth_result_name(verdict->dkim[i].result),
                     STR_ARG(verdict->dkim[i].reason));
}

static void assert_arc(const struct auth_verdict *verdict, enum auth_result result,
                       size_t count)
{
    if (verdict->arc.result != result)
        fail_msg("ARC: %s (%.*s) instead of %s", auth_result_name(verdict->arc.result),
                 STR_ARG(verdict->arc.reason), auth_result_name(result));
    if (result == AUTH_PASS)
        assert_int_equal(verdict->arc.count, count);
}

static size_t count_of(struct str raw, const char *name)
{
    struct header header;
    header_parse(raw, arena, &header);
    return header_count(&header, str_of(name));
}

/* A tag of the topmost field of that name. */
static struct str tag_of(struct str raw, const char *name, const char *tag)
{
    struct header header;
    struct tag_list tags;
    size_t index = 0;
    header_parse(raw, arena, &header);
    const struct header_field *field = header_next(&header, str_of(name), &index);
    assert_non_null(field);
    assert_int_equal(tag_list_parse(field->value, &tags), 0);
    return arena_str(arena, tag_list_value(&tags, str_of(tag)));
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(s), expected);
}

/* --- who signs --- */

static void check_signers(void)
{
    const struct str domains[] = {STR("keyless.test"), STR("two.test"), STR("sub.one.test"),
                                  STR("two.test"),     STR("one.test"), STR("three.test")};
    struct str raw = STR(ORIGINAL);
    struct str fields = seal(raw, domains, 6, RESULTS, SEAL_CHAIN_NONE);
    struct auth_verdict verdict = verify(put_on_top(fields, raw));
    assert_dkim(&verdict, 4);
    assert_str(verdict.dkim[0].domain, "two.test");
    assert_str(verdict.dkim[1].domain, "one.test");
    assert_str(verdict.dkim[1].algorithm, "rsa-sha256");
    assert_str(verdict.dkim[2].domain, "one.test");
    assert_str(verdict.dkim[2].algorithm, "ed25519-sha256");
    assert_str(verdict.dkim[3].domain, "three.test");
    assert_arc(&verdict, AUTH_PASS, 1);
    assert_str(verdict.arc.sets[0].sealer, "two.test");
    assert_int_equal(verdict.arc.sets[0].results_dmarc, AUTH_PASS);
    struct header header;
    header_parse(fields, arena, &header);
    static const char *const order[] = {
        "ARC-Seal",       "ARC-Message-Signature", "ARC-Authentication-Results",
        "DKIM-Signature", "DKIM-Signature",        "DKIM-Signature",
        "DKIM-Signature"};
    assert_int_equal(header.count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_str(header.fields[i].name, order[i]);
    assert_int_equal(header.body_offset, fields.length);
}

static void each_key_signs_once_and_the_first_domain_seals(void **state)
{
    (void)state;
    run(check_signers);
}

static void check_nobody(void)
{
    static const struct str nobody[] = {{"keyless.test", 12}, {"", 0}};
    assert_int_equal(seal(STR(ORIGINAL), nobody, 2, RESULTS, SEAL_CHAIN_NONE).length, 0);
    assert_int_equal(seal(STR(ORIGINAL), NULL, 0, RESULTS, SEAL_CHAIN_NONE).length, 0);
}

static void without_a_key_nothing_is_added(void **state)
{
    (void)state;
    run(check_nobody);
}

static void check_no_results(void)
{
    struct str raw = STR(ORIGINAL);
    struct str fields = seal(raw, one, 1, "", SEAL_CHAIN_NONE);
    struct auth_verdict verdict = verify(put_on_top(fields, raw));
    assert_dkim(&verdict, 2);
    assert_arc(&verdict, AUTH_NONE, 0);
}

static void without_results_there_is_no_set(void **state)
{
    (void)state;
    run(check_no_results);
}

/* --- the form --- */

static void check_lines(void)
{
    struct str fields =
        seal(STR(HEADER_TEXT "List-Id: x\r\nReferences: <a@b>\r\n\r\n"), one, 1,
             "mx.one.test;\r\n\tspf=pass  smtp.mailfrom=author.test;\r\n dkim=none",
             SEAL_CHAIN_NONE);
    for (struct str rest = fields; rest.length;) {
        struct str line = str_cut(&rest, '\n');
        if (line.length > 79 || line.length < 3 || line.at[line.length - 1] != '\r')
            fail_msg("line of %zu bytes: %.*s", line.length, STR_ARG(line));
    }
    struct header header;
    header_parse(fields, arena, &header);
    assert_str(header_value(&header, STR("ARC-Authentication-Results"), arena),
               "i=1; mx.one.test; spf=pass smtp.mailfrom=author.test; dkim=none");
}

static void lines_are_folded_at_78_columns(void **state)
{
    (void)state;
    run(check_lines);
}

static size_t times_named(struct str names, const char *name)
{
    size_t count = 0;
    while (names.length)
        count += str_equal_nocase(str_trim(str_cut(&names, ':')), str_of(name));
    return count;
}

static void check_names(void)
{
    struct str raw =
        STR("Received: x\r\nReturn-Path: <x>\r\nAuthentication-Results: "
            "x\r\nX-Postern-Hop: x\r\n"
            "DKIM-Signature: x\r\nFrom: a@b\r\nTo: c@d\r\ntO: e@f\r\nList-Id: x\r\n\r\n");
    struct str top = put_on_top(seal(raw, two, 1, RESULTS, SEAL_CHAIN_NONE), raw);
    static const struct {
        const char *name;
        size_t dkim, arc;
    } table[] = {
        {"From", 2, 2},
        {"To", 3, 3},
        {"Cc", 1, 1},
        {"Reply-To", 1, 1},
        {"Subject", 1, 1},
        {"Date", 1, 1},
        {"List-Id", 1, 1},
        {"Message-ID", 1, 1},
        {"Sender", 0, 0},
        {"MIME-Version", 1, 1},
        {"Received", 0, 0},
        {"Content-Type", 1, 1},
        {"ARC-Seal", 0, 0},
        {"Content-Transfer-Encoding", 1, 1},
        {"Return-Path", 0, 0},
        {"Authentication-Results", 0, 0},
        {"X-Postern-Hop", 0, 0},
        {"ARC-Authentication-Results", 0, 0},
        {"DKIM-Signature", 0, 2},
        {"ARC-Message-Signature", 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t dkim = times_named(tag_of(top, "DKIM-Signature", "h"), table[i].name);
        size_t arc = times_named(tag_of(top, "ARC-Message-Signature", "h"), table[i].name);
        if (dkim != table[i].dkim || arc != table[i].arc)
            fail_msg("%s is named %zu and %zu times", table[i].name, dkim, arc);
    }
}

static void fields_that_readers_go_by_are_oversigned(void **state)
{
    (void)state;
    run(check_names);
}

static void check_additions(void)
{
    struct str top = sealed(STR(ORIGINAL), one, SEAL_CHAIN_NONE);
    static const char *const added[] = {"Subject: Other\r\n", "Reply-To: x@evil.test\r\n",
                                        "Cc: x@evil.test\r\n",
                                        "Content-Type: text/html\r\n"};
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
        struct auth_verdict verdict = verify(put_on_top(str_of(added[i]), top));
        assert_int_equal(verdict.dkim[0].result, AUTH_FAIL);
        assert_int_equal(verdict.dkim[1].result, AUTH_FAIL);
        assert_arc(&verdict, AUTH_FAIL, 0);
    }
    struct auth_verdict verdict =
        verify(put_on_top(STR("Received: from x\r\nX-Postern-Hop: y\r\n"), top));
    assert_dkim(&verdict, 2);
    assert_arc(&verdict, AUTH_PASS, 1);
}

static void a_field_that_is_added_later_breaks_the_signatures(void **state)
{
    (void)state;
    run(check_additions);
}

/* --- messages of every shape --- */

static void check_shapes(void)
{
    static const char *const shapes[] = {
        ORIGINAL,
        HEADER_TEXT "\r\n",
        HEADER_TEXT "\r\n\r\n\r\n",
        HEADER_TEXT,
        HEADER_TEXT "\r\nno final line end",
        HEADER_TEXT "\r\ntrailing  \t blanks \t\r\n \r\n\t\r\n",
        HEADER_TEXT "\r\nbare\rCR and\nLF\n\n\r\n",
        HEADER_TEXT "\r\n\n",
        "From: a@b\nTo: c@d\n\nlines end with LF\n",
        "From: \xc3\xa9\xff <a@b>\r\nSubject: \x80\r\n\r\n8 bit \xff\r\n",
        "From: a@b\r\nX: bare\rCR\r\nSubject: a\rb\r\n\r\n",
        "From: a@b\r\nSubject:\r\n \r\n\t\r\nTo : c@d\r\nCc:\t\r\n\r\nx\r\n",
        "FROM: a@b\r\nSubject: one\r\nSubject: two\r\nsubject: three\r\n\r\nx\r\n",
        "From: a@b\r\nSubject: folded\r\n\t once\r\n  twice \r\n\r\n.\r\n..\r\n",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct auth_verdict verdict =
            verify(sealed(str_of(shapes[i]), one, SEAL_CHAIN_NONE));
        assert_dkim(&verdict, 2);
        assert_arc(&verdict, AUTH_PASS, 1);
    }
}

static void messages_of_every_shape_verify(void **state)
{
    (void)state;
    run(check_shapes);
}

/* What makes a message bad is for verifiers to say; a set seals it as it is. */
static void check_from(void)
{
    static const char *const texts[] = {"",
                                        "\r\n",
                                        "\r\nbody",
                                        "Subject: x\r\n\r\n",
                                        "From: a@b\r\nFrom: c@d\r\n\r\n",
                                        "not a field\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct auth_verdict verdict =
            verify(sealed(str_of(texts[i]), one, SEAL_CHAIN_NONE));
        assert_int_equal(verdict.dkim_count, 2);
        assert_int_equal(verdict.dkim[0].result, AUTH_PERMERROR);
        assert_arc(&verdict, AUTH_PASS, 1);
    }
}

static void messages_without_one_from_are_signed_as_they_are(void **state)
{
    (void)state;
    run(check_from);
}

static struct str with_fields(const char *field, size_t count, const char *rest)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s %zu\r\n", field, i);
    buf_append(&text, str_of(rest));
    struct str raw = arena_str(arena, buf_view(&text));
    buf_free(&text);
    return raw;
}

static void check_many_fields(void)
{
    struct auth_verdict verdict =
        verify(sealed(with_fields("X-Filler:", 1950, ORIGINAL), one, SEAL_CHAIN_NONE));
    assert_dkim(&verdict, 2);
    assert_arc(&verdict, AUTH_PASS, 1);
    verdict = verify(sealed(with_fields("To:", 1950, ORIGINAL), one, SEAL_CHAIN_NONE));
    assert_dkim(&verdict, 2);
    assert_arc(&verdict, AUTH_PASS, 1);
    verdict =
        verify(sealed(with_fields("DKIM-Signature:", 300, ORIGINAL), one, SEAL_CHAIN_NONE));
    assert_arc(&verdict, AUTH_PASS, 1);
    sealed(with_fields("To:", 5000, ORIGINAL), one, SEAL_CHAIN_NONE);
}

static void two_thousand_fields_are_signed(void **state)
{
    (void)state;
    run(check_many_fields);
}

static int count_turns(void *arg)
{
    for (;;) {
        if (task_sleep(0) < 0)
            return 0;
        ++*(size_t *)arg;
    }
}

static void check_large_body(void)
{
    size_t turns = 0;
    size_t bytes = (size_t)25 << 20;
    struct str raw = {mem_alloc(bytes), bytes};
    memset((char *)raw.at, 'x', bytes);
    memcpy((char *)raw.at, HEADER_TEXT "\r\n", sizeof HEADER_TEXT + 1);
    for (size_t at = 1000; at < bytes; at += 70)
        memcpy((char *)raw.at + at, "\r\n", 2);
    struct task *other = task_start("turns", count_turns, &turns);
    struct str fields = seal(raw, one, 1, RESULTS, SEAL_CHAIN_NONE);
    task_cancel(other);
    task_join(other);
    assert_true(turns > 50);
    struct auth_verdict verdict = verify(put_on_top(fields, raw));
    assert_dkim(&verdict, 2);
    assert_arc(&verdict, AUTH_PASS, 1);
    free((char *)raw.at);
}

static void a_large_body_lets_other_tasks_run(void **state)
{
    (void)state;
    run(check_large_body);
}

/* --- chains --- */

static void check_chain(void)
{
    struct str raw = sealed(STR(ORIGINAL), one, SEAL_CHAIN_NONE);
    raw = sealed(raw, two, SEAL_CHAIN_PASS);
    raw = sealed(raw, three, SEAL_CHAIN_PASS);
    struct auth_verdict verdict = verify(raw);
    assert_dkim(&verdict, 4);
    assert_arc(&verdict, AUTH_PASS, 3);
    assert_int_equal(verdict.arc.oldest_pass, 0);
    assert_str(tag_of(raw, "ARC-Seal", "cv"), "pass");
    assert_str(tag_of(raw, "ARC-Seal", "i"), "3");
}

static void a_chain_of_three_sealers_passes(void **state)
{
    (void)state;
    run(check_chain);
}

static void check_fifty(void)
{
    struct str raw = STR(ORIGINAL);
    for (size_t i = 1; i <= 50; i++)
        raw = put_on_top(
            seal(raw, three, 1, RESULTS, i == 1 ? SEAL_CHAIN_NONE : SEAL_CHAIN_PASS), raw);
    struct auth_verdict verdict = verify(raw);
    assert_arc(&verdict, AUTH_PASS, 50);
    raw = sealed(raw, two, SEAL_CHAIN_PASS);
    assert_int_equal(count_of(raw, "ARC-Seal"), 50);
    assert_str(tag_of(raw, "DKIM-Signature", "d"), "two.test");
}

static void after_fifty_sets_there_is_no_other(void **state)
{
    (void)state;
    run(check_fifty);
}

/* RFC 8617 section 5.1.2: the new seal is that of its own set. */
static void assert_seals_itself(struct str raw)
{
    struct header header;
    header_parse(raw, arena, &header);
    struct buf own;
    buf_init(&own, (size_t)1 << 20);
    static const size_t order[] = {2, 1};
    for (size_t i = 0; i < 2; i++)
        canonical_field(CANONICAL_RELAXED, header.fields[order[i]].whole, &own);
    struct tag_list tags;
    assert_int_equal(tag_list_parse(header.fields[0].value, &tags), 0);
    canonical_signature(CANONICAL_RELAXED, header.fields[0].whole,
                        tag_list_find(&tags, STR("b"))->raw, &own);
    struct auth_dkim_key key;
    struct str bytes;
    size_t count;
    auth_dkim_key_read(signing_key_record(key_ring_find(ring, two[0], &count)[0], arena),
                       arena, &key);
    assert_int_equal(key.result, AUTH_PASS);
    assert_int_equal(tag_base64(tag_list_value(&tags, STR("b")), arena, &bytes), 0);
    assert_true(auth_dkim_key_verifies(&key, buf_view(&own), bytes));
    auth_dkim_key_release(&key);
    buf_free(&own);
}

static void check_broken(void)
{
    struct str first = sealed(STR(ORIGINAL), one, SEAL_CHAIN_NONE);
    struct str raw = put_on_top(STR("Subject: changed\r\n"), first);
    raw = sealed(raw, two, SEAL_CHAIN_FAIL);
    assert_str(tag_of(raw, "ARC-Seal", "i"), "2");
    assert_str(tag_of(raw, "ARC-Seal", "cv"), "fail");
    assert_seals_itself(raw);
    struct auth_verdict verdict = verify(raw);
    assert_arc(&verdict, AUTH_FAIL, 0);
    raw = sealed(raw, three, SEAL_CHAIN_FAIL);
    assert_int_equal(count_of(raw, "ARC-Seal"), 2);
    assert_int_equal(count_of(raw, "ARC-Message-Signature"), 2);
    assert_str(tag_of(raw, "DKIM-Signature", "d"), "three.test");
}

static void a_chain_that_fails_is_ended_once(void **state)
{
    (void)state;
    run(check_broken);
}

static void check_malformed(void)
{
    static const struct {
        const char *fields, *instance;
    } table[] = {
        {"ARC-Seal: i=1; cv=none; b=x\r\n", "2"},
        {"ARC-Seal: i=3; cv=pass; b=x\r\nARC-Seal: i=1; cv=none; b=x\r\n", "4"},
        {"ARC-Message-Signature: i=7; b=x\r\n", "8"},
        {"ARC-Authentication-Results: i = 9 ; mx; none\r\n", "10"},
        {"ARC-Seal: i=2; b=x\r\nARC-Seal: i=2; b=x\r\n", "3"},
        {"ARC-Seal: i=0; b=x\r\n", "1"},
        {"ARC-Seal: i=51; b=x\r\n", "1"},
        {"ARC-Seal: i=99999999999999999999; b=x\r\n", "1"},
        {"ARC-Seal: nonsense\r\n", "1"},
        {"ARC-Seal:\r\n", "1"},
        {"ARC-Authentication-Results: mx; none\r\n", "1"},
        {"ARC-Seal: i=1; cv=fail; b=x\r\nARC-Seal: i=2; cv=pass; b=x\r\n", "3"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct str raw = put_on_top(str_of(table[i].fields), STR(ORIGINAL));
        struct str top = sealed(raw, two, SEAL_CHAIN_FAIL);
        assert_str(tag_of(top, "ARC-Seal", "i"), table[i].instance);
        assert_str(tag_of(top, "ARC-Seal", "cv"), "fail");
        assert_seals_itself(top);
        struct auth_verdict verdict = verify(top);
        assert_arc(&verdict, AUTH_FAIL, 0);
        /* never more than is there, whatever the caller believes */
        top = sealed(raw, two, SEAL_CHAIN_PASS);
        assert_str(tag_of(top, "ARC-Seal", "cv"), "fail");
        assert_int_equal(seal(raw, two, 1, RESULTS, SEAL_CHAIN_NONE).at[0], 'D');
    }
}

static void malformed_chains_get_a_set_that_says_so(void **state)
{
    (void)state;
    run(check_malformed);
}

static void check_ended(void)
{
    static const char *const tables[] = {
        "ARC-Seal: i=1; cv=fail; b=x\r\n",
        "ARC-Seal: i=2; cv=FAIL; b=x\r\nARC-Seal: i=1; cv=none; b=x\r\n",
        "ARC-Seal: i=50; cv=pass; b=x\r\n",
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct str raw = put_on_top(str_of(tables[i]), STR(ORIGINAL));
        size_t before = count_of(raw, "ARC-Seal");
        raw = sealed(raw, two, SEAL_CHAIN_FAIL);
        assert_int_equal(count_of(raw, "ARC-Seal"), before);
        assert_int_equal(count_of(raw, "ARC-Message-Signature"), 0);
        assert_int_equal(count_of(raw, "DKIM-Signature"), 1);
    }
}

static void an_ended_chain_stays_as_it_is(void **state)
{
    (void)state;
    run(check_ended);
}

/* --- waiting --- */

static int seal_large(void *arg)
{
    struct header header;
    struct str *raw = arg;
    struct str fields;
    struct err err = {0};
    header_parse(*raw, arena, &header);
    struct seal_request request = {.header = &header,
                                   .body = str_from(*raw, header.body_offset),
                                   .domains = one,
                                   .domain_count = 1,
                                   .now_ms = NOW_MS};
    int result = seal_message(ring, &request, arena, &fields, &err);
    assert_int_equal(err.code, result);
    return result;
}

static void check_cancel(void)
{
    struct str raw = with_fields("text", 40000, "");
    raw = put_on_top(STR(HEADER_TEXT "\r\n"), raw);
    struct task *task = task_start("seal", seal_large, &raw);
    task_sleep(0);
    task_cancel(task);
    assert_int_equal(task_join(task), -ECANCELED);
}

static void a_cancelled_message_is_not_signed(void **state)
{
    (void)state;
    run(check_cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(each_key_signs_once_and_the_first_domain_seals),
        loop_test(without_a_key_nothing_is_added),
        loop_test(without_results_there_is_no_set),
        loop_test(lines_are_folded_at_78_columns),
        loop_test(fields_that_readers_go_by_are_oversigned),
        loop_test(a_field_that_is_added_later_breaks_the_signatures),
        loop_test(messages_of_every_shape_verify),
        loop_test(messages_without_one_from_are_signed_as_they_are),
        loop_test(two_thousand_fields_are_signed),
        loop_test(a_large_body_lets_other_tasks_run),
        loop_test(a_chain_of_three_sealers_passes),
        loop_test(after_fifty_sets_there_is_no_other),
        loop_test(a_chain_that_fails_is_ended_once),
        loop_test(malformed_chains_get_a_set_that_says_so),
        loop_test(an_ended_chain_stays_as_it_is),
        loop_test(a_cancelled_message_is_not_signed),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
