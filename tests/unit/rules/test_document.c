/* Reading YAML and JSON: the tree, the positions, the scalars, and a problem with its place for all that is refused. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/mem.h"
#include "rules/document.h"

static struct arena *arena;
static struct problem_list problems;

static int open_case(void **state)
{
    (void)state;
    arena = arena_new();
    problem_list_open(&problems);
    return 0;
}

static int close_case(void **state)
{
    (void)state;
    problem_list_close(&problems);
    arena_free(arena);
    return 0;
}

static struct node *parse(const char *text)
{
    return document_parse(str_of(text), STR("f.yaml"), arena, &problems);
}

static void assert_text(const struct node *node, const char *text)
{
    assert_non_null(node);
    assert_int_equal(node->kind, NODE_TEXT);
    assert_int_equal(node->text.length, strlen(text));
    assert_memory_equal(node->text.at, text, node->text.length);
}

static void nodes_know_their_place(void **state)
{
    (void)state;
    struct node *root = parse("a: 1\nlist:\n  - x\n  - {k: \"v\"}\n");
    assert_int_equal(problems.count, 0);
    assert_text(node_get(root, "a"), "1");
    struct node *list = node_get(root, "list");
    assert_int_equal(list->count, 2);
    assert_false(list->items[0]->is_quoted);
    assert_int_equal(list->items[0]->line, 3);
    assert_int_equal(list->items[0]->column, 5);
    struct node *value = node_get(list->items[1], "k");
    assert_text(value, "v");
    assert_true(value->is_quoted);
    assert_int_equal(value->line, 4);
    assert_int_equal(value->column, 9);
    assert_int_equal(value->file.length, 6);
    assert_null(node_get(root, "b"));
    assert_null(node_get(list, "k"));
    assert_null(node_get(NULL, "k"));
}

static void scalars_stay_text_but_nothing_is_null(void **state)
{
    (void)state;
    struct node *root = parse("a: yes\nb:\nc: ~\nd: null\ne: \"\"\nf: 010\ng: |\n  x\n");
    assert_text(node_get(root, "a"), "yes");
    assert_int_equal(node_get(root, "b")->kind, NODE_NULL);
    assert_int_equal(node_get(root, "c")->kind, NODE_NULL);
    assert_int_equal(node_get(root, "d")->kind, NODE_NULL);
    assert_text(node_get(root, "e"), "");
    assert_text(node_get(root, "f"), "010");
    assert_text(node_get(root, "g"), "x\n");
    assert_true(node_get(root, "g")->is_quoted);
}

static void json_is_read_too(void **state)
{
    (void)state;
    struct node *root =
        parse("{\n\t\"a\":{\"b\":[1,true,null,\"x\\/y\"]},\"c\":\"\\u00e9\"}\n");
    assert_int_equal(problems.count, 0);
    struct node *b = node_get(node_get(root, "a"), "b");
    assert_int_equal(b->count, 4);
    assert_text(b->items[3], "x/y");
    assert_text(node_get(root, "c"), "\xc3\xa9");
}

static void an_empty_file_is_an_empty_map(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct node *root = parse(texts[i]);
        assert_non_null(root);
        assert_int_equal(root->kind, NODE_MAP);
        assert_int_equal(root->count, 0);
    }
    assert_int_equal(problems.count, 0);
}

struct bad {
    const char *text;
    unsigned line, column;
    const char *says;
};

static const struct bad bad_documents[] = {
    {"a: 1\nb: &x 2\n", 2, 4, "anchors (&name) are not supported"},
    {"a: *x\n", 1, 4, "aliases (*name) are not supported"},
    {"a: [1, *x]\n", 1, 8, "aliases"},
    {"a: !!str 1\n", 1, 4, "tags (!name) are not supported"},
    {"a: !x {b: 1}\n", 1, 4, "tags"},
    {"<<: {a: 1}\n", 1, 1, "merge keys"},
    {"a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here twice: first in line 1"},
    {"? [a]\n: 1\n", 1, 3, "a key must be text"},
    {"~: 1\n", 1, 1, "a key must be text"},
    {"a: 1\n---\nb: 1\n", 2, 1, "a second document"},
    {"a:\n\tb: 1\n", 2, 1, "a tab"},
    {"a: @b\n", 1, 4, "must be in quotes"},
    {"a: */5 * * * *\n", 1, 5, "starts with * or & must be in quotes"},
    {"\xc3\xa9: @b\n", 1, 4, "must be in quotes"},
    {"a: b: c\n", 1, 5, "a second ': '"},
    {"a: 1\n  b: 2\n", 2, 4, "a second ': '"},
    {"a:\n    b: 1\n  c: 2\n", 3, 3, "line up"},
    {"a: [1, 2\nb: 3\n", 2, 2, "',' or ']' is missing"},
    {"a: {b: 1\n", 2, 1, "',' or '}' is missing"},
    {"a: \"open\n", 2, 1, "end of stream"},
    {"a: \xff\n", 1, 4, "not UTF-8"},
    {"a: b\nc: \xc0\x80\n", 2, 4, "not UTF-8"},
    {"a: \x01\n", 1, 4, "control character"},
    {"\xff\xfe"
     "a",
     1, 1, "not UTF-8"},
};

