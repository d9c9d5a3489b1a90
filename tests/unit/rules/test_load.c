/* What is wrong in a file of rules is told, with its place: each file here has one problem, unless said otherwise. */
#include <sys/stat.h>
#include <unistd.h>

#include "rules_test.h"

static bool knows_support_only(void *arg, struct str name)
{
    (void)arg;
    return str_equal(name, STR("support"));
}

static bool verified_at_corp_only(void *arg, const struct mailbox *destination)
{
    (void)arg;
    return str_equal(destination->domain, STR("corp.test"));
}

static const struct rule_vocabulary strict = {
    .has_worker = knows_support_only,
    .is_verified = verified_at_corp_only,
    .postmaster = {"postmaster@corp.test", sizeof "postmaster@corp.test" - 1},
};

struct bad {
    const char *text;
    unsigned line, column;
    const char *says;
};

#define D "domain: example.com\n"
#define R D "rules:\n  - "

static const struct bad bad_files[] = {
    /* the file */
    {"- a\n", 1, 1, "starts with `domain:`"},
    {"rules: []\n", 1, 1, "'domain' is missing"},
    {"domain: []\n", 1, 9, "expected a text"},
    {"domain: exa mple\n", 1, 9, "'exa mple' is no domain"},
    {D "rulez: []\n", 2, 1, "did you mean 'rules'?"},
    {D "success: true\n", 2, 1, "unknown key 'success'"},
    {D "subaddressing: yes\n", 2, 16, "expected true or false"},
    {D "subaddress_separators: 'a'\n", 2, 24, "separators are"},
    {D "subaddress_separators: ''\n", 2, 24, "separators are"},
    {D "recipients_per_transaction: 0\n", 2, 29, "from 1 to 1000"},
    {D "recipients_per_transaction: 1001\n", 2, 29, "from 1 to 1000"},
    {D "rules: 7\n", 2, 8, "a rule is a map"},
    {R "text\n", 3, 5, "a rule is a map"},
    /* to */
    {R "{drop: true}\n", 3, 5, "'to' is missing"},
    {R "{to: [], drop: true}\n", 3, 10, "the rule is for nobody"},
    {R "{to: {a: b}, drop: true}\n", 3, 10, "expected a text, found a map"},
    {R "{to: sales, drop: true}\n", 3, 10, "'sales' is no mail address"},
    {R "{to: '@', drop: true}\n", 3, 10, "no local part"},
    {R "{to: a b@, drop: true}\n", 3, 10, "no local part"},
    {R "{to: a@b@example.com, drop: true}\n", 3, 10, "no mail address"},
    {R "{to: a@other.test, drop: true}\n", 3, 10, "belongs to another domain"},
    {R "{to: '*@example.com', drop: true}\n", 3, 10, "no wildcard"},
    {R "{to: '/^a', drop: true}\n", 3, 10, "ends with '/'"},
    {R "{to: /, drop: true}\n", 3, 10, "ends with '/'"},
    {R "{to: //, drop: true}\n", 3, 10, "pattern is empty"},
    {R "{to: /a/x, drop: true}\n", 3, 10, "unknown flags"},
    {R "{to: /a(b/, drop: true}\n", 3, 10, "missing closing parenthesis, at character 3"},
    {R "{to: '/\\C/', drop: true}\n", 3, 10, "bad pattern"},
    {R "{to: [a@, A@], drop: true}\n", 3, 15, "stands twice in this rule"},
    {R "{to: [a@, a@], when: {size: \">1\"}, drop: true}\n", 3, 15, "stands twice"},
    {R "{to: a@, drop: true}\n  - {to: a@, drop: true}\n", 4, 10, "example.com.yaml:3"},
    {R "{to: /a/, drop: true}\n  - {to: /a/, drop: true}\n", 4, 10, "never reached"},
    {R "{to: a@, drop: true}\n  - {to: a@, when: {size: \">1\"}, drop: true}\n", 4, 10,
     "never reached"},
    /* actions */
    {R "{to: a@}\n", 3, 5, "does nothing"},
    {R "{to: a@, drop: true, reject: no}\n", 3, 34, "a rule does one thing"},
    {R "{to: a@, drop: false}\n", 3, 20, "`enabled: false`"},
    {R "{to: a@, drop: }\n", 3, 20, "expected true or false"},
    {R "{to: a@, forward: x}\n", 3, 23, "'x' is no mail address"},
    {R "{to: a@, forward: []}\n", 3, 23, "1 to 100 addresses"},
    {R "{to: a@, forward: [[]]}\n", 3, 24, "expected a text, found a list"},
    {R "{to: a@, forward: [a@corp.test, A@corp.test]}\n", 3, 37, "stands here twice"},
    {R "{to: a@, forward: a@mail.test}\n", 3, 23, "no verified destination"},
    {R "{to: a@, worker: supprt}\n", 3, 22, "there is no worker 'supprt'"},
    {R "{to: a@, worker: ../x}\n", 3, 22, "no worker's name"},
    {R "{to: a@, worker: []}\n", 3, 22, "expected a text"},
    {R "{to: a@, reject: \"\"}\n", 3, 22, "a reject text"},
    {R "{to: a@, reject: \"a\\r\\n250 ok\"}\n", 3, 22, "a reject text"},
    {R "{to: a@, reject: \xc3\xa9}\n", 3, 22, "printable ASCII"},
    {R "{to: a@, drop: true, enabled: 1}\n", 3, 35, "expected true or false"},
    {R "{to: a@, drop: true, on_soft_failure: later}\n", 3, 43, "expected queue"},
    {R "{to: a@, drop: true, on_soft_failure: []}\n", 3, 43, "expected a text"},
    {R "{to: a@, drop: true, name: []}\n", 3, 32, "expected a text"},
    {R "{to: a@, drip: true, drop: true}\n", 3, 14, "did you mean 'drop'?"},
    /* when */
    {R "{to: a@, drop: true, when: x}\n", 3, 32, "conditions are a map"},
    {R "{to: a@, drop: true, when: {}}\n", 3, 32, "conditions are a map"},
    {R "{to: a@, drop: true, when: []}\n", 3, 32, "an empty list never holds"},
    {R "{to: a@, drop: true, when: {sze: 1}}\n", 3, 33, "did you mean 'size'?"},
    {R "{to: a@, drop: true, when: {size: 1MiB}}\n", 3, 39, "a size condition"},
    {R "{to: a@, drop: true, when: {size: \">x\"}}\n", 3, 39, "a size condition"},
    {R "{to: a@, drop: true, when: {size: []}}\n", 3, 39, "an empty list"},
    {R "{to: a@, drop: true, when: {auth: pass}}\n", 3, 39, "names checks"},
    {R "{to: a@, drop: true, when: {auth: {dmarc: good}}}\n", 3, 47, "a result is one of"},
    {R "{to: a@, drop: true, when: {auth: {dmark: pass}}}\n", 3, 40, "did you mean"},
    {R "{to: a@, drop: true, when: {header: x}}\n", 3, 41, "names fields"},
    {R "{to: a@, drop: true, when: {header: {'a b': x}}}\n", 3, 42, "no header field"},
    {R "{to: a@, drop: true, when: {header: {a: /(/}}}\n", 3, 45, "bad pattern"},
    {R "{to: a@, drop: true, when: {header: {a: {}}}}\n", 3, 45, "expected a text"},
    {R "{to: a@, drop: true, when: {sender: x}}\n", 3, 41, "a sender is"},
    {R "{to: a@, drop: true, when: {sender: \"@-\"}}\n", 3, 41, "'-' is no domain"},
    {R "{to: a@, drop: true, when: {client: x}}\n", 3, 41, "a client is"},
    {R "{to: a@, drop: true, when: {client: 10.0.0.0/33}}\n", 3, 41, "a client is"},
    {R "{to: a@, drop: true, when: {not: {}}}\n", 3, 38, "conditions are a map"},
    /* catch_all and postmaster */
    {D "catch_all: x\n", 2, 12, "a map with an action"},
    {D "catch_all: {}\n", 2, 12, "does nothing"},
    {D "catch_all: {to: a@, drop: true}\n", 2, 13, "unknown key 'to'"},
    {D "catch_all: [{drop: true}, {drop: true}]\n", 2, 27, "never reached"},
    {D "postmaster: x\n", 2, 13, "'x' is no mail address"},
    {D "postmaster: a@mail.test\n", 2, 13, "no verified destination"},
    {R "{to: postmaster@, reject: no}\n", 3, 1, "must be accepted"},
    /* the API's form */
    {R "{matchers: [], actions: [{type: drop}]}\n", 3, 16, "exactly one map"},
    {R "{matchers: [{type: all}]}\n", 3, 5, "'actions' is a list"},
    {R "{matchers: [{type: some}], actions: [{type: drop}]}\n", 3, 24,
     "'type' of a matcher"},
    {R "{matchers: [{type: literal, field: from, value: a@example.com}], actions: [{type: "
       "drop}]}\n",
     3, 40, "'field' of a literal matcher"},
    {R "{matchers: [{type: literal, field: to}], actions: [{type: drop}]}\n", 3, 17,
     "'value' of the matcher is missing"},
    {R "{matchers: [{type: all}], actions: [{type: forward}]}\n", 3, 48, "an action is of"},
    {R "{matchers: [{type: all}], actions: [{type: drop}], to: a@}\n", 3, 56,
     "unknown key"},
    {R "{matchers: [{type: all}], actions: [{type: drop}], priority: -1}\n", 3, 66,
     "whole number"},
};

