/* DKIM: the examples of the RFCs, signatures with one thing wrong, keys with one thing wrong, and what an
 * attacker can build of signatures that are right. */
#include <errno.h>

#include "test.h"

#include "auth/dkim.h"
/* after test.h: they assert */
#include "../net/fake_dns.h"
#include "dkim_signer.h"

#define NOW_S 1795321752 /* 22 November 2026 */

#define EXAMPLE_RSA                                                                        \
    "v=DKIM1; k=rsa; "                                                                     \
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd|"  \
    "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4h|"    \
    "stT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define EXAMPLE_ED25519 "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define EXAMPLE_SIMPLE                                                                     \
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1|" \
    "fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gb|"    \
    "to/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"

#define EXAMPLE_REST                                                                       \
    "From: Joe SixPack <joe@football.example.com>\r\n"                                     \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"                                         \
    "Subject: Is dinner ready?\r\n"                                                        \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                      \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"                     \
    "\r\nHi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"

/* RFC 8463 appendix A. */
#define EXAMPLE_8463                                                                       \
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"                        \
    " d=football.example.com; i=@football.example.com;\r\n"                                \
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"                              \
    " subject : date : message-id : from : subject : date;\r\n"                            \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                \
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"                      \
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"                                                \
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"                            \
    " d=football.example.com; i=@football.example.com;\r\n"                                \
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"                        \
    " date : message-id : from : subject : date;\r\n"                                      \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                                \
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"                      \
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"                      \
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" EXAMPLE_REST

/* RFC 6376 appendix A.2. */
#define EXAMPLE_6376                                                                       \
    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"                    \
    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"                    \
    "      h=Received : From : To : Subject : Date : Message-ID;\r\n"                      \
    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                           \
    "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"                     \
    "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"                       \
    "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"                       \
    "      4bmp/YzhwvcubU4=;\r\n"                                                          \
    "Received: from client1.football.example.com  [192.0.2.1]\r\n"                         \
    "      by submitserver.example.com with SUBMISSION;\r\n"                               \
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" EXAMPLE_REST

/* --- the fixture --- */

static struct signer rsa, weak, large, slow, ed25519;
static struct fake_dns fake;
static struct dns *dns;
static struct arena *arena;
static struct auth_verdict verdict;

/* Keys: {selector, record}; "%" in the record is the key of the signer. */
static const struct key_row {
    const char *selector;
    struct signer *signer;
    const char *record;
    enum auth_result result; /* of a signature that is right */
    const char *reason;
} keys[] = {
    {"rsa", &rsa, "v=DKIM1; k=rsa; p=%", AUTH_PASS, ""},
    {"bare", &rsa, "p=%", AUTH_PASS, ""},
    {"spaced", &rsa, " v = DKIM1 ; k = rsa ; n=a note ; p = % ; ", AUTH_PASS, ""},
    {"flags", &rsa, "v=DKIM1; h=sha1:sha256; s=other:email; t=y:s; p=%", AUTH_PASS, ""},
    {"every", &rsa, "s=*; x=unknown; p=%", AUTH_PASS, ""},
    {"alg25519", &ed25519, "v=DKIM1; k=ed25519; p=%", AUTH_PASS, ""},
    {"large", &large, "k=rsa; p=%", AUTH_PERMERROR, "key has 4104 bits"},
    {"slow", &slow, "k=rsa; p=%", AUTH_PERMERROR, "no key of its kind"},
    {"weak", &weak, "k=rsa; p=%", AUTH_POLICY, "key has only 768 bits"},
    {"revoked", &rsa, "v=DKIM1; p=", AUTH_PERMERROR, "key was revoked"},
    {"nop", &rsa, "v=DKIM1; k=rsa", AUTH_PERMERROR, "no key record"},
    {"version", &rsa, "v=DKIM2; p=%", AUTH_PERMERROR, "v= is not DKIM1"},
    {"late", &rsa, "k=rsa; v=DKIM1; p=%", AUTH_PERMERROR, "v= is not DKIM1, or not"},
    {"kind", &rsa, "k=dsa; p=%", AUTH_PERMERROR, "unknown kind"},
    {"other", &ed25519, "k=rsa; p=%", AUTH_PERMERROR, "no key of its kind"},
    {"mixed", &rsa, "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
     AUTH_PERMERROR, "another kind"},
    {"hash", &rsa, "h=sha1; p=%", AUTH_PERMERROR, "h= does not allow sha256"},
    {"service", &rsa, "s=tlsrpt; p=%", AUTH_PERMERROR, "s= does not allow email"},
    {"base64", &rsa, "p=%!", AUTH_PERMERROR, "no key of its kind"},
    {"cut", &rsa, "p=MIGfMA0GCSqGSIb3", AUTH_PERMERROR, "no key of its kind"},
    {"trailing", &rsa, "p=%AAAA", AUTH_PERMERROR, "no key of its kind"},
    {"twice", &rsa, "p=%; p=%", AUTH_PERMERROR, "no key record"},
    {"junk", &rsa, "hello world", AUTH_PERMERROR, "no key record"},
    {"spf", &rsa, "v=spf1 -all", AUTH_PERMERROR, "no key record"},
};

