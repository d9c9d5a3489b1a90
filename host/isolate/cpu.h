/* CPU limits of a run, over all its resumes.
 *
 * A timer on the process's CPU clock ticks while the process works. Past the soft limit its handler sets
 * a hook that raises an error before the next instruction, again and again until the run has ended, so
 * that pcall() loops end too. Compiled code and C functions do not see the hook: for them the host
 * watches the gauge and kills the process at the hard limit; should it not, the process ends itself some
 * time later. */
#pragma once

#include "internal.h"

/* Once, before the sandbox: starts the timer. Returns 0 or a negative errno value. */
int cpu_open(struct isolate *isolate);

/* Around everything that can execute code of a script on behalf of `run`. */
void cpu_enter(struct run *run);
void cpu_leave(struct run *run);

/* What the run has used so far; between cpu_enter and cpu_leave. */
uint64_t cpu_used_ns(const struct run *run);
