#include "scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"

/* The clock may be set, and the machine may sleep: so often it is looked at. */
#define LOOK_MS        30000
#define CLAIM_TRIES    5
#define CLAIM_AGAIN_MS 10000
/* Beyond a worker's wall time, for whatever else a run waits for. */
#define SPARE_MS       60000

struct line {
    const struct config_worker *worker;
    const struct config_cron *cron;
    uint64_t decided_ms; /* this host has nothing to do with times up to here */
};

struct scheduler {
    struct scheduler_options options;
    struct config *config;  /* whose lines these are; NULL at first */
    struct config *planned; /* the one to come; NULL: none */
    struct line *lines;
    size_t line_count;
    bool has_begun; /* the store knows the lines */
    struct task *task;
    struct task_signal changed, ended, stopping;
    size_t run_count;
    bool is_stopping, is_hastened, is_over; /* over: nothing runs any longer */
};

/* --- a run --- */

struct run {
    struct scheduler *scheduler;
    struct scheduled_run what;
    struct arena *arena;
};

static void tell_trouble(const struct run *run, const char *what, int result)
{
    EVENT(NULL, STATUS_QUEUE_TROUBLED, FIELD("what", str_of(what)),
          FIELD("worker", run->what.worker->options.name), FIELD("cron", run->what.cron),
          FIELD("detail", str_of(strerror(-result))));
}

static struct str due_text(const struct run *run)
{
    char text[32];
    time_t seconds = (time_t)(run->what.due_ms / 1000);
    struct tm parts;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%MZ", gmtime_r(&seconds, &parts));
    return arena_str(run->arena, str_of(text));
}

/* 0: it is this host's to run; another value: it is not. */
static int take(const struct run *run)
{
    const struct scheduler *scheduler = run->scheduler;
    int result = -ECANCELED;
    for (int i = 0; i < CLAIM_TRIES && !scheduler->is_stopping; i++) {
        uint64_t now_ms = scheduler->options.now_ms();
        struct store_schedule_claim claim = {
            .worker = run->what.worker->options.name,
            .cron = run->what.cron,
            .due_ms = run->what.due_ms,
            .now_ms = now_ms,
            .until_ms = now_ms + run->what.worker->options.limits.wall_ms + SPARE_MS};
        result = store_schedule_claim(scheduler->options.store, &claim);
        if (result == 0 && claim.is_running) {
            EVENT(NULL, STATUS_SCHEDULE_SKIPPED, FIELD("worker", claim.worker),
                  FIELD("cron", claim.cron), FIELD("due", due_text(run)));
            return 1;
        }
        if (result == 0 || result == -EEXIST)
            return result;
        tell_trouble(run, "a time of a schedule could not be taken", result);
        task_signal_wait(&run->scheduler->stopping, task_in_ms(CLAIM_AGAIN_MS));
    }
    return result;
}

static void write_end(const struct run *run, const struct worker_outcome *outcome)
{
    const struct scheduler *scheduler = run->scheduler;
    const struct store_schedule ended = {.worker = run->what.worker->options.name,
                                         .cron = run->what.cron,
                                         .due_ms = run->what.due_ms,
                                         .ended_ms = scheduler->options.now_ms(),
                                         .outcome =
                                             str_of(worker_result_name(outcome->result))};
    int result = store_schedule_end(scheduler->options.store, &ended);
    if (result < 0 && result != -ESTALE)
        tell_trouble(run, "the end of a scheduled run could not be written down", result);
}

static void run_taken(const struct run *run)
{
    const struct scheduler *scheduler = run->scheduler;
    const struct scheduled_run *what = &run->what;
    struct worker_outcome outcome = {.result = WORKER_CRASHED,
                                     .text = STR("the host is stopping")};
    struct str worker = what->worker->options.name;
    uint64_t now_ms = scheduler->options.now_ms();
    EVENT(
        NULL, STATUS_SCHEDULE_STARTED, FIELD("worker", worker), FIELD("cron", what->cron),
        FIELD("due", due_text(run)),
        FIELD_NUMBER("late_s", now_ms > what->due_ms ? (now_ms - what->due_ms) / 1000 : 0));
    task_stage("running %.*s, due by %.*s", STR_ARG(worker), STR_ARG(what->cron));
    if (!scheduler->is_over)
        scheduler->options.run(scheduler->options.router, what, run->arena, &outcome);
    if (outcome.result != WORKER_OK)
        EVENT(NULL, STATUS_SCHEDULE_FAILED, FIELD("worker", worker),
              FIELD("cron", what->cron), FIELD("due", due_text(run)),
              FIELD("outcome", str_of(worker_result_name(outcome.result))),
              FIELD("why", outcome.text));
    write_end(run, &outcome);
}

