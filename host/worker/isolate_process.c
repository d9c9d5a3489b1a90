/* One isolate process: spawn, LOAD, then whatever it says until it ends; states and owners are in
 * internal.h. What it says is hostile: a frame out of place ends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#include "base/mem.h"

#define LOAD_MS             10000
#define SOCKET_BUFFER_BYTES (1 << 20)
#define BROKEN_TEXT_BYTES   400

/* --- references --- */

static struct isolate_process *isolate_new(struct worker *worker)
{
    struct isolate_process *isolate = mem_zero(1, sizeof *isolate);
    isolate->worker = worker;
    isolate->references = 1;
    isolate->packet = mem_alloc(WIRE_PACKET_BYTES);
    isolate->slots = mem_zero(worker->limits.messages_max, sizeof(struct run *));
    wire_inbox_init(&isolate->inbox);
    list_init(&isolate->node);
    list_init(&isolate->runs);
    return isolate;
}

void isolate_release(struct isolate_process *isolate)
{
    if (--isolate->references)
        return;
    if (isolate->socket)
        net_packet_close(isolate->socket);
    if (isolate->gauge)
        munmap(isolate->gauge, sizeof *isolate->gauge);
    wire_inbox_free(&isolate->inbox);
    free(isolate->packet);
    free(isolate->slots);
    free(isolate);
}

struct run *isolate_run(const struct isolate_process *isolate, uint32_t number)
{
    struct run *run = isolate->slots[number % isolate->worker->limits.messages_max];
    return run && run->number == number ? run : NULL;
}

/* --- starting --- */

