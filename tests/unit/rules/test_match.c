/* Which rule a recipient finds: addresses, subaddresses, patterns, postmaster, catch-all, in this order. */
#include <time.h>

#include "rules_test.h"

#include "base/buf.h"

static void an_address_finds_its_rule(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules:\n"
         "  - {name: a, to: support@example.com, worker: support}\n"
         "  - {name: b, to: [sales@, Hello@], forward: [anna@corp.test, ben@corp.test]}\n"
         "  - {name: c, to: trap@, reject: no such person}\n"
         "  - {name: d, to: hole@, drop: true}\n");
    assert_finds("support@example.com", "a", RULE_BY_ADDRESS);
    assert_int_equal(match.rule->action, RULE_WORKER);
    assert_true(str_equal(match.rule->worker, STR("support")));
    assert_int_equal(match.rule->line, 3);
    assert_true(str_equal(match.rule->file, STR("example.com.yaml")));
    assert_true(str_equal(match.domain->domain, STR("example.com")));
    assert_int_equal(match.domain->recipients_per_transaction, 1);
    assert_finds("sales@example.com", "b", RULE_BY_ADDRESS);
    assert_int_equal(match.rule->action, RULE_FORWARD);
    assert_int_equal(match.rule->destination_count, 2);
    assert_true(str_equal(match.rule->destinations[1].text, STR("ben@corp.test")));
    assert_finds("hello@example.com", "b", RULE_BY_ADDRESS);
    assert_finds("trap@example.com", "c", RULE_BY_ADDRESS);
    assert_true(str_equal(match.rule->reject_text, STR("no such person")));
    assert_finds("hole@example.com", "d", RULE_BY_ADDRESS);
    assert_int_equal(match.rule->action, RULE_DROP);
    assert_finds_none("nobody@example.com", RULE_NO_RECIPIENT);
    assert_non_null(match.domain);
    assert_finds_none("support@other.test", RULE_NO_DOMAIN);
    assert_null(match.domain);
    assert_finds_none("support@sub.example.com", RULE_NO_DOMAIN);
    assert_int_equal(rule_set_rule_count(set), 4);
    assert_int_equal(rule_set_domain_count(set), 1);
    assert_null(rule_set_domain(set, 1));
}

static void addresses_compare_without_case_by_default(void **state)
{
    (void)state;
    load("domain: Example.COM\n"
         "rules: [{name: a, to: Anna@eXample.com, drop: true}]\n");
    assert_finds("aNNA@EXAMPLE.com", "a", RULE_BY_ADDRESS);
    load("domain: example.com\n"
         "local_part_case_sensitive: true\n"
         "rules:\n"
         "  - {name: a, to: Anna@, drop: true}\n"
         "  - {name: b, to: /^Order/, drop: true}\n"
         "  - {name: p, to: postmaster@, drop: true}\n");
    assert_finds("Anna@EXAMPLE.com", "a", RULE_BY_ADDRESS);
    assert_finds_none("anna@example.com", RULE_NO_RECIPIENT);
    assert_finds("Order@example.com", "b", RULE_BY_PATTERN);
    assert_finds_none("order@example.com", RULE_NO_RECIPIENT);
    assert_finds("PostMaster@example.com", "p", RULE_BY_ADDRESS);
}

static void dots_are_ordinary_and_quotes_are_not_part_of_the_name(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules:\n"
         "  - {name: a, to: an.na@, drop: true}\n"
         "  - {name: b, to: '\"john doe\"@', drop: true}\n");
    assert_finds_none("anna@example.com", RULE_NO_RECIPIENT);
    assert_finds("\"an.na\"@example.com", "a", RULE_BY_ADDRESS);
    assert_finds("\"John Doe\"@example.com", "b", RULE_BY_ADDRESS);
}

static void international_domains_match_in_both_forms(void **state)
{
    (void)state;
    load("domain: Piñata.example\n"
         "rules:\n"
         "  - {name: a, to: a@piñata.example, drop: true}\n"
         "  - {name: b, to: b@xn--piata-pta.example, drop: true}\n"
         "  - {name: c, to: jürgen@, drop: true}\n");
    assert_finds("a@xn--piata-pta.example", "a", RULE_BY_ADDRESS);
    assert_finds("a@PIÑATA.example", "a", RULE_BY_ADDRESS);
    assert_finds("b@piñata.example", "b", RULE_BY_ADDRESS);
    assert_finds("jürgen@piñata.example", "c", RULE_BY_ADDRESS);
}

