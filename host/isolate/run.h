/* A message's run: from its EMAIL frame to its END. */
#pragma once

#include "internal.h"

/* What DONE carries of an error at most. */
#define RUN_TEXT_BYTES_MAX      2000
#define RUN_TRACEBACK_BYTES_MAX 8000

/* The first value that a fiber yields when it waits for an answer. */
#define WAIT_MARK ((void *)&wait_mark)
extern char wait_mark;

/* The frames of the host. */
void isolate_run_start(struct isolate *isolate, const struct wire_frame *frame);
void isolate_run_answer(struct isolate *isolate, const struct wire_frame *answer);
void isolate_run_cancel(struct isolate *isolate, uint32_t run_id);

/* Of its wall time; 0: it is over, or there was none to begin with. */
uint64_t isolate_run_remaining_ms(const struct run *run);

/* Resumes every fiber that is ready, in turn, until none is. */
void isolate_run_ready_fibers(struct isolate *isolate);

/* A run without a message, to load the script in. */
struct run *isolate_run_new(struct isolate *isolate, uint32_t id);
void isolate_run_free(struct run *run);

/* Makes the function with `argument_count` arguments on top of the stack (popped) a fiber of the run, ready
 * to start. Can raise. */
void isolate_fiber_start(struct run *run, lua_State *lua, int argument_count,
                         bool is_handler);

/* Takes over the descriptor that came, if the message is in one; it must hold what was announced. */
void isolate_run_take_raw(struct run *run);
/* The message's bytes: valid until isolate_run_raw_close. Raises when they cannot be mapped. */
struct str isolate_run_raw_open(struct run *run, lua_State *lua);
void isolate_run_raw_close(struct run *run);
/* The index of its header, which lives as long as the run. Raises likewise. */
const struct header *isolate_run_header(struct run *run, lua_State *lua);

/* The first `bytes_max` bytes at most, not cut within a UTF-8 character. */
struct str isolate_run_shortened(struct str text, size_t bytes_max);

/* A line for the trail (bind_log.c), within the run's limit. */
void isolate_run_log(struct run *run, struct str level, struct str text);