static void what_is_refused_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_documents / sizeof *bad_documents; i++) {
        const struct bad *bad = &bad_documents[i];
        struct problem_list found;
        problem_list_open(&found);
        document_parse(str_of(bad->text), STR("f.yaml"), arena, &found);
        if (found.count != 1 || !strstr(found.first->text.at, bad->says) ||
            found.first->line != bad->line || found.first->column != bad->column)
            fail_msg("%s -> %zu, %u:%u %s", bad->text, found.count,
                     found.first ? found.first->line : 0,
                     found.first ? found.first->column : 0,
                     found.first ? found.first->text.at : "");
        problem_list_close(&found);
    }
}

static void a_refused_tree_is_not_returned(void **state)
{
    (void)state;
    assert_null(parse("a: &x 1\nb: *x\n"));
    assert_int_equal(problems.count, 2);
}

static void many_duplicate_keys_are_found_in_a_large_map(void **state)
{
    (void)state;
    size_t size = 200000 * 12;
    char *text = mem_alloc(size);
    size_t at = 0;
    for (int i = 0; i < 200000; i++)
        at += (size_t)snprintf(text + at, size - at, "k%d: 1\n", i);
    at += (size_t)snprintf(text + at, size - at, "k7: 1\n");
    struct node *root =
        document_parse((struct str){text, at}, STR("f.yaml"), arena, &problems);
    free(text);
    assert_non_null(root);
    assert_int_equal(problems.count, 1);
    assert_int_equal(problems.first->line, 200001);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * DOCUMENT_DEPTH_MAX + 4] = "";
    memset(text, '[', DOCUMENT_DEPTH_MAX);
    memset(text + DOCUMENT_DEPTH_MAX, ']', DOCUMENT_DEPTH_MAX);
    assert_non_null(parse(text));
    memset(text, '[', DOCUMENT_DEPTH_MAX + 1);
    memset(text + DOCUMENT_DEPTH_MAX + 1, ']', DOCUMENT_DEPTH_MAX + 1);
    assert_null(parse(text));
    assert_int_equal(problems.count, 1);
    assert_non_null(strstr(problems.first->text.at, "too deeply"));
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    char *text = mem_alloc(DOCUMENT_BYTES_MAX + 1);
    memset(text, '\n', DOCUMENT_BYTES_MAX + 1);
    struct str huge = {text, DOCUMENT_BYTES_MAX + 1};
    assert_null(document_parse(huge, STR("f.yaml"), arena, &problems));
    free(text);
    assert_non_null(strstr(problems.first->text.at, "too large"));
}

static void a_missing_file_is_a_problem(void **state)
{
    (void)state;
    assert_null(document_load("tests/no-such-file.yaml", arena, &problems));
    assert_null(document_load("tests", arena, &problems));
    assert_int_equal(problems.count, 2);
}

static void unknown_keys_come_with_the_nearest_name(void **state)
{
    (void)state;
    static const struct node_key known[] = {
        {.name = "forward"}, {.name = "worker"}, {.name = "drop"}, {0}};
    struct node *root = parse("foward: 1\nworker: 2\nwat: 3\n");
    node_get(root, "worker");
    node_report_unused(root, known, &problems);
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.first->text.at,
                        "unknown key 'foward': did you mean 'forward'?");
    assert_string_equal(problems.last->text.at,
                        "unknown key 'wat': known here are forward, worker, drop");
    assert_int_equal(problems.last->line, 3);
}

