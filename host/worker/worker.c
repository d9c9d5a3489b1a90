/* Versions of workers: their references, and the list of all for status and the end of the process. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#include "base/mem.h"

/* Longer than an isolate may take to load. */
#define TRY_MS 30000

static struct {
    struct list workers;
    size_t isolate_count, run_count;
    bool is_stopping;
    struct task_signal ended; /* an isolate or a run */
} all = {.workers = {&all.workers, &all.workers}};

/* Any error is -ENOBUFS: past the frame's ceiling. */
static int encode_load(const struct worker_options *options, struct buf *out)
{
    const struct worker_limits *limits = &options->limits;
    int failed = value_begin_table(out);
    failed |= value_put_string(out, "name", options->name);
    failed |= value_put_string(out, "script", options->script);
    failed |= value_put_string(out, "source", options->source);
    failed |= value_put_table(out, "modules");
    for (size_t i = 0; i < options->module_count; i++) {
        failed |= value_write_string(out, options->modules[i].name);
        failed |= value_write_string(out, options->modules[i].source);
    }
    failed |= value_end_table(out);
    failed |= value_put_table(out, "env");
    for (size_t i = 0; i < options->variable_count; i++) {
        failed |= value_write_string(out, options->variables[i].name);
        failed |= value_write_string(out, options->variables[i].value);
    }
    for (size_t i = 0; i < options->binding_count; i++) {
        failed |= value_write_string(out, options->bindings[i].name);
        failed |= value_begin_table(out);
        failed |= value_put_string(out, "kind", options->bindings[i].kind);
        failed |= value_end_table(out);
    }
    failed |= value_end_table(out);
    failed |= value_put_table(out, "limits");
    failed |= value_put_number(out, "cpuSoftMs", limits->cpu_soft_ms);
    failed |= value_put_number(out, "cpuHardMs", limits->cpu_hard_ms);
    failed |= value_put_number(out, "memoryBytes", (double)limits->memory_bytes);
    failed |= value_put_number(out, "logBytesMax", limits->log_bytes_max);
    failed |= value_end_table(out);
    failed |= value_end_table(out);
    return failed;
}

struct worker *worker_new(const struct worker_options *options)
{
    invariant(options->limits.messages_max > 0, "worker: no message may be in flight");
    struct worker *worker = mem_zero(1, sizeof *worker);
    worker->references = 1;
    worker->name = mem_copy_text(options->name.at, options->name.length);
    worker->script = mem_copy_text(options->script.at, options->script.length);
    worker->label = mem_copy_text(options->label.at, options->label.length);
    worker->limits = options->limits;
    worker->circuit.options = options->circuit;
    buf_init(&worker->load, WIRE_FRAME_BYTES_MAX);
    worker->is_too_large = encode_load(options, &worker->load) != 0;
    if (worker->is_too_large)
        err_set(&worker->broken, -EFBIG, "%s: larger than %zu MiB with its modules",
                worker->script, WIRE_FRAME_BYTES_MAX >> 20);
    list_init(&worker->instances);
    list_append(&all.workers, &worker->all);
    return worker;
}

static void free_if_unused(struct worker *worker)
{
    if (worker->references || worker->isolate_count)
        return;
    list_remove(&worker->all);
    buf_free(&worker->load);
    free(worker->name);
    free(worker->script);
    free(worker->label);
    free(worker);
}

struct worker *worker_keep(struct worker *worker)
{
    worker->references++;
    return worker;
}

static void stop_isolates(struct worker *worker)
{
    list_foreach (node, &worker->instances)
        isolate_kill(list_entry(node, struct isolate_process, node), ISOLATE_STOPPED, 0);
}

/* Each run keeps its version: with the last reference gone nothing is in flight. */
void worker_release(struct worker *worker)
{
    if (!worker || --worker->references)
        return;
    stop_isolates(worker);
    free_if_unused(worker);
}

struct str worker_name(const struct worker *worker)
{
    return str_of(worker->name);
}

