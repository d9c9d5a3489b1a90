/* Canonicalisation: the examples of RFC 6376 section 3.4, and the ends of bodies. */
#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "test.h"

#include "base/mem.h"
#include "mail/canonical.h"

static struct buf out;

static void assert_out(const char *expected)
{
    if (!str_equal(buf_view(&out), str_of(expected)))
        fail_msg("'%.*s', not '%s'", STR_ARG(buf_view(&out)), expected);
    buf_clear(&out);
}

static int open_buffer(void **state)
{
    (void)state;
    buf_init(&out, 10000);
    return 0;
}

static int close_buffer(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

/* Section 3.4.5. */
static void fields_of_the_rfc(void **state)
{
    (void)state;
    assert_int_equal(canonical_field(CANONICAL_RELAXED, STR("A: X\r\n"), &out), 0);
    assert_out("a:X\r\n");
    assert_int_equal(canonical_field(CANONICAL_RELAXED, STR("B : Y\t\r\n\tZ  \r\n"), &out),
                     0);
    assert_out("b:Y Z\r\n");
    assert_int_equal(canonical_field(CANONICAL_SIMPLE, STR("B : Y\t\r\n\tZ  \r\n"), &out),
                     0);
    assert_out("B : Y\t\r\n\tZ  \r\n");
}

static void a_field_always_ends(void **state)
{
    (void)state;
    assert_int_equal(canonical_field(CANONICAL_RELAXED, STR("A:"), &out), 0);
    assert_out("a:\r\n");
    assert_int_equal(canonical_field(CANONICAL_SIMPLE, STR("A: x"), &out), 0);
    assert_out("A: x\r\n");
    assert_int_equal(canonical_field(CANONICAL_RELAXED, STR("A:  \r\n \r\n"), &out), 0);
    assert_out("a:\r\n");
}

static void a_ceiling_is_told(void **state)
{
    (void)state;
    out.ceiling = 4;
    assert_int_equal(canonical_field(CANONICAL_RELAXED, STR("A: long\r\n"), &out),
                     -ENOBUFS);
}

static void named_fields_are_taken_from_below(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct header header;
    header_parse(STR("A: 1\r\nB: 2\r\nA: 3\r\n\r\n"), arena, &header);
    assert_int_equal(
        canonical_fields(CANONICAL_RELAXED, &header, NULL, STR("a : B:\r\n a:a:c"), &out),
        0);
    assert_out("a:3\r\nb:2\r\na:1\r\n");
    arena_free(arena);
}

static void the_signature_itself_is_not_taken(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct header header;
    header_parse(STR("A: 1\r\nA: 2\r\n\r\n"), arena, &header);
    assert_int_equal(
        canonical_fields(CANONICAL_RELAXED, &header, &header.fields[1], STR("a:a"), &out),
        0);
    assert_out("a:1\r\n");
    arena_free(arena);
}

static void names_are_counted(void **state)
{
    (void)state;
    struct header header = {0};
    char names[2 * CANONICAL_NAMES_MAX + 1];
    for (size_t i = 0; i < sizeof names; i += 2)
        memcpy(names + i, "a:", i + 1 < sizeof names ? 2 : 1);
    struct str most = {names, sizeof names - 2};
    assert_int_equal(canonical_fields(CANONICAL_SIMPLE, &header, NULL, most, &out), 0);
    most.length += 2;
    assert_int_equal(canonical_fields(CANONICAL_SIMPLE, &header, NULL, most, &out), -E2BIG);
}

static void a_signature_is_taken_without_b(void **state)
{
    (void)state;
    struct str whole = STR("DKIM-Signature: v=1; b= AB\r\n CD ; bh=x\r\n");
    struct str removed = str_part(whole, 23, 9);
    assert_true(str_equal(removed, STR(" AB\r\n CD ")));
    assert_int_equal(canonical_signature(CANONICAL_SIMPLE, whole, removed, &out), 0);
    assert_out("DKIM-Signature: v=1; b=; bh=x");
    assert_int_equal(canonical_signature(CANONICAL_RELAXED, whole, removed, &out), 0);
    assert_out("dkim-signature:v=1; b=; bh=x");
}

/* --- bodies --- */

static void assert_hash_is_of(const struct canonical_hash *hash, struct str text)
{
    unsigned char expected[CANONICAL_HASH_BYTES];
    EVP_Digest(text.at, text.length, expected, NULL, EVP_sha256(), NULL);
    assert_memory_equal(hash->hash, expected, sizeof expected);
}

static const struct {
    const char *body, *simple, *relaxed;
} bodies[] = {
    {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"}, /* section 3.4.5 */
    {"", "\r\n", ""},
    {"\r\n", "\r\n", ""},
    {"\r\n\r\n\r\n", "\r\n", ""},
    {" \t \r\n \r\n", " \t \r\n \r\n", ""},
    {"  ", "  \r\n", ""},
    {"a", "a\r\n", "a\r\n"},
    {"a \t", "a \t\r\n", "a\r\n"},
    {"a\r\n", "a\r\n", "a\r\n"},
    {"a\r\n\r\nb\r\n\r\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"a\r\n  \r\nb", "a\r\n  \r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"\ta\t\tb\t\r\n", "\ta\t\tb\t\r\n", " a b\r\n"},
    {"a\r", "a\r\r\n", "a\r\r\n"},
    {"a\n", "a\n\r\n", "a\n\r\n"},
    {"a \rb", "a \rb\r\n", "a \rb\r\n"},
    {"a \n", "a \n\r\n", "a \n\r\n"},
    {"\n", "\n\r\n", "\n\r\n"},
    {"\r\r\n", "\r\r\n", "\r\r\n"},
};

static void bodies_end_as_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct canonical_hash hashes[] = {
            {.form = CANONICAL_SIMPLE, .limit = CANONICAL_ALL},
            {.form = CANONICAL_RELAXED, .limit = CANONICAL_ALL},
        };
        assert_int_equal(canonical_hash_body(str_of(bodies[i].body), hashes, 2), 0);
        assert_int_equal(hashes[0].body_bytes, strlen(bodies[i].simple));
        assert_int_equal(hashes[1].body_bytes, strlen(bodies[i].relaxed));
        assert_hash_is_of(&hashes[0], str_of(bodies[i].simple));
        assert_hash_is_of(&hashes[1], str_of(bodies[i].relaxed));
    }
}