static bool is_told(const struct bad *bad)
{
    struct rule_text file = {STR("example.com.yaml"), str_of(bad->text)};
    struct problem_list found;
    problem_list_open(&found);
    struct rule_set *none = rule_set_parse(&file, 1, &strict, &found);
    const struct problem *first = found.first;
    bool as_expected = !none && found.count == 1 && first->line == bad->line &&
                       first->column == bad->column && strstr(first->text.at, bad->says);
    if (!as_expected)
        print_error("%s -> %zu problems, %u:%u %s\n", bad->text, found.count,
                    first ? first->line : 0, first ? first->column : 0,
                    first ? first->text.at : "");
    rule_set_release(none);
    problem_list_close(&found);
    return as_expected;
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    size_t untold = 0;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++)
        untold += !is_told(&bad_files[i]);
    assert_int_equal(untold, 0);
}

static size_t problems_of(const char *text, const struct rule_vocabulary *vocabulary)
{
    struct rule_text file = {STR("example.com.yaml"), str_of(text)};
    assert_null(rule_set_parse(&file, 1, vocabulary, &problems));
    return problems.count;
}

static void all_problems_are_told_at_once(void **state)
{
    (void)state;
    assert_int_equal(problems_of(R "{to: a, drop: true}\n"
                                   "  - {to: b@, worker: nobody}\n"
                                   "  - {to: /(/, forward: x}\n"
                                   "nonsense: true\n",
                                 &strict),
                     5);
}

