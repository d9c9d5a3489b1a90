/* Patterns: what compiles, what matches, and that no subject makes a search long. */
#include <errno.h>

#include "rules_test.h"

#include "base/buf.h"

static struct pattern_set *patterns;

static int open_patterns(void **state)
{
    patterns = pattern_set_new();
    return open_case(state);
}

static int close_patterns(void **state)
{
    pattern_set_free(patterns);
    return close_case(state);
}

static struct pattern *compile(const char *text)
{
    struct err err = {0};
    struct pattern *pattern = pattern_compile(patterns, str_of(text), false, &err);
    if (!pattern)
        fail_msg("%s: %s", text, err.text);
    return pattern;
}

static void a_search_is_anchored_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *subject;
        enum pattern_found found;
    } cases[] = {
        {"/b/", "abc", PATTERN_HIT},
        {"/^b/", "abc", PATTERN_MISS},
        {"/B/", "abc", PATTERN_MISS},
        {"/B/i", "abc", PATTERN_HIT},
        {"/a\\/b/", "a/b", PATTERN_HIT},
        {"/a/b/", "a/b", PATTERN_HIT},
        {"/^$/", "", PATTERN_HIT},
        {"/^.$/", "\xc3\xa9", PATTERN_HIT},
        {"/^\xc3\x89$/i", "\xc3\xa9", PATTERN_HIT},
        {"/b/", "\xff\xfe b", PATTERN_HIT},
        {"/^..b/",
         "\xff\xfe"
         "b",
         PATTERN_MISS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pattern_search(compile(cases[i].pattern), str_of(cases[i].subject)) !=
            cases[i].found)
            fail_msg("%s in %s", cases[i].pattern, cases[i].subject);
}

/* "/<first × count><middle><last × count>/i" */
static const char *nested(const char *first, const char *middle, const char *last,
                          size_t count)
{
    struct buf text;
    buf_init(&text, (size_t)64 * 1024);
    buf_printf(&text, "/");
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s", first);
    buf_printf(&text, "%s", middle);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s", last);
    buf_printf(&text, "/i");
    const char *copy = arena_text(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

static void what_does_not_compile_is_told(void **state)
{
    (void)state;
    const char *many_groups = nested("(a)", "", "", PATTERN_GROUPS_MAX + 1);
    const char *deep = nested("(", "", ")", 60);
    const char *longer = nested("a", "", "", PATTERN_BYTES_MAX + 1);
    const char *const texts[] = {"/",     "//",        "/a", "/a/g", "/a/ii", "/(/",
                                 "/\\C/", many_groups, deep, longer, "/[/",   "/a{2,1}/"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct err err = {0};
        assert_null(pattern_compile(patterns, str_of(texts[i]), false, &err));
        assert_int_equal(err.code, -EINVAL);
        assert_true(err.text[0] != '\0');
    }
}

static void groups_that_took_no_part_are_left_out(void **state)
{
    (void)state;
    struct str subject = STR("xb");
    struct rule_capture *groups;
    struct pattern *pattern = compile("/(?<first>a)?(?<second>b)(c*)/");
    assert_int_equal(pattern_search(pattern, subject), PATTERN_HIT);
    assert_int_equal(pattern_groups(pattern, subject, arena, &groups), 3);
    assert_true(str_equal(groups[0].name, STR("2")));
    assert_true(str_equal(groups[1].name, STR("3")));
    assert_int_equal(groups[1].value.length, 0);
    assert_true(str_equal(groups[2].name, STR("second")));
    assert_true(str_equal(groups[2].value, STR("b")));
}

static void a_long_subject_is_searched_up_to_its_limit(void **state)
{
    (void)state;
    static char subject[PATTERN_SUBJECT_BYTES_MAX + 100];
    memset(subject, 'a', sizeof subject);
    subject[PATTERN_SUBJECT_BYTES_MAX - 1] = 'x';
    subject[PATTERN_SUBJECT_BYTES_MAX] = 'y';
    struct str whole = {subject, sizeof subject};
    assert_int_equal(pattern_search(compile("/x/"), whole), PATTERN_HIT);
    assert_int_equal(pattern_search(compile("/y/"), whole), PATTERN_MISS);
    assert_int_equal(pattern_search(compile("/^(a*)x$/"), whole), PATTERN_HIT);
}

static void no_subject_makes_a_search_long(void **state)
{
    (void)state;
    static const char *const costly[] = {
        "/(a+|aa)+[bc]/",        "/^(a|a|a)*$/",           "/(a*)*[bc]/",
        "/(?:a?){30}a{30}[bc]/", "/(.*)(.*)(.*)(.*)[bc]/", "/(?=(a+))*+(a|b\\1)+[bc]/",
        "/a+a+a+a+[bc]/"};
    static char subject[PATTERN_SUBJECT_BYTES_MAX];
    memset(subject, 'a', sizeof subject);
    subject[sizeof subject - 1] = '!';
    for (size_t i = 0; i < sizeof costly / sizeof *costly; i++) {
        struct pattern *pattern = compile(costly[i]);
        for (size_t length = 50; length <= sizeof subject; length *= 5) {
            size_t start = sizeof subject - length;
            assert_int_not_equal(
                pattern_search(pattern, (struct str){subject + start, length}),
                PATTERN_HIT);
        }
    }
}

static void ordinary_patterns_are_not_too_costly(void **state)
{
    (void)state;
    static const char *const ordinary[] = {
        "/from .*\\.corp\\.test .* by mx/", "/\\b(refund|invoice|order)\\b.*\\d+$/i",
        "/^(.*?)\\s*<([^>]+)>\\s*$/", "/(\\w+\\s*)+!/", "/^[^:]+:[^:]+:.*no/"};
    static char subject[PATTERN_SUBJECT_BYTES_MAX];
    for (size_t i = 0; i < sizeof subject; i++)
        subject[i] = "from a.corp.test by b.corp.test; order refund 12 "[i % 49];
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++)
        for (size_t length = 50; length <= 1000; length += 50)
            if (pattern_search(compile(ordinary[i]), (struct str){subject, length}) ==
                PATTERN_TOO_COSTLY)
                fail_msg("%s in %zu bytes", ordinary[i], length);
}

/* 32 levels are the most; each part of the text is at its worst for a compiler that recurses. */
static int compile_deep(void *arg)
{
    (void)arg;
    const char *text = nested("(?:[^\\W_]|(?=a)", "(b)", "x)*", 31);
    return (int)pattern_search(compile(text), STR("aaaabxxxx"));
}

static void the_deepest_pattern_compiles_on_a_tasks_stack(void **state)
{
    test_loop_open(state);
    assert_int_equal(test_run(compile_deep, NULL), PATTERN_HIT);
    assert_int_equal(test_loop_close(state), 0);
}

#define pattern_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_patterns, close_patterns)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pattern_test(a_search_is_anchored_as_written),
        pattern_test(what_does_not_compile_is_told),
        pattern_test(groups_that_took_no_part_are_left_out),
        pattern_test(a_long_subject_is_searched_up_to_its_limit),
        pattern_test(no_subject_makes_a_search_long),
        pattern_test(ordinary_patterns_are_not_too_costly),
        pattern_test(the_deepest_pattern_compiles_on_a_tasks_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