static void a_subaddress_falls_back_to_its_base(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "subaddressing: true\n"
         "rules:\n"
         "  - {name: user, to: user@, drop: true}\n"
         "  - {name: own, to: user+own@, drop: true}\n"
         "  - {name: pattern, to: /^user\\+pat/, drop: true}\n"
         "  - {name: deep, to: deep+er@, drop: true}\n"
         "catch_all: {name: rest, drop: true}\n");
    assert_finds("User+Tag@example.com", "user", RULE_BY_SUBADDRESS);
    assert_true(str_equal(match.detail, STR("Tag")));
    assert_finds("user+own@example.com", "own", RULE_BY_ADDRESS);
    assert_int_equal(match.detail.length, 0);
    assert_finds("user+pat@example.com", "user", RULE_BY_SUBADDRESS);
    assert_finds("user+a+b@example.com", "user", RULE_BY_SUBADDRESS);
    assert_true(str_equal(match.detail, STR("a+b")));
    assert_finds("deep+er+x@example.com", "deep", RULE_BY_SUBADDRESS);
    assert_true(str_equal(match.detail, STR("x")));
    assert_finds("user+@example.com", "user", RULE_BY_SUBADDRESS);
    assert_finds("+user@example.com", "rest", RULE_BY_CATCH_ALL);
    assert_finds("user-x@example.com", "rest", RULE_BY_CATCH_ALL);
}

static void subaddressing_is_off_unless_asked_for(void **state)
{
    (void)state;
    load("domain: example.com\nrules: [{to: user@, drop: true}]\n");
    assert_finds_none("user+tag@example.com", RULE_NO_RECIPIENT);
    load("domain: example.com\nsubaddressing: true\nsubaddress_separators: '-='\n"
         "rules: [{name: u, to: user@, drop: true}]\n");
    assert_finds("user-tag@example.com", "u", RULE_BY_SUBADDRESS);
    assert_finds("user=tag@example.com", "u", RULE_BY_SUBADDRESS);
    assert_finds_none("user+tag@example.com", RULE_NO_RECIPIENT);
}

static void patterns_are_tried_in_order_and_capture(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules:\n"
         "  - {name: order, to: '/^order-(?<id>\\d+)(-(\\w+))?@/', worker: orders}\n"
         "  - {name: any order, to: /^order/, drop: true}\n"
         "  - {name: exact, to: order-7@, drop: true}\n"
         "  - {name: whole, to: '/\\.x@example\\.com$/', drop: true}\n");
    assert_finds("Order-12-Ab@example.com", "order", RULE_BY_PATTERN);
    assert_int_equal(match.capture_count, 4);
    assert_capture(0, "1", "12");
    assert_capture(1, "2", "-Ab");
    assert_capture(2, "3", "Ab");
    assert_capture(3, "id", "12");
    assert_finds("order-12@example.com", "order", RULE_BY_PATTERN);
    assert_int_equal(match.capture_count, 2);
    assert_finds("order-x@example.com", "any order", RULE_BY_PATTERN);
    assert_int_equal(match.capture_count, 0);
    assert_finds("order-7@example.com", "exact", RULE_BY_ADDRESS);
    assert_finds("a.x@EXAMPLE.com", "whole", RULE_BY_PATTERN);
    assert_finds_none("reorder@example.com", RULE_NO_RECIPIENT);
}

static void a_pattern_that_takes_too_long_is_no_answer(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules: [{name: slow, to: '/^(a+|aa)+b@/', drop: true}]\n"
         "catch_all: {name: rest, drop: true}\n");
    assert_finds("aab@example.com", "slow", RULE_BY_PATTERN);
    assert_finds_none("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
                      RULE_TOO_COSTLY);
}

static void rules_switched_off_match_nothing(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules:\n"
         "  - {name: off, to: [a@, /^b/], drop: true, enabled: false}\n"
         "  - {name: on, to: a@, drop: true}\n"
         "catch_all: {drop: true, enabled: false}\n");
    assert_finds("a@example.com", "on", RULE_BY_ADDRESS);
    assert_finds_none("b@example.com", RULE_NO_RECIPIENT);
    assert_int_equal(rule_set_rule_count(set), 1);
}