#define KEY_COUNT (sizeof keys / sizeof *keys)

static const struct fake_record other_records[] = {
    {"brisbane._domainkey.football.example.com", DNS_TXT, EXAMPLE_ED25519},
    {"test._domainkey.football.example.com", DNS_TXT, EXAMPLE_RSA},
    {"brisbane._domainkey.example.com", DNS_TXT, EXAMPLE_SIMPLE},
    {"alias._domainkey.sender.test", FAKE_CNAME, "rsa._domainkey.sender.test"},
    {"loop._domainkey.sender.test", FAKE_CNAME, "loop._domainkey.sender.test"},
    {"dangling._domainkey.sender.test", FAKE_CNAME, "nowhere.test"},
    {"nodata._domainkey.sender.test", FAKE_ANY, FAKE_NODATA},
    {"fail._domainkey.sender.test", FAKE_ANY, FAKE_SERVFAIL},
    {"silence._domainkey.sender.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"silence1._domainkey.sender.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"silence2._domainkey.sender.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"silence3._domainkey.sender.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"several._domainkey.sender.test", DNS_TXT, EXAMPLE_ED25519},
    {"several._domainkey.sender.test", DNS_TXT, "v=DKIM1; p="},
    {"long._domainkey.sender.test", DNS_TXT, "p*60000"},
};

#define OTHER_COUNT (sizeof other_records / sizeof *other_records)

static struct fake_record records[KEY_COUNT + OTHER_COUNT + 2];

/* "%" becomes the key; strings of a record are cut at "|". */
static char *record_text(const struct key_row *row, struct arena *memory)
{
    struct buf text;
    size_t run = 0;
    buf_init(&text, 10000);
    for (const char *at = row->record; *at; at++) {
        struct str piece = {at, 1};
        if (*at == '%')
            piece = str_of(row->signer->public_text);
        for (size_t i = 0; i < piece.length; i++, run++) {
            if (run % 200 == 199)
                buf_append(&text, STR("|"));
            buf_append(&text, str_part(piece, i, 1));
        }
    }
    char *copy = arena_text(memory, buf_view(&text));
    buf_free(&text);
    return copy;
}

static struct arena *record_arena;

static int open_keys(void **state)
{
    (void)state;
    signer_open_rsa(&rsa, 2048);
    signer_open_pretended(&weak, &rsa, 768, 17);
    signer_open_pretended(&large, &rsa, 4104, 17);
    signer_open_pretended(&slow, &rsa, 2048, 65);
    signer_open_ed25519(&ed25519);
    record_arena = arena_new();
    for (size_t i = 0; i < KEY_COUNT; i++) {
        records[i].name =
            arena_printf(record_arena, "%s._domainkey.sender.test", keys[i].selector);
        records[i].type = DNS_TXT;
        records[i].value = record_text(&keys[i], record_arena);
    }
    memcpy(records + KEY_COUNT, other_records, sizeof other_records);
    /* what a wildcard gives beside the key */
    records[KEY_COUNT + OTHER_COUNT] =
        (struct fake_record){"every._domainkey.sender.test", DNS_TXT, "v=spf1 -all"};
    return 0;
}

static int close_keys(void **state)
{
    (void)state;
    signer_close(&rsa);
    signer_close(&weak);
    signer_close(&large);
    signer_close(&slow);
    signer_close(&ed25519);
    arena_free(record_arena);
    return 0;
}

