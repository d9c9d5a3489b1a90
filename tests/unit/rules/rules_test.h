/* What the tests of rules share: a rule set from the text of files, and questions to it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "rules/rule_set.h"

static struct arena *arena;
static struct problem_list problems;
static struct rule_set *set;
static struct rule_match match;

static inline int open_case(void **state)
{
    (void)state;
    arena = arena_new();
    problem_list_open(&problems);
    return 0;
}

static inline int close_case(void **state)
{
    (void)state;
    rule_set_release(set);
    set = NULL;
    problem_list_close(&problems);
    arena_free(arena);
    return 0;
}

static inline void print_problems(void)
{
    for (const struct problem *p = problems.first; p; p = p->next)
        print_error("%.*s:%u:%u: %.*s\n", STR_ARG(p->file), p->line, p->column,
                    STR_ARG(p->text));
}

static const struct rule_vocabulary with_postmaster = {
    .postmaster = {"postmaster@corp.test", sizeof "postmaster@corp.test" - 1}};

/* Loads one file, which must have no problems. */
static inline void load(const char *text)
{
    struct rule_text file = {STR("example.com.yaml"), str_of(text)};
    rule_set_release(set);
    set = rule_set_parse(&file, 1, &with_postmaster, &problems);
    print_problems();
    assert_int_equal(problems.count, 0);
    assert_non_null(set);
}

static const struct rule_auth *verified; /* of the message, for find_in() */

static inline enum rule_found find_in(const struct message *envelope,
                                      const struct message *message, const char *address)
{
    struct mailbox *recipient = arena_new_of(arena, struct mailbox);
    assert_int_equal(mailbox_parse(str_of(address), arena, recipient), 0);
    struct rule_question question = {
        .recipient = recipient, .envelope = envelope, .message = message, .auth = verified};
    return rule_set_match(set, &question, arena, &match);
}

static inline enum rule_found find(const char *address)
{
    return find_in(NULL, NULL, address);
}

/* Fails unless the address leads to the rule of this name by this step. */
static inline void assert_finds(const char *address, const char *name, enum rule_step step)
{
    enum rule_found found = find(address);
    if (found != RULE_FOUND || !str_equal(match.rule->name, str_of(name)) ||
        match.step != step)
        fail_msg("%s -> found %d, rule '%.*s', step %d", address, found,
                 match.rule ? (int)match.rule->name.length : 0,
                 match.rule ? match.rule->name.at : "", match.step);
}

static inline void assert_finds_none(const char *address, enum rule_found expected)
{
    enum rule_found found = find(address);
    if (found != expected)
        fail_msg("%s -> found %d", address, found);
}

static inline void assert_capture(size_t n, const char *name, const char *value)
{
    assert_true(n < match.capture_count);
    assert_true(str_equal(match.captures[n].name, str_of(name)));
    assert_true(str_equal(match.captures[n].value, str_of(value)));
}

#define rule_test(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)
