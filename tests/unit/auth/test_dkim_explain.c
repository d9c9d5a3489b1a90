/* What `postern explain` can say of a body whose hash does not match. */
#include <errno.h>

#include "test.h"

#include "auth/dkim_explain.h"
/* after test.h: it asserts */
#include "dkim_signer.h"

static struct signer signer;
static struct arena *arena;

static int open_signer(void **state)
{
    (void)state;
    signer_open_ed25519(&signer);
    arena = arena_new();
    return 0;
}

static int close_signer(void **state)
{
    (void)state;
    signer_close(&signer);
    arena_free(arena);
    return 0;
}

#define HEAD "From: joe@sender.test\r\n\r\n"
#define TAGS(forms)                                                                        \
    "v=1; a=ed25519-sha256; c=" forms "; d=sender.test; s=s; h=From; x=1795321752"

/* The explanation of `body` under the signature of `signed_body`. */
static struct auth_dkim_body explain(enum canonical_form form, unsigned limit,
                                     const char *signed_body, const char *body)
{
    struct auth_dkim_body explanation;
    const char *tags = form == CANONICAL_RELAXED ? TAGS("simple/relaxed") : TAGS("simple");
    struct signing signing = {
        .signer = &signer, .names = "From", .body_form = form, .limit = limit};
    signing.tags = limit ? arena_printf(arena, "%s; l=%u", tags, limit) : tags;
    const char *raw =
        signer_add(&signing, arena_printf(arena, HEAD "%s", signed_body), arena);
    const char *head_end = strstr(raw, HEAD) + sizeof HEAD - 1;
    struct message *message = signer_message(
        arena_printf(arena, "%.*s%s", (int)(head_end - raw), raw, body), 1795321752000);
    assert_int_equal(auth_dkim_explain_body(message, 0, arena, &explanation), 0);
    message_release(message);
    return explanation;
}

static void assert_hint(const struct auth_dkim_body *explanation, const char *hint)
{
    assert_false(explanation->does_match);
    if (!str_equal(explanation->hint, str_of(hint)))
        fail_msg("'%.*s', not '%s'", STR_ARG(explanation->hint), hint);
}

static void a_body_that_matches_needs_no_hint(void **state)
{
    (void)state;
    struct auth_dkim_body explanation =
        explain(CANONICAL_RELAXED, 0, "a b\r\n", "a  b \r\n\r\n");
    assert_true(explanation.does_match);
    assert_int_equal(explanation.hint.length, 0);
    assert_true(str_equal(explanation.canonicalization, STR("simple/relaxed")));
    assert_true(str_equal(explanation.signed_hash, explanation.found_hash));
    assert_int_equal(explanation.body_bytes, 5);
    assert_int_equal(explanation.signed_bytes, 5);
}

static void a_footer_is_found(void **state)
{
    (void)state;
    struct auth_dkim_body explanation = explain(
        CANONICAL_SIMPLE, 0, "a\r\nb\r\n", "a\r\nb\r\n-- \r\nthe list\r\nhttps://x.test");
    assert_hint(&explanation, "without its last 3 lines: a footer was added");
    assert_false(str_equal(explanation.signed_hash, explanation.found_hash));
    assert_int_equal(explanation.signed_hash.length, 44);
}

static void other_forms_are_tried(void **state)
{
    (void)state;
    struct auth_dkim_body explanation = explain(CANONICAL_SIMPLE, 0, "a b\r\n", "a b \r\n");
    assert_hint(&explanation, "with relaxed canonicalization, which is not what c= says");
    explanation = explain(CANONICAL_SIMPLE, 0, "a  b\r\n", "a  b \r\n");
    assert_hint(&explanation, "without the blanks at the ends of its lines");
}

static void limits_are_told(void **state)
{
    (void)state;
    struct auth_dkim_body explanation =
        explain(CANONICAL_RELAXED, 4, "abcdef\r\n", "abcXef\r\n");
    assert_hint(&explanation, "");
    assert_int_equal(explanation.signed_bytes, 4);
    assert_int_equal(explanation.body_bytes, 8);
}

static void an_added_body_is_found(void **state)
{
    (void)state;
    struct auth_dkim_body explanation = explain(CANONICAL_RELAXED, 0, "", "Buy now!\r\n");
    assert_hint(&explanation, "of an empty body: all of this one was added");
}

static void another_body_has_no_hint(void **state)
{
    (void)state;
    struct auth_dkim_body explanation =
        explain(CANONICAL_RELAXED, 0, "one\r\n", "two\r\nlines\r\n");
    assert_hint(&explanation, "");
}

static void what_is_no_signature_has_no_explanation(void **state)
{
    (void)state;
    struct auth_dkim_body explanation;
    struct message *message =
        signer_message("DKIM-Signature: v=1; bh=AAAA\r\n" HEAD, 1795321752000);
    assert_int_equal(auth_dkim_explain_body(message, 0, arena, &explanation), -EINVAL);
    assert_int_equal(auth_dkim_explain_body(message, 1, arena, &explanation), -ENOENT);
    message_release(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_matches_needs_no_hint),
        cmocka_unit_test(a_footer_is_found),
        cmocka_unit_test(other_forms_are_tried),
        cmocka_unit_test(limits_are_told),
        cmocka_unit_test(an_added_body_is_found),
        cmocka_unit_test(another_body_has_no_hint),
        cmocka_unit_test(what_is_no_signature_has_no_explanation),
    };
    return cmocka_run_group_tests(tests, open_signer, close_signer);
}