static int run_body(void *body)
{
    struct err err;
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 2000},
                   &err);
    assert_non_null(dns);
    arena = arena_new();
    (*(void (**)(void))body)();
    dns_close(dns);
    fake_dns_close(&fake);
    arena_free(arena);
    return 0;
}

static void run(void (*body)(void))
{
    assert_int_equal(test_run(run_body, &body), 0);
}

static const struct auth_dkim *verify(const char *raw)
{
    struct message *message = signer_message(raw, (uint64_t)NOW_S * 1000);
    assert_int_equal(auth_dkim_verify(dns, message, task_in_ms(10000), arena, &verdict), 0);
    message_release(message);
    return verdict.dkim;
}

static void assert_outcome(const struct auth_dkim *outcome, enum auth_result result,
                           const char *reason, const char *what)
{
    bool is_reason = *reason ? str_find(outcome->reason, str_of(reason)) >= 0
                             : outcome->reason.length == 0;
    if (outcome->result != result || !is_reason)
        fail_msg("%s: %s (%.*s), not %s (%s)", what, auth_result_name(outcome->result),
                 STR_ARG(outcome->reason), auth_result_name(result), reason);
}

#define MESSAGE                                                                            \
    "From: Joe <joe@sender.test>\r\n"                                                      \
    "To:  Anna <anna@dest.test>\r\n"                                                       \
    "Subject: One\r\n\ttwo  three\r\n"                                                     \
    "\r\n"                                                                                 \
    "A  body \t with blanks. \r\n\r\nand lines\r\n\r\n\r\n"

#define REST "a=rsa-sha256; c=relaxed/relaxed; d=sender.test; s=rsa; h=From:To:Subject"
#define GOOD "v=1; " REST

static struct signing good_signing(const char *tags)
{
    return (struct signing){.signer = &rsa,
                            .tags = tags,
                            .names = "From:To:Subject",
                            .header_form = CANONICAL_RELAXED,
                            .body_form = CANONICAL_RELAXED};
}

/* --- the RFCs' own examples --- */

static void verify_examples(void)
{
    const struct auth_dkim *outcomes = verify(EXAMPLE_8463);
    assert_int_equal(verdict.dkim_count, 2);
    assert_outcome(&outcomes[0], AUTH_PASS, "", "RFC 8463, Ed25519");
    assert_outcome(&outcomes[1], AUTH_PASS, "", "RFC 8463, RSA");
    assert_true(str_equal(outcomes[0].domain, STR("football.example.com")));
    assert_true(str_equal(outcomes[0].selector, STR("brisbane")));
    assert_true(str_equal(outcomes[0].identity, STR("@football.example.com")));
    assert_true(str_equal(outcomes[0].algorithm, STR("ed25519-sha256")));
    assert_true(str_equal(outcomes[0].signature, STR("/gCrinpc")));
    assert_int_equal(outcomes[1].key_bits, 1024);
    assert_outcome(verify(EXAMPLE_6376), AUTH_PASS, "", "RFC 6376, simple");
}

static void examples_of_the_rfcs_pass(void **state)
{
    (void)state;
    run(verify_examples);
}

static void verify_changed_examples(void)
{
    char raw[] = EXAMPLE_8463;
    char *body = strstr(raw, "Hi.");
    body[0] = 'h';
    assert_outcome(&verify(raw)[0], AUTH_FAIL, "body hash did not match", "body");
    body[0] = 'H';
    char *subject = strstr(raw, "dinner");
    subject[0] = 'D';
    assert_outcome(&verify(raw)[0], AUTH_FAIL, "signature did not verify", "Ed25519");
    assert_outcome(&verify(raw)[1], AUTH_FAIL, "signature did not verify", "RSA");
}

static void changed_examples_fail(void **state)
{
    (void)state;
    run(verify_changed_examples);
}

/* --- one thing wrong --- */

