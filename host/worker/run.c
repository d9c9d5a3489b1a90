/* One message (or another event) in a worker: it gets a place in an isolate, is said as EMAIL, and is over when the isolate
 * says END or dies.
 *
 *     waiting --EMAIL--> running --DONE--> running waitUntil functions --END--> over
 *        ^                  |  \--CANCEL (wall time, caller cancelled)--> END within 2 s, or killed
 *        `---- again -------'      (the isolate died of another, and this one had not acted)
 *
 * The sender's reply needs only DONE: worker_run returns then and the run goes on without a caller. It is
 * freed, after actions.end, when the caller, the isolate and all calls have dropped it. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#define ATTEMPTS_MAX        3
#define CANCEL_MS           2000
#define TEXT_BYTES_MAX      4096
#define TRACEBACK_BYTES_MAX 16384

/* --- references --- */

void run_release(struct run *run)
{
    if (--run->references)
        return;
    run->actions.end(run->actions.arg);
    worker_release(run->worker);
    free(run);
    worker_run_ended();
}

/* --- deciding --- */

static struct str shortened(struct str text, size_t bytes_max)
{
    return str_part(text, 0, text.length < bytes_max ? text.length : bytes_max);
}

/* Tells the caller, unless he has been told or has gone. */
void run_decide(struct run *run, enum worker_result result, struct str text)
{
    if (!run->outcome)
        return;
    run->outcome->result = result;
    run->outcome->text = arena_str(run->arena, text);
    run->outcome->action_count = run->action_count;
    run->outcome = NULL;
    task_wake(&run->decided, 0);
}

static void run_again(struct run *run)
{
    run->is_again = true;
    task_wake(&run->decided, 0);
}

/* --- in and out of an isolate --- */

void run_enter(struct run *run, struct isolate_process *isolate)
{
    struct run **slot;
    do {
        if (++isolate->last_run == WIRE_RUN_LOAD)
            isolate->last_run = 1;
        slot = &isolate->slots[isolate->last_run % run->worker->limits.messages_max];
    } while (*slot);
    *slot = run;
    run->number = isolate->last_run;
    run->isolate = isolate;
    run->references++;
    run->attempt_count++;
    list_append(&isolate->runs, &run->node);
    isolate->in_flight++;
    isolate->watched_runs++;
    if (isolate->is_unwatched)
        task_signal_raise(&isolate->busy);
}

/* May free the run. */
void run_leave(struct run *run)
{
    struct isolate_process *isolate = run->isolate;
    isolate->slots[run->number % run->worker->limits.messages_max] = NULL;
    isolate->in_flight--;
    list_remove(&run->node);
    run->isolate = NULL;
    calls_cancel(run);
    if (isolate->state == ISOLATE_READY)
        worker_place_freed(run->worker);
    run_release(run);
}

void run_cancel(struct run *run)
{
    const struct wire_frame frame = {
        .type = WIRE_CANCEL, .run = run->number, .payload = STR("N")};
    if (!run->is_cancelled) {
        run->is_cancelled = true;
        run->cancel_deadline_ms = task_in_ms(CANCEL_MS);
        calls_cancel(run);
    }
    run->is_cancel_sent = isolate_send(run->isolate, &frame, -1, 0) == 0;
}

void run_wall_time_over(struct run *run)
{
    run_decide(run, WORKER_EXCEEDED_WALL_TIME, STR("wall time is over"));
    run_cancel(run);
}

static enum worker_result result_of_culprit(const struct isolate_process *isolate)
{
    switch (isolate->why) {
    case ISOLATE_CPU:
        return WORKER_EXCEEDED_CPU;
    case ISOLATE_STUCK:
        return WORKER_EXCEEDED_WALL_TIME;
    default:
        return WORKER_CRASHED;
    }
}

static struct str text_of_culprit(enum worker_result result)
{
    switch (result) {
    case WORKER_EXCEEDED_CPU:
        return STR("killed: past the hard CPU limit");
    case WORKER_EXCEEDED_WALL_TIME:
        return STR("killed: past its wall time");
    default:
        return STR("the isolate crashed");
    }
}

void run_isolate_died(struct run *run)
{
    const struct isolate_process *isolate = run->isolate;
    enum worker_result result = result_of_culprit(isolate);
    if (isolate->culprit == run->number)
        run_decide(run, result, text_of_culprit(result));
    else if (run->action_count || run->attempt_count >= ATTEMPTS_MAX ||
             worker_is_stopping())
        run_decide(run, WORKER_CRASHED, STR("the isolate was lost to another message"));
    else if (run->outcome)
        run_again(run);
    run_leave(run);
}

/* --- frames --- */

