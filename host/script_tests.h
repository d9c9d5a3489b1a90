/* The tests beside workers' scripts: NAME_test.lua tests NAME.lua. A `postern test` of its own runs them; the host only waits,
 * and believes that process no more than it would one script: its time and what it reports are bounded. */
#pragma once

#include "config.h"

/* The file of the script's tests, or NULL when there is none; in the arena. */
const char *script_tests_file(const struct config_worker *worker, struct arena *arena);

/* Runs these files in a task, within config->test_ms in all. Adds a problem, with file and line, for each test that fails, or
 * one that says why they could not be run. Returns how many problems there are. */
size_t script_tests_run(const struct config *config, const char *const files[],
                        size_t count, struct problem_list *problems);