static const struct {
    const char *tags;
    enum auth_result result;
    const char *reason;
} signatures[] = {
    {GOOD, AUTH_PASS, ""},
    {GOOD "; t=1795321700; x=1795321800", AUTH_PASS, ""},
    {GOOD "; i=joe@mail.SENDER.test; q=dns/txt; z=From:x|To:y; unknown=1", AUTH_PASS, ""},
    {GOOD "; t=1795322000", AUTH_PASS, ""},
    {GOOD "; q=other : dns/txt", AUTH_PASS, ""},
    {"v=1; a=rsa-sha256; c=relaxed/relaxed; d=SENDER.test; s=RSA; h=from : TO\r\n : "
     "subject",
     AUTH_PASS, ""},
    {REST, AUTH_PERMERROR, "v= is not 1"},
    {"v=2; " REST, AUTH_PERMERROR, "v= is not 1"},
    {"v=1; c=relaxed/relaxed; d=sender.test; s=rsa; h=From", AUTH_PERMERROR,
     "a= is missing"},
    {"v=1; a=rsa-sha1; c=relaxed/relaxed; d=sender.test; s=rsa; h=From", AUTH_PERMERROR,
     "rsa-sha1"},
    {"v=1; a=RSA-SHA256; c=relaxed/relaxed; d=sender.test; s=rsa; h=From", AUTH_PERMERROR,
     "unknown algorithm"},
    {"v=1; a=rsa-sha512; c=relaxed/relaxed; d=sender.test; s=rsa; h=From", AUTH_PERMERROR,
     "unknown algorithm"},
    {"v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.test; s=rsa; h=From:To:Subject",
     AUTH_PERMERROR, "another kind"},
    {"v=1; a=rsa-sha256; c=loose; d=sender.test; s=rsa; h=From", AUTH_PERMERROR, "c= "},
    {"v=1; a=rsa-sha256; c=relaxed/; d=sender.test; s=rsa; h=From", AUTH_PERMERROR, "c= "},
    {"v=1; a=rsa-sha256; s=rsa; h=From", AUTH_PERMERROR, "d= "},
    {"v=1; a=rsa-sha256; d=; s=rsa; h=From", AUTH_PERMERROR, "d= "},
    {"v=1; a=rsa-sha256; d=a..b; s=rsa; h=From", AUTH_PERMERROR, "d= "},
    {"v=1; a=rsa-sha256; d=sender.test; h=From", AUTH_PERMERROR, "s= "},
    {"v=1; a=rsa-sha256; d=sender.test; s=; h=From", AUTH_PERMERROR, "s= "},
    {"v=1; a=rsa-sha256; d=sender.test; s=a b; h=From", AUTH_PERMERROR, "s= "},
    {"v=1; a=rsa-sha256; d=sender.test; s=rsa", AUTH_PERMERROR, "h= is missing"},
    {"v=1; a=rsa-sha256; d=sender.test; s=rsa; h=To:Subject", AUTH_PERMERROR,
     "h= does not name From"},
    {GOOD "; i=joe@other.test", AUTH_PERMERROR, "i= is not within d="},
    {GOOD "; i=joe@bysender.test", AUTH_PERMERROR, "i= is not within d="},
    {GOOD "; i=sender.test", AUTH_PERMERROR, "i= is no identity"},
    {GOOD "; q=dns/http", AUTH_PERMERROR, "q= "},
    {GOOD "; l=ten", AUTH_PERMERROR, "l= is no number"},
    {GOOD "; l=-1", AUTH_PERMERROR, "l= is no number"},
    {GOOD "; l=99999999999999999999999999999", AUTH_PASS, ""},
    {GOOD "; l=1000", AUTH_PERMERROR, "l= is more than the body has"},
    {GOOD "; x=1795321000", AUTH_PERMERROR, "expired"},
    {GOOD "; x=never", AUTH_PERMERROR, "x= is no time"},
    {GOOD "; t=1795329999", AUTH_PERMERROR, "future"},
    {GOOD "; t=now", AUTH_PERMERROR, "t= is no time"},
    {GOOD "; t=1795321700; x=1795321700", AUTH_PERMERROR, "x= is not after t="},
    {GOOD "; s=rsa", AUTH_PERMERROR, "no list of tags"},
    {GOOD ";; k=v", AUTH_PERMERROR, "no list of tags"},
};

static void verify_signatures(void)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        struct signing signing = good_signing(signatures[i].tags);
        const struct auth_dkim *outcome = verify(signer_add(&signing, MESSAGE, arena));
        assert_outcome(outcome, signatures[i].result, signatures[i].reason,
                       signatures[i].tags);
    }
}