/* The page must not shrink under the host's feet. */
static int gauge_open(struct isolate_process *isolate, int *fd)
{
    *fd = memfd_create("postern-gauge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || ftruncate(*fd, sizeof(struct wire_gauge)) != 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -errno;
    void *page = mmap(NULL, sizeof(struct wire_gauge), PROT_READ, MAP_SHARED, *fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    isolate->gauge = page;
    return 0;
}

static int socket_open(struct isolate_process *isolate, int *far)
{
    int fds[2];
    const int bytes = SOCKET_BUFFER_BYTES; /* the kernel gives what it allows */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    int result = net_packet_open(fds[0], &isolate->socket);
    if (result != 0) {
        close(fds[0]);
        close(fds[1]);
        return result;
    }
    *far = fds[1];
    return 0;
}

/* fds become WIRE_SOCKET_FD and WIRE_GAUGE_FD. An empty environment: the host's may hold secrets. */
static int spawn(struct isolate_process *isolate)
{
    int fds[2] = {-1, -1};
    const char *const words[] = {"postern-isolate", isolate->worker->name, NULL};
    const char *const environment[] = {NULL};
    const struct process_options options = {.path = "/proc/self/exe",
                                            .words = words,
                                            .environment = environment,
                                            .fds = fds,
                                            .fd_count = 2};
    int result = socket_open(isolate, &fds[0]);
    if (result == 0)
        result = gauge_open(isolate, &fds[1]);
    if (result == 0)
        result = process_start(&options, &isolate->process);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return result;
}

/* Waits for a whole frame: 0, -EPIPE at the end of the stream, -EPROTO, -ETIMEDOUT, negative errno. */
static int receive(struct isolate_process *isolate, struct wire_frame *frame,
                   uint64_t deadline_ms)
{
    int whole = 0;
    while (whole == 0) {
        if (isolate->unread.length == 0) {
            ssize_t length = net_packet_receive(isolate->socket, isolate->packet,
                                                WIRE_PACKET_BYTES, deadline_ms);
            if (length <= 0)
                return length == 0 ? -EPIPE : (int)length;
            isolate->unread = (struct str){isolate->packet, (size_t)length};
        }
        whole = wire_inbox_take(&isolate->inbox, &isolate->unread, frame);
    }
    return whole < 0 ? whole : 0;
}

/* Keeps the script's error, on one line. */
static int read_broken(const struct wire_frame *frame, struct err *err)
{
    struct arena *arena = arena_new();
    const struct value *text = value_decode(frame->payload, arena);
    int result = -EPROTO;
    if (text && text->kind == VALUE_STRING && text->string.length) {
        struct str line = text->string;
        if (line.length > BROKEN_TEXT_BYTES)
            line.length = BROKEN_TEXT_BYTES;
        result = err_set(err, -ENOEXEC, "%.*s", STR_ARG(line));
        for (char *at = err->text; *at; at++)
            if ((unsigned char)*at < ' ' || *at == 127)
                *at = ' ';
    }
    arena_free(arena);
    return result;
}

/* Keeps which handlers there are. */
static int read_ready(const struct wire_frame *frame, struct worker *worker)
{
    struct arena *arena = arena_new();
    const struct value *named = value_decode(frame->payload, arena);
    worker->handlers = 0;
    for (int i = 0; i < WORKER_HANDLER_COUNT; i++)
        if (value_get_bool(named, worker_handler_name((enum worker_handler)i), false))
            worker->handlers |= 1U << i;
    arena_free(arena);
    return worker->handlers ? 0 : -EPROTO;
}

/* Sends LOAD and waits for the verdict: 0, -ENOEXEC with the script's error, or another errno. */
static int load(struct isolate_process *isolate, struct err *err)
{
    const uint64_t deadline_ms = task_in_ms(LOAD_MS);
    const struct wire_frame frame = {.type = WIRE_LOAD,
                                     .payload = buf_view(&isolate->worker->load)};
    struct wire_frame verdict;
    int result = isolate_send(isolate, &frame, -1, deadline_ms);
    while (result == 0) {
        result = receive(isolate, &verdict, deadline_ms);
        if (result == 0 && verdict.type == WIRE_READY)
            return read_ready(&verdict, isolate->worker);
        if (result == 0 && verdict.type == WIRE_BROKEN)
            return read_broken(&verdict, err);
        if (result == 0 && (verdict.type != WIRE_LOG || verdict.run != WIRE_RUN_LOAD))
            result = -EPROTO;
    }
    if (result == -ETIMEDOUT)
        return err_set(err, -ENOEXEC, "%s: did not load within %d seconds",
                       isolate->worker->script, LOAD_MS / 1000);
    return result;
}

/* --- life --- */

static void serve(struct isolate_process *isolate)
{
    struct wire_frame frame = {0};
    int result = 0;
    while (result == 0) {
        result = receive(isolate, &frame, TASK_FOREVER);
        if (result == 0)
            result = run_take(isolate, &frame);
    }
    if (result != -EPIPE)
        isolate_kill(isolate, ISOLATE_VIOLATION, result == -EPROTO ? frame.run : 0);
}

static void become_ready(struct isolate_process *isolate)
{
    isolate->state = ISOLATE_READY;
    isolate->watchdog = task_start("worker watchdog", isolate_watch, isolate);
    worker_places_changed(isolate->worker);
}

static void leave_worker(struct isolate_process *isolate)
{
    isolate->state = ISOLATE_ENDING;
    list_remove(&isolate->node);
}

/* What it said before it was killed for the CPU it used, or died, is still read: its neighbours' answers
 * may be among it. */
void isolate_kill(struct isolate_process *isolate, enum isolate_end why, uint32_t culprit)
{
    if (isolate->state == ISOLATE_ENDING)
        return;
    isolate->why = why;
    isolate->culprit = culprit;
    leave_worker(isolate);
    if (isolate->process)
        process_kill(isolate->process);
    if (isolate->socket && why != ISOLATE_CPU && why != ISOLATE_STUCK)
        net_packet_break(isolate->socket);
}

/* After the process's end. A death that nobody ordered is the fault of whoever ran; a run past its CPU limit
 * may have ended the process before the watchdog looked. */
static void settle_blame(struct isolate_process *isolate, int status)
{
    if (isolate->why == ISOLATE_DIED && status == WIRE_EXIT_CPU)
        isolate->why = ISOLATE_CPU;
    if (!isolate->culprit || !isolate_run(isolate, isolate->culprit))
        isolate->culprit = isolate->gauge ? isolate->gauge->run : 0;
}

static void end_process(struct isolate_process *isolate)
{
    leave_worker(isolate);
    if (isolate->watchdog) {
        task_cancel(isolate->watchdog);
        task_join(isolate->watchdog);
    }
    if (isolate->process) {
        process_kill(isolate->process);
        process_wait(isolate->process, TASK_FOREVER);
        settle_blame(isolate, process_status(isolate->process));
        process_free(isolate->process);
    }
    if (isolate->socket)
        net_packet_break(isolate->socket);
}

static int live(void *arg)
{
    struct isolate_process *isolate = arg;
    struct worker *worker = isolate->worker;
    struct err err = {0};
    task_stage("starting worker %s", worker->name);
    int result = isolate->state == ISOLATE_STARTING ? spawn(isolate) : -ESHUTDOWN;
    if (result == 0)
        result = load(isolate, &err);
    if (result == 0) {
        become_ready(isolate);
        task_stage("worker %s, process %d", worker->name,
                   (int)process_pid(isolate->process));
        serve(isolate);
    }
    end_process(isolate);
    if (result == -ENOEXEC)
        worker_load_failed(worker, &err);
    else if (isolate->why != ISOLATE_STOPPED)
        worker_failed(worker);
    list_foreach (node, &isolate->runs)
        run_isolate_died(list_entry(node, struct run, node));
    worker_places_changed(worker);
    isolate_release(isolate);
    worker_isolate_ended(worker);
    return 0;
}

void isolate_start(struct worker *worker)
{
    struct isolate_process *isolate = isolate_new(worker);
    list_append(&worker->instances, &isolate->node);
    worker_isolate_begun(worker);
    task_detach(task_start("worker isolate", live, isolate));
}