static int run_one(void *arg)
{
    struct run *run = arg;
    struct scheduler *scheduler = run->scheduler;
    if (take(run) == 0)
        run_taken(run);
    config_release(run->what.config);
    arena_free(run->arena);
    free(run);
    if (--scheduler->run_count == 0)
        task_signal_raise_all(&scheduler->ended);
    return 0;
}

static void begin_run(struct scheduler *scheduler, const struct line *line, uint64_t due_ms)
{
    struct run *run = mem_zero(1, sizeof *run);
    run->scheduler = scheduler;
    run->arena = arena_new();
    run->what = (struct scheduled_run){.config = config_keep(scheduler->config),
                                       .worker = line->worker,
                                       .cron = line->cron->text,
                                       .due_ms = due_ms};
    scheduler->run_count++;
    task_detach(task_start("scheduled", run_one, run));
}

/* --- the lines of a snapshot --- */

static size_t count_lines(const struct config *config)
{
    size_t count = 0;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);)
        count += ((const struct config_worker *)value)->cron_count;
    return count;
}

/* By the worker's name, then as they stand in host.yaml. */
static int compare_lines(const void *a, const void *b)
{
    const struct line *one = a, *other = b;
    struct str name = one->worker->options.name, other_name = other->worker->options.name;
    size_t shorter = name.length < other_name.length ? name.length : other_name.length;
    int order = memcmp(name.at, other_name.at, shorter);
    if (order == 0)
        order = (name.length > other_name.length) - (name.length < other_name.length);
    return order ? order : (one->cron > other->cron) - (one->cron < other->cron);
}