static void postmaster_always_has_somebody(void **state)
{
    (void)state;
    load("domain: example.com\ncatch_all: {name: rest, drop: true}\n");
    assert_finds("PostMaster@example.com", "postmaster", RULE_BY_POSTMASTER);
    assert_true(str_equal(match.rule->destinations[0].text, STR("postmaster@corp.test")));
    load("domain: example.com\npostmaster: admin@example.com\n");
    assert_finds("postmaster@example.com", "postmaster", RULE_BY_POSTMASTER);
    assert_true(str_equal(match.rule->destinations[0].text, STR("admin@example.com")));
    load("domain: example.com\npostmaster: a@b.test\n"
         "rules: [{name: own, to: postmaster@, drop: true}]\n");
    assert_finds("postmaster@example.com", "own", RULE_BY_ADDRESS);
    load("domain: corp.test\ncatch_all: {name: rest, drop: true}\n");
    assert_finds("postmaster@corp.test", "rest", RULE_BY_CATCH_ALL);
}

static void the_catch_all_takes_the_rest(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "rules: [{to: a@, drop: true}]\n"
         "catch_all: {forward: me@mail.test}\n");
    assert_finds("zzz@example.com", "catch-all", RULE_BY_CATCH_ALL);
    assert_int_equal(match.rule->line, 3);
}

static void each_domain_has_its_own_rules(void **state)
{
    (void)state;
    struct rule_text files[] = {
        {STR("a"), STR("domain: a.test\nrules: [{name: one, to: x@, drop: true}]")},
        {STR("b"), STR("domain: b.test\nrules: [{name: two, to: x@, drop: true}]")},
    };
    set = rule_set_parse(files, 2, &with_postmaster, &problems);
    print_problems();
    assert_finds("x@a.test", "one", RULE_BY_ADDRESS);
    assert_finds("x@b.test", "two", RULE_BY_ADDRESS);
    assert_true(str_equal(rule_set_domain(set, 1)->domain, STR("b.test")));
}

static void the_apis_form_is_understood(void **state)
{
    (void)state;
    load("{\"result\": [\n"
         " {\"tag\": \"a7\", \"name\": \"late\", \"enabled\": true, \"priority\": 10,\n"
         "  \"matchers\": [{\"type\": \"all\"}], \"actions\": [{\"type\": \"drop\"}]},\n"
         " {\"id\": \"x\", \"name\": \"fwd\", \"matchers\": [{\"type\": \"literal\", "
         "\"field\":"
         " \"to\", \"value\": \"A@example.com\"}],\n"
         "  \"actions\": [{\"type\": \"forward\", \"value\": [\"x@c.test\", "
         "\"y@c.test\"]}]},\n"
         " {\"name\": \"wrk\", \"matchers\": [{\"type\": \"literal\", \"field\": \"to\","
         " \"value\": \"b@example.com\"}],\n"
         "  \"actions\": [{\"type\": \"worker\", \"value\": [\"support\"]}]}],\n"
         " \"success\": true, \"errors\": [], \"messages\": [], \"result_info\": "
         "{\"page\": 1}}");
    assert_finds("a@example.com", "fwd", RULE_BY_ADDRESS);
    assert_int_equal(match.rule->destination_count, 2);
    assert_finds("b@example.com", "wrk", RULE_BY_ADDRESS);
    assert_true(str_equal(match.rule->worker, STR("support")));
    assert_finds("c@example.com", "late", RULE_BY_CATCH_ALL);
    assert_int_equal(match.rule->action, RULE_DROP);
}

static void priority_goes_before_the_order_of_the_file(void **state)
{
    (void)state;
    static const char form[] =
        "domain: example.com\n"
        "rules:\n"
        "  - {name: second, priority: 5, matchers: [{type: all}], actions: [{type: "
        "drop}]}\n"
        "  - {name: own, to: a@, when: {sender: \"@x.test\"}, drop: true}\n"
        "  - {name: first, priority: 1, matchers: [{type: literal, field: to, value: "
        "a@example.com}], actions: [{type: drop}]}\n";
    load(form);
    assert_finds_none("a@example.com", RULE_MAYBE);
    assert_finds("b@example.com", "second", RULE_BY_CATCH_ALL);
}