static void each_tag_is_judged(void **state)
{
    (void)state;
    run(verify_signatures);
}

static void verify_without_hashes(void)
{
    static const char *const bad[][2] = {
        {"; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "b= "},
        {"; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=", "b= "},
        {"; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=!", "b= "},
        {"; b=AAAA", "bh= "},
        {"; bh=; b=AAAA", "bh= "},
        {"; bh=AAAA; b=AAAA", "bh= "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_outcome(verify(arena_printf(arena, "DKIM-Signature: " GOOD "%s\r\n" MESSAGE,
                                           bad[i][0])),
                       AUTH_PERMERROR, bad[i][1], bad[i][0]);
    assert_outcome(verify("DKIM-Signature:\r\n" MESSAGE), AUTH_PERMERROR, "no list",
                   "empty");
    assert_outcome(verify(arena_printf(
                       arena, "DKIM-Signature: " GOOD "; bh=%044d; b=AAAA\r\n" MESSAGE, 0)),
                   AUTH_PERMERROR, "bh= ", "33 bytes");
}

static void hashes_are_needed(void **state)
{
    (void)state;
    run(verify_without_hashes);
}

static const enum canonical_form forms[] = {CANONICAL_SIMPLE, CANONICAL_RELAXED};
static const char *const form_names[] = {"simple", "relaxed"};

static void verify_forms(void)
{
    for (size_t i = 0; i < 4; i++) {
        const char *tags = arena_printf(
            arena,
            "v=1; a=ed25519-sha256; c=%s/%s; d=sender.test; s=alg25519; h=From:To:Subject",
            form_names[i / 2], form_names[i % 2]);
        struct signing signing = good_signing(tags);
        signing.signer = &ed25519;
        signing.header_form = forms[i / 2];
        signing.body_form = forms[i % 2];
        assert_outcome(verify(signer_add(&signing, MESSAGE, arena)), AUTH_PASS, "", tags);
    }
    struct signing alone = good_signing(
        "v=1; a=rsa-sha256; c=relaxed; d=sender.test; s=rsa; h=From:To:Subject");
    alone.body_form = CANONICAL_SIMPLE;
    assert_outcome(verify(signer_add(&alone, MESSAGE, arena)), AUTH_PASS, "", "c=relaxed");
    alone.tags = "v=1; a=rsa-sha256; d=sender.test; s=rsa; h=From:To:Subject";
    alone.header_form = CANONICAL_SIMPLE;
    assert_outcome(verify(signer_add(&alone, MESSAGE, arena)), AUTH_PASS, "", "no c=");
}

static void every_canonicalization_passes(void **state)
{
    (void)state;
    run(verify_forms);
}

/* --- keys --- */

static const struct auth_dkim *verify_with_selector(const char *selector,
                                                    const struct signer *signer)
{
    const char *algorithm = signer == &ed25519 ? "ed25519-sha256" : "rsa-sha256";
    struct signing signing =
        good_signing(arena_printf(arena,
                                  "v=1; a=%s; c=relaxed/relaxed; d=sender.test; s=%s; "
                                  "h=From:To:Subject",
                                  algorithm, selector));
    signing.signer = signer;
    return verify(signer_add(&signing, MESSAGE, arena));
}

static void verify_keys(void)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        assert_outcome(verify_with_selector(keys[i].selector, keys[i].signer),
                       keys[i].result, keys[i].reason, keys[i].selector);
    for (size_t i = 0; i < KEY_COUNT; i++) /* now that keys are kept */
        assert_outcome(verify_with_selector(keys[i].selector, keys[i].signer),
                       keys[i].result, keys[i].reason, keys[i].selector);
}

static void each_key_record_is_judged(void **state)
{
    (void)state;
    run(verify_keys);
}

static const struct {
    const char *selector;
    enum auth_result result;
    const char *reason;
} answers[] = {
    {"alias", AUTH_PASS, ""},
    {"missing", AUTH_PERMERROR, "no key at missing._domainkey.sender.test"},
    {"nodata", AUTH_PERMERROR, "no key at nodata._domainkey.sender.test"},
    {"dangling", AUTH_PERMERROR, "no key at"},
    {"several", AUTH_PERMERROR, "several key records"},
    {"long", AUTH_PERMERROR, "no key record"},
    {"loop", AUTH_TEMPERROR, "no answer for loop._domainkey.sender.test"},
    {"fail", AUTH_TEMPERROR, "no answer for fail._domainkey.sender.test"},
    {"silence", AUTH_TEMPERROR, "no answer for silence._domainkey.sender.test"},
};

static void verify_answers(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_outcome(verify_with_selector(answers[i].selector, &rsa), answers[i].result,
                       answers[i].reason, answers[i].selector);
}

static void each_answer_of_dns_is_judged(void **state)
{
    (void)state;
    run(verify_answers);
}

static void verify_under_a_deadline(void)
{
    struct signing signing = good_signing("v=1; a=rsa-sha256; c=relaxed/relaxed; "
                                          "d=sender.test; s=silence; h=From:To:Subject");
    const char *raw = signer_add(&signing, MESSAGE, arena);
    signing.tags = GOOD;
    struct message *message =
        signer_message(signer_add(&signing, raw, arena), (uint64_t)NOW_S * 1000);
    assert_int_equal(auth_dkim_verify(dns, message, task_in_ms(1500), arena, &verdict), 0);
    assert_outcome(&verdict.dkim[0], AUTH_PASS, "", "one in time");
    assert_outcome(&verdict.dkim[1], AUTH_TEMPERROR, "no time left", "one too late");
    message_release(message);
}

static void a_late_key_is_a_temporary_error(void **state)
{
    (void)state;
    run(verify_under_a_deadline);
}

/* Only one after the other would leave no time for the last. */
static void verify_with_slow_keys(void)
{
    const char *raw = MESSAGE;
    for (unsigned i = 0; i < 4; i++) {
        struct signing signing = good_signing(
            arena_printf(arena,
                         "v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test; s=%s; "
                         "h=From:To:Subject",
                         i ? arena_printf(arena, "silence%u", i) : "rsa"));
        raw = signer_add(&signing, raw, arena);
    }
    struct message *message = signer_message(raw, (uint64_t)NOW_S * 1000);
    assert_int_equal(auth_dkim_verify(dns, message, task_in_ms(1500), arena, &verdict), 0);
    for (size_t i = 0; i < 3; i++)
        assert_outcome(&verdict.dkim[i], AUTH_TEMPERROR, "no time left", "a slow key");
    assert_outcome(&verdict.dkim[3], AUTH_PASS, "", "the last one");
    message_release(message);
}

static void keys_are_asked_for_at_once(void **state)
{
    (void)state;
    run(verify_with_slow_keys);
}

static void verify_of_subdomain(void)
{
    struct signing signing =
        good_signing("v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test;"
                     " s=flags; h=From:To:Subject; i=joe@mail.sender.test");
    assert_outcome(verify(signer_add(&signing, MESSAGE, arena)), AUTH_PERMERROR,
                   "allows no subdomain", "t=s");
}

static void a_key_may_be_for_its_domain_only(void **state)
{
    (void)state;
    run(verify_of_subdomain);
}

/* RFC 8616: U-labels in d= and s=, found under their A-labels. */
static void verify_international(void)
{
    struct signing signing =
        good_signing("v=1; a=rsa-sha256; c=relaxed/relaxed; d=pi\xC3\xB1"
                     "ata.test; s=rsa; "
                     "h=From:To:Subject; i=p\xC3\xA9@pi\xC3\xB1"
                     "ata.test");
    const struct auth_dkim *outcome = verify(signer_add(&signing, MESSAGE, arena));
    assert_outcome(outcome, AUTH_PERMERROR, "no key at rsa._domainkey.xn--piata-pta.test",
                   "U-label");
    assert_true(str_equal(outcome->domain, STR("xn--piata-pta.test")));
}

static void domains_may_be_international(void **state)
{
    (void)state;
    run(verify_international);
}

/* --- attacks --- */

static void verify_with_many_froms(void)
{
    struct signing signing = good_signing(GOOD);
    const char *raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(arena_printf(arena, "From: evil@other.test\r\n%s", raw)),
                   AUTH_PERMERROR, "2 From fields", "on top");
    signing.names = "To";
    signing.tags = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test; s=rsa; h=From:To";
    raw = signer_add(&signing, "To: a@dest.test\r\n\r\nbody\r\n", arena);
    assert_outcome(verify(raw), AUTH_PERMERROR, "0 From fields", "none");
}

static void there_is_one_from(void **state)
{
    (void)state;
    run(verify_with_many_froms);
}

static void verify_with_hidden_field(void)
{
    struct signing signing = good_signing(GOOD);
    struct buf raw;
    buf_init(&raw, (size_t)1 << 20);
    buf_append(&raw, str_of(signer_add(&signing, MESSAGE, arena)));
    const char *head_end = strstr(raw.memory, "\r\n\r\n");
    size_t head = (size_t)(head_end - raw.memory) + 2;
    struct buf many;
    buf_init(&many, (size_t)1 << 20);
    for (size_t i = 0; i < HEADER_FIELDS_MAX; i++)
        buf_append(&many, STR("X: y\r\n"));
    buf_append(&many, STR("From: evil@other.test\r\n"));
    char *text =
        arena_printf(arena, "%.*s%.*s%.*s", (int)head, raw.memory, STR_ARG(buf_view(&many)),
                     (int)(raw.length - head), raw.memory + head);
    assert_outcome(verify(text), AUTH_PERMERROR, "more fields than", "hidden From");
    buf_free(&raw);
    buf_free(&many);
}

static void no_field_hides_behind_others(void **state)
{
    (void)state;
    run(verify_with_hidden_field);
}

static void verify_added_fields(void)
{
    struct signing signing = good_signing(GOOD);
    const char *raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(arena_printf(arena, "Subject: other\r\n%s", raw)), AUTH_PASS, "",
                   "a second Subject on top, not signed against");
    signing.tags = GOOD ":Subject";
    signing.names = "From:To:Subject:Subject";
    raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(raw), AUTH_PASS, "", "signed against more");
    assert_outcome(verify(arena_printf(arena, "Subject: other\r\n%s", raw)), AUTH_FAIL,
                   "did not verify", "a second Subject, signed against");
}

