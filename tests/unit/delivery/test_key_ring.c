/* The folder of signing keys: what is loaded, what is refused, who signs for whom. */
#include <errno.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "test.h"
/* after test.h: it asserts */
#include "key_folder.h"

#include "delivery/signer.h"

static struct key_folder folder;

static int open_folder(void **state)
{
    (void)state;
    key_folder_open(&folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    key_folder_close(&folder);
    return 0;
}

static void assert_refused(const char *place, const char *reason)
{
    struct err err = {0};
    assert_null(key_ring_load(folder.path, &err));
    if (!strstr(err.text, place) || !strstr(err.text, reason))
        fail_msg("\"%s\" says nothing of \"%s\" in \"%s\"", err.text, reason, place);
    assert_true(err.code < 0);
}

static void count_key(const struct signing_key *key, void *arg)
{
    (void)key;
    ++*(size_t *)arg;
}

static void append_name(const struct signing_key *key, void *arg)
{
    char *names = arg;
    snprintf(names + strlen(names), 200 - strlen(names), "%.*s/%.*s%s ",
             STR_ARG(key->domain), STR_ARG(key->selector), key->is_active ? "*" : "");
}

static void a_folder_that_is_not_there_is_an_empty_ring(void **state)
{
    (void)state;
    size_t count = 1;
    struct key_ring *ring = key_folder_load(&folder);
    assert_null(key_ring_find(ring, STR("a.test"), &count));
    assert_int_equal(count, 0);
    key_ring_each(ring, count_key, &count);
    assert_int_equal(count, 0);
    key_ring_release(ring);
}

static void keys_are_loaded_in_order_with_those_in_use(void **state)
{
    (void)state;
    char names[200] = "";
    key_folder_add(&folder, "b.test", "y", true);
    key_folder_add(&folder, "a.test", "x2", true);
    key_folder_add(&folder, "a.test", "x1", true);
    key_folder_activate(&folder, "a.test", "x2", NULL);
    key_folder_write(&folder, "README", "not a domain", 0644);
    key_folder_write(&folder, "a.test/x1.pem~", "an editor's", 0600);
    key_folder_write(&folder, "a.test/.x3.pem", "half", 0600);
    struct key_ring *ring = key_folder_load(&folder);
    key_ring_each(ring, append_name, names);
    assert_string_equal(names, "a.test/x1 a.test/x2* b.test/y ");
    key_ring_release(ring);
}

static void only_active_keys_are_found_rsa_first(void **state)
{
    (void)state;
    size_t count;
    key_folder_add(&folder, "a.test", "e", true);
    key_folder_add(&folder, "a.test", "r", false);
    key_folder_add(&folder, "b.test", "e", true);
    key_folder_activate(&folder, "a.test", "e", "r");
    struct key_ring *ring = key_folder_load(&folder);
    const struct signing_key *const *keys = key_ring_find(ring, STR("a.test"), &count);
    assert_int_equal(count, 2);
    assert_false(keys[0]->is_ed25519);
    assert_true(str_equal(keys[0]->selector, STR("r")));
    assert_true(keys[1]->is_ed25519);
    assert_null(key_ring_find(ring, STR("b.test"), &count));
    assert_int_equal(count, 0);
    key_ring_release(ring);
}

static void a_subdomain_signs_with_its_nearest_parents_key(void **state)
{
    (void)state;
    size_t count;
    key_folder_add(&folder, "a.test", "parent", true);
    key_folder_activate(&folder, "a.test", "parent", NULL);
    key_folder_add(&folder, "deep.x.a.test", "own", true);
    key_folder_activate(&folder, "deep.x.a.test", "own", NULL);
    key_folder_add(&folder, "idle.a.test", "idle", true);
    struct key_ring *ring = key_folder_load(&folder);
    const struct {
        const char *domain, *key;
    } table[] = {{"a.test", "a.test"},
                 {"x.a.test", "a.test"},
                 {"deep.x.a.test", "deep.x.a.test"},
                 {"very.deep.x.a.test", "deep.x.a.test"},
                 {"idle.a.test", "a.test"},
                 {"xa.test", NULL},
                 {"test", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct signing_key *const *keys =
            key_ring_find(ring, str_of(table[i].domain), &count);
        assert_int_equal(count, table[i].key ? 1 : 0);
        if (table[i].key)
            assert_true(str_equal(keys[0]->domain, str_of(table[i].key)));
        else
            assert_null(keys);
    }
    key_ring_release(ring);
}

static void append_retired(const struct signing_key *key, void *arg)
{
    char *names = arg;
    snprintf(names + strlen(names), 200 - strlen(names), "%.*s(%.*s) ",
             STR_ARG(key->selector), STR_ARG(key->retired_at));
}

static void keys_say_since_when_they_are_retired(void **state)
{
    (void)state;
    char names[200] = "";
    key_folder_add(&folder, "a.test", "x1", true);
    key_folder_add(&folder, "a.test", "x2", true);
    key_folder_add(&folder, "a.test", "x3", true);
    key_folder_activate(&folder, "a.test", "x2", NULL);
    key_folder_write(&folder, "a.test/retired",
                     "gone 2026\nx1 2026-11-22T08:00:00Z\nx2 2025\n\nx9\n", 0600);
    struct key_ring *ring = key_folder_load(&folder);
    key_ring_each(ring, append_retired, names);
    assert_string_equal(names, "x1(2026-11-22T08:00:00Z) x2() x3() ");
    key_ring_release(ring);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    key_folder_add(&folder, "a.test", "good", true);
    static const struct {
        const char *name, *text;
        mode_t mode;
        const char *reason;
    } table[] = {
        {"a.test/empty.pem", "", 0600, "is no private key"},
        {"a.test/text.pem", "hello\n", 0600, "is no private key"},
        {"a.test/half.pem", "-----BEGIN PRIVATE KEY-----\nMIIE", 0600, "is no private key"},
        {"a.test/Upper.pem", "", 0600, "no selector"},
        {"a.test/a b.pem", "", 0600, "no selector"},
        {"a.test/.pem.pem", "", 0600, NULL},
        {"a.test/active", "good\ngone\n", 0644, "there is no gone.pem"},
        {"a.test/active", "good\ngood\n", 0644, "twice"},
        {"a.test/active", "\n  good \r\n\n", 0644, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char path[128];
        key_folder_write(&folder, table[i].name, table[i].text, table[i].mode);
        if (table[i].reason)
            assert_refused(table[i].name, table[i].reason);
        else
            key_ring_release(key_folder_load(&folder));
        snprintf(path, sizeof path, "%s/%s", folder.path, table[i].name);
        remove(path);
    }
}

static void write_key(EVP_PKEY *key, const char *name, const char *passphrase)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PKCS8PrivateKey(
                         file, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                         passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    fclose(file);
    chmod(path, 0600);
    EVP_PKEY_free(key);
}

static void weak_and_foreign_keys_are_refused(void **state)
{
    (void)state;
    key_folder_add(&folder, "a.test", "good", true);
    write_key(EVP_RSA_gen(1024), "a.test/x.pem", NULL);
    assert_refused("a.test/x.pem", "too weak");
    write_key(EVP_EC_gen("P-256"), "a.test/x.pem", NULL);
    assert_refused("a.test/x.pem", "neither an RSA nor an Ed25519");
    write_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "a.test/x.pem", "secret");
    assert_refused("a.test/x.pem", "is no private key");
}

static void a_key_that_everybody_may_read_is_refused(void **state)
{
    (void)state;
    char path[128];
    key_folder_add(&folder, "a.test", "x", true);
    snprintf(path, sizeof path, "%s/a.test/x.pem", folder.path);
    chmod(path, 0644);
    assert_refused("a.test/x.pem", "everybody");
    chmod(path, 0640);
    key_ring_release(key_folder_load(&folder));
}

static void folders_are_named_like_domains(void **state)
{
    (void)state;
    char path[128];
    key_folder_add(&folder, "a.test", "x", true);
    snprintf(path, sizeof path, "%s/B.test", folder.path);
    mkdir(path, 0700);
    assert_refused("B.test", "should be b.test");
    rmdir(path);
    snprintf(path, sizeof path, "%s/no domain", folder.path);
    mkdir(path, 0700);
    assert_refused("no domain", "no domain");
}

static void too_many_active_keys_are_refused(void **state)
{
    (void)state;
    const char *const selectors[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++)
        key_folder_add(&folder, "a.test", selectors[i], true);
    key_folder_write(&folder, "a.test/active", "a\nb\nc\nd\n", 0600);
    key_ring_release(key_folder_load(&folder));
    key_folder_write(&folder, "a.test/active", "a\nb\nc\nd\ne\n", 0600);
    assert_refused("a.test/active", "more than 4");
}

static void a_key_is_never_written_over(void **state)
{
    (void)state;
    struct err err;
    struct stat status;
    char path[128];
    struct key_file file = {folder.path, STR("a.test"), STR("x")};
    assert_int_equal(key_file_new(&file, true, 0, &err), 0);
    assert_int_equal(key_file_new(&file, true, 0, &err), -EEXIST);
    snprintf(path, sizeof path, "%s/a.test/x.pem", folder.path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_nlink, 1);
}

static void the_record_to_publish_holds_the_public_key(void **state)
{
    (void)state;
    size_t count;
    struct arena *arena = arena_new();
    key_folder_add(&folder, "a.test", "e", true);
    key_folder_add(&folder, "a.test", "r", false);
    key_folder_activate(&folder, "a.test", "r", "e");
    struct key_ring *ring = key_folder_load(&folder);
    const struct signing_key *const *keys = key_ring_find(ring, STR("a.test"), &count);
    assert_true(str_equal(signing_key_name(keys[0], arena), STR("r._domainkey.a.test")));
    struct str rsa = signing_key_record(keys[0], arena);
    struct str ed25519 = signing_key_record(keys[1], arena);
    assert_true(str_starts(rsa, STR("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQ")));
    assert_int_equal(rsa.length, sizeof "v=DKIM1; k=rsa; p=" - 1 + 392);
    assert_true(str_starts(ed25519, STR("v=DKIM1; k=ed25519; p=")));
    assert_int_equal(ed25519.length, sizeof "v=DKIM1; k=ed25519; p=" - 1 + 44);
    key_ring_release(key_ring_keep(ring));
    key_ring_release(ring);
    arena_free(arena);
}

#define folder_test(name) cmocka_unit_test_setup_teardown(name, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        folder_test(a_folder_that_is_not_there_is_an_empty_ring),
        folder_test(keys_are_loaded_in_order_with_those_in_use),
        folder_test(only_active_keys_are_found_rsa_first),
        folder_test(a_subdomain_signs_with_its_nearest_parents_key),
        folder_test(keys_say_since_when_they_are_retired),
        folder_test(what_is_no_key_is_refused),
        folder_test(weak_and_foreign_keys_are_refused),
        folder_test(a_key_that_everybody_may_read_is_refused),
        folder_test(folders_are_named_like_domains),
        folder_test(too_many_active_keys_are_refused),
        folder_test(a_key_is_never_written_over),
        folder_test(the_record_to_publish_holds_the_public_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