void worker_isolate_begun(struct worker *worker)
{
    worker->isolate_count++;
    all.isolate_count++;
}

void worker_isolate_ended(struct worker *worker)
{
    worker->isolate_count--;
    all.isolate_count--;
    task_signal_raise_all(&all.ended);
    free_if_unused(worker);
}

void worker_run_begun(void)
{
    all.run_count++;
}

void worker_run_ended(void)
{
    all.run_count--;
    task_signal_raise_all(&all.ended);
}

static int explain(struct worker *worker, int result, struct err *err)
{
    switch (result) {
    case 0:
        return 0;
    case -ENOEXEC:
        return err_set(err, result, "%s", worker->broken.text);
    case -EAGAIN:
        return err_set(err, result, "%s: its isolate keeps crashing", worker->script);
    case -ETIMEDOUT:
        return err_set(err, result, "%s: no isolate was ready in time", worker->script);
    default:
        return err_set(err, result, "%s: not tried: the host is stopping", worker->script);
    }
}

int worker_try(struct worker *worker, struct err *err)
{
    worker_keep(worker);
    struct isolate_process *isolate;
    int result = worker_place(worker, task_in_ms(TRY_MS), &isolate);
    if (result == 0)
        worker_place_freed(worker);
    explain(worker, result, err);
    worker_release(worker);
    return result;
}

bool worker_has_handler(const struct worker *worker, enum worker_handler handler)
{
    return worker->handlers & 1U << handler;
}

bool worker_is_stopping(void)
{
    return all.is_stopping;
}

void worker_stop_all(void)
{
    all.is_stopping = true;
    list_foreach (node, &all.workers) {
        struct worker *worker = list_entry(node, struct worker, all);
        stop_isolates(worker);
        worker_places_changed(worker);
    }
    while (all.isolate_count || all.run_count)
        if (task_signal_wait(&all.ended, TASK_FOREVER) != 0)
            break;
    all.is_stopping = false;
}

/* Its ready isolates; or once without one, if its circuit is not closed. */
static void see_worker(const struct worker *worker,
                       void (*see)(const struct worker_view *view, void *arg), void *arg)
{
    struct worker_view view = {.name = worker_name(worker),
                               .label = str_of(worker->label),
                               .circuit = worker->circuit.state};
    list_foreach (node, &worker->instances) {
        const struct isolate_process *isolate =
            list_entry(node, struct isolate_process, node);
        if (isolate->state != ISOLATE_READY)
            continue;
        view.pid = (int)process_pid(isolate->process);
        view.in_flight = isolate->in_flight;
        view.lua_bytes = isolate->gauge->lua_bytes;
        see(&view, arg);
    }
    if (!view.pid && view.circuit != CIRCUIT_CLOSED)
        see(&view, arg);
}

void worker_each(void (*see)(const struct worker_view *view, void *arg), void *arg)
{
    list_foreach (node, &all.workers)
        see_worker(list_entry(node, struct worker, all), see, arg);
}

bool worker_has_failed(const struct worker_outcome *outcome)
{
    switch (outcome->result) {
    case WORKER_OK:
    case WORKER_REJECTED:
        return false;
    case WORKER_EXCEPTION:
        return outcome->upstream.code == 0;
    default:
        return true;
    }
}

const char *worker_result_name(enum worker_result result)
{
    static const char *const names[] = {
        [WORKER_OK] = "ok",
        [WORKER_REJECTED] = "rejected",
        [WORKER_EXCEPTION] = "exception",
        [WORKER_EXCEEDED_CPU] = "exceededCpu",
        [WORKER_EXCEEDED_MEMORY] = "exceededMemory",
        [WORKER_EXCEEDED_WALL_TIME] = "exceededWallTime",
        [WORKER_CRASHED] = "crashed",
        [WORKER_BROKEN] = "broken",
        [WORKER_CIRCUIT_OPEN] = "circuitOpen",
    };
    return names[result];
}