static void a_name_too_many_forbids_more(void **state)
{
    (void)state;
    run(verify_added_fields);
}

static void verify_lengths(void)
{
    struct signing signing = good_signing(GOOD "; l=10");
    signing.limit = 10;
    const char *raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(raw), AUTH_POLICY, "only 10 of the body's 34 bytes", "short l=");
    assert_outcome(verify(arena_printf(arena, "%sBuy now!\r\n", raw)), AUTH_POLICY,
                   "only 10 of", "short l=, more text");
    signing.tags = GOOD "; l=34";
    signing.limit = 34;
    raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(raw), AUTH_PASS, "", "l= of the whole body");
    assert_outcome(verify(arena_printf(arena, "%sBuy now!\r\n", raw)), AUTH_POLICY,
                   "only 34 of", "text appended");
    signing.tags = GOOD "; l=0";
    signing.limit = 0;
    raw = signer_add(&signing, MESSAGE, arena);
    assert_outcome(verify(raw), AUTH_FAIL, "body hash", "l=0 with the hash of all");
}

static void a_length_covers_the_body_or_nothing(void **state)
{
    (void)state;
    run(verify_lengths);
}

static void verify_many_lengths(void)
{
    const char *raw = MESSAGE;
    for (unsigned limit = 1; limit <= 5; limit++) {
        struct signing signing =
            good_signing(arena_printf(arena, GOOD "; l=%u", limit / 2 + 1));
        signing.limit = limit / 2 + 1;
        raw = signer_add(&signing, raw, arena);
    }
    const struct auth_dkim *outcomes = verify(raw);
    assert_int_equal(verdict.dkim_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_outcome(&outcomes[i], AUTH_POLICY,
                       i < 4 ? "only " : "too many different l=", "lengths");
}

static void two_lengths_are_hashed(void **state)
{
    (void)state;
    run(verify_many_lengths);
}

static void verify_a_thousand(void)
{
    struct signing signing = good_signing(GOOD);
    struct buf raw;
    char *one = signer_add(&signing, MESSAGE, arena);
    struct str field = {one, strlen(one) - strlen(MESSAGE)};
    buf_init(&raw, (size_t)1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_append(&raw, field);
    buf_append(&raw, str_of(MESSAGE));
    unsigned before = fake.question_count;
    const struct auth_dkim *outcomes = verify(arena_text(arena, buf_view(&raw)));
    assert_int_equal(verdict.dkim_count, AUTH_DKIM_MAX);
    assert_true(verdict.has_more_dkim);
    for (size_t i = 0; i < AUTH_DKIM_MAX; i++)
        assert_outcome(&outcomes[i], AUTH_PASS, "", "one of a thousand");
    assert_true(fake.question_count - before <= 1);
    buf_free(&raw);
}

static void of_a_thousand_signatures_ten_are_looked_at(void **state)
{
    (void)state;
    run(verify_a_thousand);
}

static void verify_many_names(void)
{
    struct buf tags;
    buf_init(&tags, 10000);
    buf_append(&tags, STR(GOOD));
    for (int i = 0; i < CANONICAL_NAMES_MAX; i++)
        buf_append(&tags, STR(":X"));
    struct signing signing = good_signing(arena_text(arena, buf_view(&tags)));
    assert_outcome(verify(signer_add(&signing, MESSAGE, arena)), AUTH_PERMERROR,
                   "too many fields", "names");
    buf_free(&tags);
}

static void names_are_bounded(void **state)
{
    (void)state;
    run(verify_many_names);
}

static void verify_signed_signature(void)
{
    struct signing first = good_signing(GOOD);
    struct signing second = good_signing(GOOD ":DKIM-Signature");
    second.names = "From:To:Subject:DKIM-Signature";
    const char *raw = signer_add(&second, signer_add(&first, MESSAGE, arena), arena);
    assert_outcome(&verify(raw)[0], AUTH_PASS, "", "a signature signs another");
    assert_outcome(verify(signer_add(&second, MESSAGE, arena)), AUTH_PASS, "",
                   "and names its own kind where there is no other");
}

static void a_signature_may_sign_another(void **state)
{
    (void)state;
    run(verify_signed_signature);
}

static void verify_unsigned(void)
{
    verify(MESSAGE);
    assert_int_equal(verdict.dkim_count, 0);
    assert_false(verdict.has_more_dkim);
    assert_int_equal(fake.question_count, 0);
}

static void no_signature_is_no_result(void **state)
{
    (void)state;
    run(verify_unsigned);
}

static int cancel_soon(void *arg)
{
    task_sleep(50);
    task_cancel(arg);
    return 0;
}

static int verify_cancelled(void *arg)
{
    (void)arg;
    struct signing signing = good_signing("v=1; a=rsa-sha256; c=relaxed/relaxed; "
                                          "d=sender.test; s=silence; h=From:To:Subject");
    const char *raw = signer_add(&signing, MESSAGE, arena);
    signing.tags = GOOD;
    raw = signer_add(&signing, raw, arena);
    struct message *message = signer_message(raw, (uint64_t)NOW_S * 1000);
    int result = auth_dkim_verify(dns, message, task_in_ms(10000), arena, &verdict);
    message_release(message);
    return result;
}

static void cancel_verification(void)
{
    struct task *task = task_start("verify", verify_cancelled, NULL);
    struct task *other = task_start("cancel", cancel_soon, task);
    assert_int_equal(task_join(task), -ECANCELED);
    task_join(other);
}

static void it_can_be_cancelled(void **state)
{
    (void)state;
    run(cancel_verification);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(examples_of_the_rfcs_pass),
        loop_test(changed_examples_fail),
        loop_test(each_tag_is_judged),
        loop_test(hashes_are_needed),
        loop_test(every_canonicalization_passes),
        loop_test(each_key_record_is_judged),
        loop_test(each_answer_of_dns_is_judged),
        loop_test(a_late_key_is_a_temporary_error),
        loop_test(keys_are_asked_for_at_once),
        loop_test(a_key_may_be_for_its_domain_only),
        loop_test(domains_may_be_international),
        loop_test(there_is_one_from),
        loop_test(no_field_hides_behind_others),
        loop_test(a_name_too_many_forbids_more),
        loop_test(a_length_covers_the_body_or_nothing),
        loop_test(two_lengths_are_hashed),
        loop_test(of_a_thousand_signatures_ten_are_looked_at),
        loop_test(names_are_bounded),
        loop_test(a_signature_may_sign_another),
        loop_test(no_signature_is_no_result),
        loop_test(it_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
