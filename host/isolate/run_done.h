/* How a run has ended, for DONE. */
#pragma once

#include "internal.h"

#define RUN_NOT_ENOUGH_MEMORY STR("not enough memory")

struct run_outcome {
    const char *result;
    struct str text, traceback; /* empty: left out */
    struct str value;           /* encoded; empty: left out */
    int smtp_code; /* of the upstream that refused an uncaught forward(); 0: none */
    struct str smtp_enhanced, smtp_text;
};

/* Its handler has returned, that of a message or that of an event, whose result is on the fiber's stack. */
struct run_outcome run_outcome_of_return(const struct run *run);
struct run_outcome run_outcome_of_event(struct fiber *fiber);
/* It, or a waitUntil function, has failed: `status` of lua_resume, and the error on top of the fiber's stack. */
struct run_outcome run_outcome_of_error(struct fiber *fiber, int status);

void run_done_send(struct run *run, const struct run_outcome *outcome);