static void limits_cut_the_canonical_body(void **state)
{
    (void)state;
    struct canonical_hash hashes[] = {
        {.form = CANONICAL_RELAXED, .limit = 0},
        {.form = CANONICAL_RELAXED, .limit = 3},
        {.form = CANONICAL_SIMPLE, .limit = 3},
        {.form = CANONICAL_RELAXED, .limit = 1000},
    };
    assert_int_equal(canonical_hash_body(STR("a  bcd\r\n"), hashes, 4), 0);
    assert_hash_is_of(&hashes[0], STR(""));
    assert_hash_is_of(&hashes[1], STR("a b"));
    assert_hash_is_of(&hashes[2], STR("a  "));
    assert_hash_is_of(&hashes[3], STR("a bcd\r\n"));
    assert_int_equal(hashes[0].body_bytes, 7);
}

/* Runs of blanks over all the places where pieces end. */
static void pieces_leave_no_trace(void **state)
{
    (void)state;
    enum { LENGTH = 5000 };
    char *body = mem_alloc(LENGTH);
    char *relaxed = mem_alloc(LENGTH + 2);
    for (size_t run = 1; run < 1030; run += 7) {
        size_t used = 0;
        for (size_t i = 0; i < LENGTH; i++) {
            bool is_run = i % (run + 3) < run;
            body[i] = is_run ? ' ' : 'x';
            if (!is_run || i % (run + 3) == 0)
                relaxed[used++] = body[i];
        }
        used -= relaxed[used - 1] == ' ';
        memcpy(relaxed + used, "\r\n", 2);
        struct canonical_hash hash = {.form = CANONICAL_RELAXED, .limit = CANONICAL_ALL};
        assert_int_equal(canonical_hash_body((struct str){body, LENGTH}, &hash, 1), 0);
        assert_hash_is_of(&hash, (struct str){relaxed, used + 2});
    }
    free(body);
    free(relaxed);
}

/* --- large bodies --- */

static unsigned turns;
static bool is_hashed;

static int count_turns(void *arg)
{
    (void)arg;
    while (!is_hashed) {
        turns++;
        task_sleep(0);
    }
    return 0;
}

static int hash_large_body(void *arg)
{
    struct str *body = arg;
    struct canonical_hash hash = {.form = CANONICAL_RELAXED, .limit = CANONICAL_ALL};
    struct task *other = task_start("other", count_turns, NULL);
    int result = canonical_hash_body(*body, &hash, 1);
    is_hashed = true;
    task_join(other);
    return result;
}

static void a_large_body_lets_other_tasks_run(void **state)
{
    (void)state;
    size_t length = (size_t)4 << 20;
    char *bytes = mem_alloc(length);
    memset(bytes, 'x', length);
    struct str body = {bytes, length};
    turns = 0;
    is_hashed = false;
    assert_int_equal(test_run(hash_large_body, &body), 0);
    assert_true(turns >= 8);
    free(bytes);
}

#define buffer_test(name) cmocka_unit_test_setup_teardown(name, open_buffer, close_buffer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        buffer_test(fields_of_the_rfc),
        buffer_test(a_field_always_ends),
        buffer_test(a_ceiling_is_told),
        buffer_test(named_fields_are_taken_from_below),
        buffer_test(the_signature_itself_is_not_taken),
        buffer_test(names_are_counted),
        buffer_test(a_signature_is_taken_without_b),
        cmocka_unit_test(bodies_end_as_the_rfc_says),
        cmocka_unit_test(limits_cut_the_canonical_body),
        cmocka_unit_test(pieces_leave_no_trace),
        loop_test(a_large_body_lets_other_tasks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
