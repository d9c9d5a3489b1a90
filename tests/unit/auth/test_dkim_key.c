/* Key records: what is kept of them, for how long, and that a kept key checks as a new one does. */
#include "test.h"

#include "auth/dkim_key.h"
#include "mail/tag_list.h"
/* after test.h: it asserts */
#include "dkim_signer.h"

#define STRANGERS 2000 /* more records than are kept */

static const struct str signed_text = {"what was signed", 15};

static struct str record_of(const struct signer *signer, const char *tags,
                            struct arena *arena)
{
    return str_of(arena_printf(arena, "v=DKIM1; %s p=%s", tags, signer->public_text));
}

static struct str signature_of(const struct signer *signer, struct arena *arena)
{
    struct str bytes;
    const char *text = signer_sign(signer, signed_text, arena);
    assert_int_equal(tag_base64(str_of(text), arena, &bytes), 0);
    return bytes;
}

/* Good and bad signatures in turn, since each check uses what the one before it has left. */
static void assert_verifies(const struct auth_dkim_key *key, struct str signature,
                            struct arena *arena)
{
    char *changed = arena_text(arena, signature);
    changed[signature.length / 2] ^= 1;
    for (int i = 0; i < 3; i++) {
        assert_true(auth_dkim_key_verifies(key, signed_text, signature));
        assert_false(auth_dkim_key_verifies(key, STR("something else"), signature));
        assert_false(auth_dkim_key_verifies(key, signed_text,
                                            (struct str){changed, signature.length}));
        assert_false(auth_dkim_key_verifies(key, signed_text, STR("")));
        assert_false(auth_dkim_key_verifies(key, signed_text, str_from(signature, 1)));
    }
}

static void assert_key_checks(const struct signer *signer, const char *tags, unsigned bits)
{
    struct arena *arena = arena_new();
    struct str record = record_of(signer, tags, arena);
    struct str signature = signature_of(signer, arena);
    for (int i = 0; i < 2; i++) { /* the second time it is known */
        struct auth_dkim_key key;
        auth_dkim_key_read(record, arena, &key);
        assert_int_equal(key.result, AUTH_PASS);
        assert_int_equal(key.bits, bits);
        assert_verifies(&key, signature, arena);
        auth_dkim_key_release(&key);
    }
    arena_free(arena);
}

static void a_key_checks_again_and_again(void **state)
{
    (void)state;
    struct signer rsa, ed25519;
    signer_open_rsa(&rsa, 1024);
    signer_open_ed25519(&ed25519);
    assert_key_checks(&rsa, "k=rsa;", 1024);
    assert_key_checks(&ed25519, "k=ed25519;", 256);
    signer_close(&rsa);
    signer_close(&ed25519);
}

static void records_of_one_key_are_told_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct auth_dkim_key own, wide, foreign;
    struct signer signer;
    signer_open_rsa(&signer, 1024);
    for (int i = 0; i < 2; i++) {
        auth_dkim_key_read(record_of(&signer, "t=s;", arena), arena, &own);
        auth_dkim_key_read(record_of(&signer, "", arena), arena, &wide);
        auth_dkim_key_read(record_of(&signer, "s=tlsrpt;", arena), arena, &foreign);
        assert_int_equal(own.result, AUTH_PASS);
        assert_true(own.is_for_domain_only);
        assert_int_equal(wide.result, AUTH_PASS);
        assert_false(wide.is_for_domain_only);
        assert_int_equal(foreign.result, AUTH_PERMERROR);
        assert_null(foreign.public_key);
        auth_dkim_key_release(&own);
        auth_dkim_key_release(&wide);
        auth_dkim_key_release(&foreign);
    }
    signer_close(&signer);
    arena_free(arena);
}

/* The leak checker looks after what is driven out. */
static void a_key_in_use_outlives_its_place(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct auth_dkim_key held, stranger;
    struct signer signer;
    signer_open_ed25519(&signer);
    auth_dkim_key_read(record_of(&signer, "k=ed25519;", arena), arena, &held);
    for (int i = 0; i < STRANGERS; i++) {
        const char *tags = arena_printf(arena, "k=ed25519; n=%d;", i);
        auth_dkim_key_read(record_of(&signer, tags, arena), arena, &stranger);
        assert_int_equal(stranger.result, AUTH_PASS);
        auth_dkim_key_release(&stranger);
    }
    assert_verifies(&held, signature_of(&signer, arena), arena);
    auth_dkim_key_release(&held);
    assert_null(held.public_key);
    signer_close(&signer);
    arena_free(arena);
}

static void a_long_record_is_read_each_time(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct auth_dkim_key key;
    struct signer signer;
    signer_open_ed25519(&signer);
    const char *tags = arena_printf(arena, "k=ed25519; n=%05000d;", 0);
    for (int i = 0; i < 2; i++) {
        auth_dkim_key_read(record_of(&signer, tags, arena), arena, &key);
        assert_verifies(&key, signature_of(&signer, arena), arena);
        auth_dkim_key_release(&key);
    }
    signer_close(&signer);
    arena_free(arena);
}

static void what_is_no_key_is_refused_each_time(void **state)
{
    (void)state;
    static const char *const records[] = {
        "", "hello", "v=DKIM1; p=", "v=DKIM1; p=AAAA", "v=DKIM1; k=ed25519; p=AAAA",
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < 2 * sizeof records / sizeof *records; i++) {
        struct auth_dkim_key key;
        auth_dkim_key_read(str_of(records[i / 2]), arena, &key);
        assert_int_equal(key.result, AUTH_PERMERROR);
        assert_null(key.public_key);
        auth_dkim_key_release(&key);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_checks_again_and_again),
        cmocka_unit_test(records_of_one_key_are_told_apart),
        cmocka_unit_test(a_key_in_use_outlives_its_place),
        cmocka_unit_test(a_long_record_is_read_each_time),
        cmocka_unit_test(what_is_no_key_is_refused_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
