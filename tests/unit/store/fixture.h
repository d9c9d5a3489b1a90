/* A store in a temporary directory for each test, and short words for what tests do with it. The contract tests
 * (test_contract_*.c) know nothing but store.h: another back end joins by a row in `backends`. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "base/arena.h"
#include "base/mem.h"
#include "store/store.h"

#define NOW_MS                                                                             \
    ((uint64_t)1700000000000) /* 2023: leases of tests are over by the clock of the day */
#define HOUR ((uint64_t)3600000)

struct backend {
    const char *name;
    struct store *(*open)(const struct store_options *options, struct err *err);
};

static const struct backend backends[] = {{"sqlite", store_open}};

static struct {
    const struct backend *backend;
    char directory[64];
    struct store_options options;
    struct store *store;
    struct arena *arena;
    unsigned report_count;
    char report[600];
} fixture = {.backend = backends};

static inline void keep_report(void *arg, struct str what, struct str detail)
{
    (void)arg;
    fixture.report_count++;
    snprintf(fixture.report, sizeof fixture.report, "%.*s; %.*s", STR_ARG(what),
             STR_ARG(detail));
}

static inline struct store *open_another(void)
{
    struct err err = {0};
    struct store *store = fixture.backend->open(&fixture.options, &err);
    if (!store)
        fprintf(stderr, "store_open: %s\n", err.text);
    else
        assert_int_equal(err.code, 0);
    return store;
}

static inline int fixture_open(void **state)
{
    test_loop_open(state);
    strcpy(fixture.directory, "/tmp/postern-store-XXXXXX");
    if (!mkdtemp(fixture.directory))
        return -1;
    fixture.options = (struct store_options){
        .directory = fixture.directory, .body_inline_bytes = 4096, .report = keep_report};
    fixture.report_count = 0;
    fixture.report[0] = '\0';
    fixture.arena = arena_new();
    fixture.store = open_another();
    return fixture.store ? 0 : -1;
}

static inline int close_store(void *arg)
{
    (void)arg;
    store_close(fixture.store);
    fixture.store = NULL;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type,
                               struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int fixture_close(void **state)
{
    test_run(close_store, NULL);
    arena_free(fixture.arena);
    remove_tree(fixture.directory);
    return test_loop_close(state);
}

static inline int run_body(void *arg)
{
    void (*const *body)(void) = arg;
    (*body)();
    return 0;
}

/* Runs a test's body as a task. */
static inline void run(void (*body)(void))
{
    test_run(run_body, &body);
}

#define STORE_TEST(name)                                                                   \
    static void name##_body(void);                                                         \
    static void name(void **state)                                                         \
    {                                                                                      \
        (void)state;                                                                       \
        run(name##_body);                                                                  \
    }                                                                                      \
    static void name##_body(void)

#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

/* All tests for each back end. */
static inline int run_contract(const char *group, const struct CMUnitTest *tests,
                               size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        fixture.backend = &backends[i];
        char name[100];
        snprintf(name, sizeof name, "%s: %s", group, fixture.backend->name);
        failed += _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    }
    return failed;
}

#define RUN_CONTRACT(group, tests)                                                         \
    run_contract(group, tests, sizeof(tests) / sizeof *(tests))

/* Writes and opens it again, as after a stop. */
static inline void reopen(void)
{
    store_close(fixture.store);
    fixture.store = open_another();
    assert_non_null(fixture.store);
}

/* --- messages and legs --- */

static inline struct store_leg leg_to(const char *recipient)
{
    struct str destination = str_of(strrchr(recipient, '@') + 1);
    return (struct store_leg){.recipient = str_of(recipient),
                              .destination = destination,
                              .original = STR("ben@here.test"),
                              .next_ms = NOW_MS};
}

static inline int add_created(const char *id, const char *recipient, uint64_t created_ms)
{
    struct str content = STR("Subject: hello\r\n\r\nHello.\r\n");
    struct store_message message = {.id = str_of(id),
                                    .created_ms = created_ms,
                                    .reverse_path = STR("srs@here.test"),
                                    .return_path = STR("anna@there.test"),
                                    .parts = &content,
                                    .part_count = 1};
    struct store_leg leg = leg_to(recipient);
    return store_queue_add(fixture.store, &message, &leg, 1);
}

static inline void add(const char *id, const char *recipient)
{
    assert_int_equal(add_created(id, recipient, NOW_MS), 0);
}

static inline void renew_lease(const char *owner)
{
    assert_int_equal(
        store_lease_renew(fixture.store, str_of(owner), NOW_MS, NOW_MS + 20000), 0);
}

struct claimed {
    struct store_leg *legs;
    size_t count;
};

static inline struct claimed claim_with(struct store_claim claim)
{
    struct claimed claimed;
    if (claim.now_ms == 0)
        claim.now_ms = NOW_MS;
    if (claim.legs_max == 0)
        claim.legs_max = 100;
    if (claim.per_destination_max == 0)
        claim.per_destination_max = 100;
    assert_int_equal(store_queue_claim(fixture.store, &claim, fixture.arena, &claimed.legs,
                                       &claimed.count),
                     0);
    return claimed;
}

static inline struct claimed claim_all(const char *owner)
{
    renew_lease(owner);
    return claim_with((struct store_claim){.owner = str_of(owner)});
}

static inline void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.length, strlen(expected));
    assert_memory_equal(s.at, expected, s.length);
}