static int result_named(struct str name, enum worker_result *result)
{
    static const enum worker_result said_by_isolate[] = {
        WORKER_OK, WORKER_REJECTED, WORKER_EXCEPTION, WORKER_EXCEEDED_CPU,
        WORKER_EXCEEDED_MEMORY};
    for (size_t i = 0; i < sizeof said_by_isolate / sizeof *said_by_isolate; i++) {
        *result = said_by_isolate[i];
        if (str_equal(name, str_of(worker_result_name(*result))))
            return 0;
    }
    return -EPROTO;
}

static int take_end(struct run *run)
{
    if (!run->is_done && !run->is_cancelled)
        return -EPROTO;
    if (run->is_done)
        run->worker->failure_count = 0;
    run_leave(run);
    return 0;
}

static bool is_enhanced_code(struct str text)
{
    bool is_short = text.length < sizeof((struct reply){0}).enhanced;
    for (size_t i = 0; is_short && i < text.length; i++)
        if (!ascii_digit(text.at[i]) && text.at[i] != '.')
            return false;
    return is_short;
}

/* A refusal, and nothing else, may be passed on as the upstream's. */
static struct reply upstream_reply(const struct value *done)
{
    const struct value *smtp = value_get(done, "smtp");
    double code = value_get_number(smtp, "code", 0);
    struct str enhanced = value_get_string(smtp, "enhanced", STR(""));
    struct str text = value_get_string(smtp, "text", STR(""));
    if (!smtp || !(code >= 400 && code < 600) || !is_enhanced_code(enhanced))
        return (struct reply){0};
    char enhanced_text[sizeof((struct reply){0}).enhanced] = "";
    memcpy(enhanced_text, enhanced.at, enhanced.length);
    return reply_make((int)code, enhanced_text, "%.*s",
                      STR_ARG(shortened(text, TEXT_BYTES_MAX)));
}

static int take_outcome(struct run *run, const struct value *done)
{
    enum worker_result result;
    if (result_named(value_get_string(done, "result", STR("")), &result) != 0)
        return -EPROTO;
    if (!run->outcome)
        return 0;
    struct str traceback = value_get_string(done, "traceback", STR(""));
    double cpu_us = value_get_number(done, "cpuUs", 0);
    run->outcome->traceback =
        arena_str(run->arena, shortened(traceback, TRACEBACK_BYTES_MAX));
    if (result == WORKER_EXCEPTION)
        run->outcome->upstream = upstream_reply(done);
    run->outcome->value = value_get(done, "value");
    run->outcome->cpu_us = cpu_us > 0 && cpu_us < 1e15 ? (uint64_t)cpu_us : 0;
    run_decide(run, result,
               shortened(value_get_string(done, "text", STR("")), TEXT_BYTES_MAX));
    return 0;
}

static int take_done(struct run *run, struct str payload)
{
    if (run->is_done)
        return -EPROTO;
    run->is_done = true;
    struct arena *scratch = run->outcome ? NULL : arena_new();
    struct arena *arena = scratch ? scratch : run->arena;
    const struct value *done = value_decode(arena_str(arena, payload), arena);
    int result = take_outcome(run, done);
    bool is_ended = value_get_bool(done, "ended", false);
    arena_free(scratch);
    return result == 0 && is_ended ? take_end(run) : result;
}

static bool level_is_known(struct str level)
{
    return str_equal(level, STR("debug")) || str_equal(level, STR("info")) ||
           str_equal(level, STR("warn")) || str_equal(level, STR("error"));
}

/* Past its limit a message's log is cut, whatever the isolate should have done. */
static int take_log(struct run *run, struct str payload)
{
    const size_t bytes_max = run->worker->limits.log_bytes_max;
    if (run->log_bytes >= bytes_max)
        return 0;
    struct arena *arena = arena_new();
    const struct value *log = value_decode(payload, arena);
    struct str level = value_get_string(log, "level", STR(""));
    struct str text = value_get_string(log, "text", STR(""));
    int result = level_is_known(level) ? 0 : -EPROTO;
    if (result == 0) {
        text = shortened(text, bytes_max - run->log_bytes);
        run->log_bytes += text.length + 1;
        run->actions.log(run->actions.arg, level, text);
    }
    arena_free(arena);
    return result;
}

int run_take(struct isolate_process *isolate, const struct wire_frame *frame)
{
    struct run *run = isolate_run(isolate, frame->run);
    if (!run)
        return -EPROTO;
    switch (frame->type) {
    case WIRE_CALL:
        return call_start(run, frame);
    case WIRE_LOG:
        return take_log(run, frame->payload);
    case WIRE_DONE:
        return take_done(run, frame->payload);
    case WIRE_END:
        return take_end(run);
    default:
        return -EPROTO;
    }
}
