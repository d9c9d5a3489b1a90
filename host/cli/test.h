/* `postern test`, in parts:
 *
 *     test.c          the command: which files, the totals, the exit code
 *     test_session.c  one file of tests in an isolate of its own, one message to it for each test
 *     test_email.c    what a test asks: a message or a time through the worker under test
 *     test_report.c   TAP, JUnit, JSON
 *     lua/test/       the other side: describe, it, assert, fake, load_worker */
#pragma once

#include <jansson.h>

#include "config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/table.h"

/* --- reports --- */

enum test_fate { TEST_PASSED, TEST_FAILED, TEST_PENDING };

struct test_result {
    const char *file; /* as it was named: "scripts/support_test.lua" */
    struct str name;  /* "support gives a new request a number" */
    enum test_fate fate;
    struct str problem; /* "support_test.lua:12: …", lines split by '\n' */
    uint64_t duration_ms;
};

struct test_report {
    size_t count, failed_count, pending_count;
    uint64_t duration_ms;
    struct buf junit; /* the test cases so far */
    json_t *json;     /* the same */
};

void test_report_open(struct test_report *report);
/* Prints it, as TAP, and keeps it for JUnit and JSON. */
void test_report_add(struct test_report *report, const struct test_result *result);
/* The plan and the totals. */
void test_report_end(const struct test_report *report);
/* 0, or negative errno when the file cannot be written. */
int test_report_write_junit(const struct test_report *report, const char *path);
int test_report_write_json(const struct test_report *report, const char *path);
void test_report_close(struct test_report *report);

/* --- a file of tests --- */

struct test_options {
    const char *filter;  /* only tests with this text in their names; NULL: all */
    const char *scripts; /* the folder of the modules; NULL: beside the tests */
};
/* Runs its tests, in a task. */
void test_session_run(const char *path, const struct test_options *options,
                      struct test_report *report);

/* --- workers under test --- */

/* By their names; each stays loaded for as long as tests want it with the same variables and time. */
struct test_workers {
    const char *folder;  /* where the scripts are */
    const char *scripts; /* where their modules are; NULL: beside them */
    struct table *by_name;
    struct bindings *bindings; /* what is kept from one message to the next */
};

void test_workers_open(struct test_workers *workers, const char *folder,
                       const char *scripts);
/* The answer to { ask = "email", … } or another question of lua/test/worker.lua, as JSON in the arena; or negative
 * errno. */
int test_workers_ask(struct test_workers *workers, json_t *question, struct str raw,
                     struct arena *arena, struct str *answer, struct err *err);
/* In a task. */
void test_workers_close(struct test_workers *workers);

/* The modules of lua/test, beside those that a script has; in the arena. */
void test_add_modules(struct worker_options *options, struct arena *arena);