static void a_forward_to_itself_is_told(void **state)
{
    (void)state;
    load(R "{to: a@, forward: b@example.com}\n");
    assert_int_equal(problems_of(R "{to: a@, forward: A@Example.com}\n", NULL), 2);
    assert_non_null(strstr(problems.first->text.at, "forwarded to itself"));
    assert_int_equal(problems_of(D "postmaster: PostMaster@example.com\n", NULL), 3);
    assert_non_null(strstr(problems.last->text.at, "forwarded to itself"));
}

static void a_domain_without_postmaster_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = {
        D, D "catch_all: {reject: no}\n", D "catch_all: {drop: true, enabled: false}\n",
        D "catch_all: {when: {size: \">1\"}, drop: true}\n",
        R "{to: postmaster@, when: {size: \">1\"}, drop: true}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(problems_of(texts[i], NULL), i + 1);
        assert_non_null(
            strstr(problems.last->text.at, "no address for postmaster@example.com"));
    }
}

static void two_files_of_one_domain_are_told(void **state)
{
    (void)state;
    struct rule_text files[] = {
        {STR("a.yaml"), STR("domain: a.test")},
        {STR("b.yaml"), STR("domain: A.TEST")},
    };
    assert_null(rule_set_parse(files, 2, &strict, &problems));
    assert_int_equal(problems.count, 1);
    assert_non_null(
        strstr(problems.first->text.at, "a.test is the domain of a.yaml already"));
}

static void the_apis_domain_comes_from_its_first_address(void **state)
{
    (void)state;
    assert_int_equal(problems_of("result: [{matchers: [{type: all}], actions: [{type: "
                                 "drop}]}]\n",
                                 &strict),
                     1);
    assert_non_null(strstr(problems.first->text.at, "'domain' is missing"));
}

/* --- a directory --- */

static char directory[] = "/tmp/postern-rules-XXXXXX";

static void write_file(const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const char *name)
{
    assert_int_equal(unlink(arena_printf(arena, "%s/%s", directory, name)), 0);
}

static void a_directory_is_read_in_the_order_of_names(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    static const char *const names[] = {"b.test.yaml", "a.test.yml",   "c.test.json",
                                        "host.yaml",   "x.yaml.saved", ".hidden.yaml"};
    static const char *const texts[] = {"domain: b.test",
                                        "domain: a.test",
                                        "{\"domain\": \"c.test\"}",
                                        "name: mx",
                                        "]",
                                        "]"};
    for (size_t i = 0; i < 6; i++)
        write_file(names[i], texts[i]);
    set = rule_set_load(directory, &with_postmaster, &problems);
    for (size_t i = 0; i < 6; i++)
        remove_file(names[i]);
    rmdir(directory);
    print_problems();
    assert_non_null(set);
    assert_int_equal(rule_set_domain_count(set), 3);
    assert_true(str_equal(rule_set_domain(set, 0)->domain, STR("a.test")));
    assert_true(str_equal(rule_set_domain(set, 2)->domain, STR("c.test")));
}

static void a_missing_directory_is_told(void **state)
{
    (void)state;
    assert_null(rule_set_load("/nonexistent/rules", NULL, &problems));
    assert_int_equal(problems.count, 1);
    assert_non_null(strstr(problems.first->text.at, "cannot be read: No such file"));
}

static void the_rules_of_this_repository_load(void **state)
{
    (void)state;
    set = rule_set_load("rules", &with_postmaster, &problems);
    print_problems();
    assert_non_null(set);
    assert_true(rule_set_domain_count(set) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule_test(what_is_wrong_is_told_with_its_place),
        rule_test(all_problems_are_told_at_once),
        rule_test(a_forward_to_itself_is_told),
        rule_test(a_domain_without_postmaster_is_told),
        rule_test(two_files_of_one_domain_are_told),
        rule_test(the_apis_domain_comes_from_its_first_address),
        rule_test(a_directory_is_read_in_the_order_of_names),
        rule_test(a_missing_directory_is_told),
        rule_test(the_rules_of_this_repository_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
