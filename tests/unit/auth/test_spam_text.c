/* The two passes over a body that go by blocks, against what they are said to do byte by byte. */
#include <string.h>

#include "test.h"

#include "auth/spam_phrases.h"
#include "auth/spam_text.h"

#define TEXT_BYTES 300
#define TEXTS      3000
#define OFFSETS    200

/* The same texts in each run. */
static size_t next_random(size_t below)
{
    static uint32_t state = 1;
    state = state * 1664525U + 1013904223U;
    return (state >> 16U) % below;
}

/* Letters, blanks in runs, and bytes that stand for themselves: neither markup nor a line of base64. */
static size_t make_body(char body[TEXT_BYTES])
{
    static const char bytes[] = "azAZ@[`{019.,;  \t\r\n\n--\xC3\xA9";
    size_t length = next_random(TEXT_BYTES);
    for (size_t i = 0; i < length; i++)
        body[i] =
            next_random(4) ? "a-"[next_random(2)] : bytes[next_random(sizeof bytes - 1)];
    return length;
}

static size_t expected_words(struct str body, char words[TEXT_BYTES])
{
    size_t length = 0;
    for (size_t i = 0; i < body.length; i++) {
        char c = ascii_lower(body.at[i]);
        bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!is_blank)
            words[length++] = c;
        else if (length && words[length - 1] != ' ')
            words[length++] = ' ';
    }
    return length;
}

static void blanks_are_one_and_letters_small(void **state)
{
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        struct arena *arena = arena_new();
        char bytes[TEXT_BYTES];
        char words[TEXT_BYTES];
        struct spam_text text;
        struct str body = {bytes, make_body(bytes)};
        spam_text_read(body, false, arena, &text);
        struct str expected = {words, expected_words(body, words)};
        if (!str_equal(text.words, expected))
            fail_msg("\"%.*s\" became \"%.*s\"", STR_ARG(body), STR_ARG(text.words));
        arena_free(arena);
    }
}

static unsigned score(const char *before, size_t before_bytes, const char *rest,
                      const char **first)
{
    char text[OFFSETS + 100];
    size_t length = strlen(rest);
    for (size_t i = 0; i < before_bytes; i++)
        text[i] = before[i % strlen(before)];
    memcpy(text + before_bytes, rest, length);
    return spam_phrases_score((struct str){text, before_bytes + length}, first);
}

static void a_phrase_is_found_wherever_it_stands(void **state)
{
    (void)state;
    const char *first;
    for (size_t at = 0; at < OFFSETS; at++) {
        assert_int_equal(score(" ", at, "casino", &first), 6);
        assert_string_equal(first, "casino");
        assert_int_equal(score("--", at, "mlm", &first), 5);
        assert_int_equal(score(" ", at, "casinos and a casino or mlm.", &first), 11);
    }
}

static void a_phrase_begins_with_a_word(void **state)
{
    (void)state;
    const char *first;
    for (size_t at = 1; at < OFFSETS; at++) {
        assert_int_equal(score("q", at, "casino", &first), 0);
        assert_int_equal(score("7", at, "mlm", &first), 0);
        assert_int_equal(score(" ", at, "casin", &first), 0);
        assert_string_equal(first, "");
    }
}

static void short_texts_have_no_phrases(void **state)
{
    (void)state;
    const char *first;
    assert_int_equal(spam_phrases_score(STR(""), &first), 0);
    assert_int_equal(spam_phrases_score(STR("m"), &first), 0);
    assert_int_equal(spam_phrases_score(STR("ml"), &first), 0);
    assert_string_equal(first, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_are_one_and_letters_small),
        cmocka_unit_test(a_phrase_is_found_wherever_it_stands),
        cmocka_unit_test(a_phrase_begins_with_a_word),
        cmocka_unit_test(short_texts_have_no_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