static void booleans_are_true_and_false_only(void **state)
{
    (void)state;
    struct node *list = parse("[true, false, yes, \"true\", True, 1, []]");
    bool value;
    assert_true(node_to_bool(list->items[0], &problems, &value) && value);
    assert_true(node_to_bool(list->items[1], &problems, &value) && !value);
    for (size_t i = 2; i < list->count; i++)
        assert_false(node_to_bool(list->items[i], &problems, &value));
    assert_int_equal(problems.count, 5);
    assert_non_null(strstr(problems.first->text.at, "found \"yes\""));
}

struct quantity {
    const char *text;
    bool is_good;
    unsigned long long value;
};

static void assert_quantities(const struct quantity *cases, size_t count,
                              bool (*read)(const struct node *, unsigned long long,
                                           unsigned long long, struct problem_list *,
                                           unsigned long long *))
{
    for (size_t i = 0; i < count; i++) {
        struct node *list = parse(cases[i].text);
        unsigned long long value = 0;
        bool is_good = read(list->items[0], 0, 1ULL << 40, &problems, &value);
        if (is_good != cases[i].is_good || (is_good && value != cases[i].value))
            fail_msg("%s -> %d %llu", cases[i].text, is_good, value);
    }
}

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct quantity cases[] = {
        {"[25MiB]", true, 25ULL << 20},
        {"[64 KiB]", true, 64 << 10},
        {"[1000000]", true, 1000000},
        {"[2kb]", true, 2000},
        {"[0]", true, 0},
        {"[1.5MiB]", false, 0},
        {"[-1]", false, 0},
        {"[MiB]", false, 0},
        {"[1 parsec]", false, 0},
        {"[999999999999999999GB]", false, 0},
        {"[9000GB]", false, 0},
        {"[[]]", false, 0},
    };
    assert_quantities(cases, sizeof cases / sizeof *cases, node_to_bytes);
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct quantity cases[] = {
        {"[100ms]", true, 100},  {"[30s]", true, 30000},    {"[5 m]", true, 300000},
        {"[1h]", true, 3600000}, {"[2d]", true, 172800000}, {"[0]", true, 0},
        {"[30]", false, 0},      {"[s]", false, 0},         {"['']", false, 0},
    };
    assert_quantities(cases, sizeof cases / sizeof *cases, node_to_duration_ms);
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    struct node *list = parse("[7, 1000, x, 1e3]");
    unsigned long long value;
    assert_true(node_to_number(list->items[0], 1, 10, &problems, &value));
    assert_int_equal(value, 7);
    assert_false(node_to_number(list->items[1], 1, 10, &problems, &value));
    assert_string_equal(problems.first->text.at, "1000 is out of range: from 1 to 10");
    assert_false(node_to_number(list->items[2], 1, 10, &problems, &value));
    assert_false(node_to_number(list->items[3], 1, 10, &problems, &value));
}

static void a_problem_is_one_line(void **state)
{
    (void)state;
    problem_add(&problems, STR("f"), 1, 1, "%s", "a\nb\x1b[2J");
    assert_string_equal(problems.first->text.at, "a?b?[2J");
}

static void problems_past_a_hundred_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 250; i++)
        problem_add(&problems, STR("f"), 1, 1, "no");
    size_t told = 0;
    for (const struct problem *p = problems.first; p; p = p->next)
        told++;
    assert_int_equal(told, PROBLEMS_TOLD_MAX + 1);
    assert_int_equal(problems.count, 250);
    assert_string_equal(problems.last->text.at, "\u2026 and 150 more");
}

#define document_test(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        document_test(nodes_know_their_place),
        document_test(scalars_stay_text_but_nothing_is_null),
        document_test(json_is_read_too),
        document_test(an_empty_file_is_an_empty_map),
        document_test(what_is_refused_is_told_with_its_place),
        document_test(a_refused_tree_is_not_returned),
        document_test(many_duplicate_keys_are_found_in_a_large_map),
        document_test(depth_is_bounded),
        document_test(a_huge_file_is_refused),
        document_test(a_missing_file_is_a_problem),
        document_test(unknown_keys_come_with_the_nearest_name),
        document_test(booleans_are_true_and_false_only),
        document_test(sizes_have_units),
        document_test(durations_have_units),
        document_test(numbers_are_whole_and_in_range),
        document_test(a_problem_is_one_line),
        document_test(problems_past_a_hundred_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