static void list_lines(struct scheduler *scheduler)
{
    struct str name;
    void *value;
    scheduler->line_count = 0;
    scheduler->lines = mem_zero(count_lines(scheduler->config), sizeof(struct line));
    for (size_t at = 0; table_next(scheduler->config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        for (size_t i = 0; i < worker->cron_count; i++)
            scheduler->lines[scheduler->line_count++] =
                (struct line){worker, &worker->crons[i], 0};
    }
    qsort(scheduler->lines, scheduler->line_count, sizeof *scheduler->lines, compare_lines);
}

static void take_planned(struct scheduler *scheduler)
{
    if (!scheduler->planned)
        return;
    config_release(scheduler->config);
    free(scheduler->lines);
    scheduler->config = scheduler->planned;
    scheduler->planned = NULL;
    scheduler->has_begun = false;
    list_lines(scheduler);
}

static struct store_schedule *name_lines(const struct scheduler *scheduler,
                                         struct arena *arena)
{
    struct store_schedule *rows =
        arena_array(arena, struct store_schedule, scheduler->line_count);
    for (size_t i = 0; i < scheduler->line_count; i++) {
        rows[i].worker = scheduler->lines[i].worker->options.name;
        rows[i].cron = scheduler->lines[i].cron->text;
    }
    return rows;
}

static void begin_lines(struct scheduler *scheduler)
{
    struct arena *arena = arena_new();
    struct store_schedule *rows = name_lines(scheduler, arena);
    int result = store_schedule_begin(scheduler->options.store, rows, scheduler->line_count,
                                      scheduler->options.now_ms());
    for (size_t i = 0; result == 0 && i < scheduler->line_count; i++)
        scheduler->lines[i].decided_ms = rows[i].decided_ms;
    scheduler->has_begun = result == 0;
    if (result < 0)
        EVENT(NULL, STATUS_QUEUE_TROUBLED,
              FIELD("what", STR("the store does not take the schedules")),
              FIELD("detail", str_of(strerror(-result))));
    arena_free(arena);
}

/* --- turns --- */

/* The last time of the line that has come and was not decided about; 0: none. */
static uint64_t last_due(const struct line *line, uint64_t now_ms)
{
    uint64_t missed_ms = now_ms > SCHEDULER_MISSED_MS ? now_ms - SCHEDULER_MISSED_MS : 0;
    uint64_t at = line->decided_ms > missed_ms ? line->decided_ms : missed_ms, due_ms = 0;
    while ((at = cron_next(&line->cron->cron, at)) <= now_ms)
        due_ms = at;
    return due_ms;
}

/* How long until its next time. */
static uint64_t look_at(struct scheduler *scheduler, struct line *line, uint64_t now_ms)
{
    if (line->decided_ms > now_ms + STORE_SCHEDULE_AHEAD_MS)
        line->decided_ms = now_ms; /* the clock was wrong, and has been set back */
    uint64_t due_ms = last_due(line, now_ms);
    if (due_ms) {
        line->decided_ms = due_ms;
        begin_run(scheduler, line, due_ms);
    }
    return cron_next(&line->cron->cron, now_ms) - now_ms;
}

uint64_t scheduler_turn(struct scheduler *scheduler)
{
    take_planned(scheduler);
    if (!scheduler->has_begun)
        begin_lines(scheduler);
    uint64_t now_ms = scheduler->options.now_ms(), wait_ms = LOOK_MS;
    if (scheduler->has_begun && scheduler->line_count == 0)
        return TASK_FOREVER;
    for (size_t i = 0; scheduler->has_begun && i < scheduler->line_count; i++) {
        uint64_t until_ms = look_at(scheduler, &scheduler->lines[i], now_ms);
        if (until_ms < wait_ms)
            wait_ms = until_ms;
    }
    return wait_ms;
}

static int take_turns(void *arg)
{
    struct scheduler *scheduler = arg;
    for (;;) {
        uint64_t wait_ms = scheduler_turn(scheduler);
        task_stage("waiting for the next time of %zu schedules", scheduler->line_count);
        if (!scheduler->planned &&
            task_signal_wait(&scheduler->changed, task_in_ms(wait_ms)) == -ECANCELED)
            return 0;
        if (scheduler->is_stopping)
            return 0;
    }
}

/* --- life --- */

struct scheduler *scheduler_open(const struct scheduler_options *options)
{
    struct scheduler *scheduler = mem_zero(1, sizeof *scheduler);
    scheduler->options = *options;
    if (!scheduler->options.now_ms)
        scheduler->options.now_ms = unix_now_ms;
    if (!scheduler->options.run)
        scheduler->options.run = scheduled_run;
    return scheduler;
}

void scheduler_plan(struct scheduler *scheduler, struct config *config)
{
    config_release(scheduler->planned);
    scheduler->planned = config_keep(config);
    task_signal_raise_all(&scheduler->changed);
}

void scheduler_start(struct scheduler *scheduler)
{
    scheduler->task = task_start("scheduler", take_turns, scheduler);
}

void scheduler_stop(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    scheduler->is_stopping = true;
    task_signal_raise_all(&scheduler->stopping);
    if (!scheduler->task)
        return;
    task_cancel(scheduler->task);
    task_join(scheduler->task);
    scheduler->task = NULL;
}

static void wait_for_runs(struct scheduler *scheduler, uint64_t deadline_ms)
{
    while (scheduler->run_count && !scheduler->is_hastened)
        if (task_signal_wait(&scheduler->ended, deadline_ms) != 0)
            return;
}

void scheduler_wait(struct scheduler *scheduler, uint64_t deadline_ms)
{
    if (!scheduler)
        return;
    wait_for_runs(scheduler, deadline_ms);
    scheduler->is_over = true;
}

void scheduler_hasten(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    scheduler->is_hastened = true;
    task_signal_raise_all(&scheduler->ended);
}

void scheduler_close(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    scheduler_stop(scheduler);
    scheduler->is_hastened = false;
    scheduler->is_over = true;
    wait_for_runs(scheduler, TASK_FOREVER);
    config_release(scheduler->config);
    config_release(scheduler->planned);
    free(scheduler->lines);
    free(scheduler);
}

/* --- for people --- */

struct scheduler_line *scheduler_lines(struct scheduler *scheduler, struct arena *arena,
                                       size_t *count)
{
    uint64_t now_ms = scheduler->options.now_ms();
    struct store_schedule *rows = name_lines(scheduler, arena);
    struct scheduler_line *lines =
        arena_array(arena, struct scheduler_line, scheduler->line_count);
    struct config *config = scheduler->config ? config_keep(scheduler->config) : NULL;
    *count = scheduler->line_count;
    for (size_t i = 0; i < *count; i++)
        lines[i].next_ms = cron_next(&scheduler->lines[i].cron->cron, now_ms);
    store_schedule_read(scheduler->options.store, rows, *count, arena);
    for (size_t i = 0; i < *count; i++) {
        lines[i].known = rows[i];
        lines[i].known.worker = arena_str(arena, rows[i].worker);
        lines[i].known.cron = arena_str(arena, rows[i].cron);
    }
    config_release(config);
    return lines;
}