static char *hundred_thousand_rules(size_t *length)
{
    enum { COUNT = 100000, LINE = 64 };
    char *text = malloc((size_t)COUNT * LINE);
    size_t at = (size_t)sprintf(text, "domain: example.com\nrules:\n");
    for (int i = 0; i < COUNT; i++)
        at +=
            (size_t)sprintf(text + at, "  - {to: user%d@, forward: u%d@corp.test}\n", i, i);
    *length = at;
    return text;
}

static void one_address_of_a_hundred_thousand_is_one_probe(void **state)
{
    (void)state;
    struct rule_text file = {STR("big.yaml"), {0}};
    char *text = hundred_thousand_rules(&file.text.length);
    file.text.at = text;
    clock_t start = clock();
    set = rule_set_parse(&file, 1, &with_postmaster, &problems);
    clock_t loaded = clock();
    free(text);
    print_problems();
    assert_non_null(set);
    assert_int_equal(rule_set_rule_count(set), 100000);
    assert_finds("user0@example.com", "user0@example.com", RULE_BY_ADDRESS);
    assert_finds("USER99999@example.com", "user99999@example.com", RULE_BY_ADDRESS);
    assert_finds_none("user100000@example.com", RULE_NO_RECIPIENT);
    print_message("loading: %.0f ms of CPU\n",
                  1000.0 * (double)(loaded - start) / CLOCKS_PER_SEC);
}

static void a_set_lives_as_long_as_somebody_keeps_it(void **state)
{
    (void)state;
    load("domain: example.com\nrules: [{name: a, to: a@, drop: true}]\n");
    struct rule_set *kept = rule_set_keep(set);
    rule_set_release(set);
    assert_finds("a@example.com", "a", RULE_BY_ADDRESS);
    assert_ptr_equal(kept, set);
}

static void collect(void *arg, const char *sentence)
{
    buf_printf(arg, "%s\n", sentence);
}

static void every_step_can_be_explained(void **state)
{
    (void)state;
    load("domain: example.com\n"
         "subaddressing: true\n"
         "rules:\n"
         "  - {name: a, to: /^x/, drop: true}\n"
         "  - {name: b, to: u@, when: {size: \">1MiB\"}, drop: true}\n"
         "catch_all: {name: c, drop: true}\n");
    struct buf told;
    buf_init(&told, 2000);
    struct mailbox recipient;
    mailbox_parse(STR("u+t@example.com"), arena, &recipient);
    struct rule_question question = {
        .recipient = &recipient, .explain = collect, .explain_arg = &told};
    assert_int_equal(rule_set_match(set, &question, arena, &match), RULE_MAYBE);
    assert_null(match.rule);
    assert_string_equal(
        arena_text(arena, buf_view(&told)),
        "there is no rule for u+t@example.com itself\n"
        "rule 'b' (example.com.yaml:5) is for this address: its conditions depend on "
        "the message\n"
        "pattern 'a' does not match\n"
        "rule 'c' (example.com.yaml:6) is for this address: it matches\n");
    buf_free(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule_test(an_address_finds_its_rule),
        rule_test(addresses_compare_without_case_by_default),
        rule_test(dots_are_ordinary_and_quotes_are_not_part_of_the_name),
        rule_test(international_domains_match_in_both_forms),
        rule_test(a_subaddress_falls_back_to_its_base),
        rule_test(subaddressing_is_off_unless_asked_for),
        rule_test(patterns_are_tried_in_order_and_capture),
        rule_test(a_pattern_that_takes_too_long_is_no_answer),
        rule_test(rules_switched_off_match_nothing),
        rule_test(postmaster_always_has_somebody),
        rule_test(the_catch_all_takes_the_rest),
        rule_test(each_domain_has_its_own_rules),
        rule_test(the_apis_form_is_understood),
        rule_test(priority_goes_before_the_order_of_the_file),
        rule_test(one_address_of_a_hundred_thousand_is_one_probe),
        rule_test(a_set_lives_as_long_as_somebody_keeps_it),
        rule_test(every_step_can_be_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
