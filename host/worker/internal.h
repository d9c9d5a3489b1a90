/* What the files of this folder share.
 *
 *     worker (a version) 1 -- 0..instances_max isolates that take messages, 0..n that are ending
 *     isolate            1 -- 0..messages_max runs;  run 1 -- 0..n calls, a task each
 *
 * An isolate process:  STARTING --READY--> READY --(kill, stop, death)--> ENDING --> freed
 * Its life task starts it, reads what it says and, at the end, gives every run its fate. Only that task
 * receives; any task may send, a whole frame at a time. The life task never waits to send: the isolate
 * might be waiting for it to read. */
#pragma once

#include "wire.h"
#include "worker.h"

#include "base/list.h"
#include "base/process.h"
#include "base/task.h"
#include "net/packet.h"

/* --- worker.c, place.c --- */

struct worker {
    struct list all; /* in the list of all versions */
    size_t references;
    char *name;
    char *script;
    char *label;
    struct worker_limits limits;
    struct buf load; /* LOAD's payload: the copy of the options */
    bool is_too_large;
    struct list instances;    /* isolates that take messages, or will once they are ready */
    size_t isolate_count;     /* those and the ones that are ending */
    struct task_signal place; /* who waits for a place in an isolate */
    size_t waiting_count;
    unsigned failure_count; /* deaths since the last message that went well */
    uint64_t start_at_ms;   /* back-off: no new isolate before */
    struct err broken;      /* why the last one did not load; code 0: it did */
    unsigned handlers;      /* bits by enum worker_handler, once one has loaded */
    struct circuit circuit;
};

struct isolate_process;
/* Waits for a place in a ready isolate; one is started if there is none, or if all are full and there may be another.
 * Returns 0 with the isolate, which has it until the caller waits for anything; -ETIMEDOUT,
 * -ECANCELED; -EAGAIN when the worker keeps crashing; -ENOEXEC when the script does not load
 * (worker->broken says why); -ESHUTDOWN while all are being stopped. */
int worker_place(struct worker *worker, uint64_t deadline_ms,
                 struct isolate_process **isolate);
/* A place has become free, or there may be news about the isolate. */
void worker_place_freed(struct worker *worker);
void worker_places_changed(struct worker *worker);
/* Counts a death; later ones in a row make the next start wait. */
void worker_failed(struct worker *worker);
void worker_load_failed(struct worker *worker, const struct err *err);

bool worker_is_stopping(void);
/* worker_stop_all waits for all runs too. */
void worker_run_begun(void);
void worker_run_ended(void);
/* An isolate of this version has begun, has ended (which may free the version). */
void worker_isolate_begun(struct worker *worker);
void worker_isolate_ended(struct worker *worker);

/* --- isolate_process.c --- */

enum isolate_state { ISOLATE_STARTING, ISOLATE_READY, ISOLATE_ENDING };

enum isolate_end {
    ISOLATE_DIED,     /* by itself */
    ISOLATE_STOPPED,  /* idle, or nobody needs it any more */
    ISOLATE_CPU,      /* killed: a run passed its hard limit */
    ISOLATE_STUCK,    /* killed: it did not answer CANCEL */
    ISOLATE_VIOLATION /* killed: it broke the protocol */
};

struct isolate_process {
    struct list node; /* in worker->instances */
    struct worker *worker;
    size_t references; /* the life task's, and one per send under way */
    enum isolate_state state;
    enum isolate_end why;
    uint32_t culprit; /* the run at fault, or 0 */
    struct process *process;
    struct net_packet_socket *socket;
    struct wire_gauge *gauge;
    struct wire_inbox inbox;
    char *packet;      /* the one just received: WIRE_PACKET_BYTES */
    struct str unread; /* of it */
    bool is_sending;
    struct task_signal send_turn;
    struct run **slots; /* by run number modulo messages_max */
    struct list runs;   /* the same, in the order they came */
    size_t in_flight;
    uint32_t last_run;
    struct task *watchdog; /* while READY */
    bool is_unwatched;     /* nothing in flight: the watchdog waits for `busy` */
    struct task_signal busy;
    size_t watched_runs;   /* begun since the watchdog last found nothing in flight */
    uint64_t watched_from; /* CPU time then, ns */
};

/* Starts one more for the worker; the worker's `place` tells what becomes of it. */
void isolate_start(struct worker *worker);
/* Ends it: no new messages, SIGKILL; the first reason given counts. The runs' fates follow, from the life
 * task. */
void isolate_kill(struct isolate_process *isolate, enum isolate_end why, uint32_t culprit);
void isolate_release(struct isolate_process *isolate);
/* The run of this number, or NULL. */
struct run *isolate_run(const struct isolate_process *isolate, uint32_t number);

/* --- isolate_send.c --- */

/* Sends a frame, a short one at the end of the loop's turn. Deadline 0 never waits (-EAGAIN). Other errors as
 * net_packet_send. */
int isolate_send(struct isolate_process *isolate, const struct wire_frame *frame,
                 int pass_fd, uint64_t deadline_ms);

/* --- attempt.c --- */

/* An empty payload to write. The memory of the last one serves for the next: a send rarely waits. */
struct buf payload_take(void);
void payload_give_back(struct buf *payload);

/* --- watchdog.c --- */

int isolate_watch(void *arg); /* a task; arg: struct isolate_process * */

/* --- run.c --- */

struct run {
    struct list node; /* in isolate->runs */
    size_t
        references; /* the caller's (worker_run), the isolate's, one per call under way */
    struct worker *worker;
    struct isolate_process *isolate; /* NULL before and after */
    uint32_t number;
    unsigned attempt_count;
    uint64_t deadline_ms; /* wall time */
    struct worker_actions actions;

    /* the caller, while it waits; NULL then */
    struct worker_outcome *outcome;
    struct arena *arena;
    struct task_wait decided;
    bool is_again; /* the isolate died of another: attempt.c tries once more */

    int raw_fd; /* the sealed memfd of a large message once it is made, or -1 */

    struct list calls;
    size_t call_count;
    uint32_t action_count;       /* forward, reply … begun */
    uint32_t binding_call_count; /* begun, without those that are actions */
    size_t log_bytes;
    bool is_done;      /* DONE has come */
    bool is_cancelled; /* CANCEL is to be sent, END must follow by cancel_deadline_ms */
    bool is_cancel_sent;
    uint64_t cancel_deadline_ms;
};

/* Gives the run a number and a place in a ready isolate. */
void run_enter(struct run *run, struct isolate_process *isolate);
/* Takes it out, and cancels its calls; drops the isolate's reference. */
void run_leave(struct run *run);
/* Tells the caller, unless he has been told or has gone. */
void run_decide(struct run *run, enum worker_result result, struct str text);
/* Drops one reference; the last one calls actions.end and frees. */
void run_release(struct run *run);
/* A frame about a run. Returns 0, or -EPROTO when the isolate has no business saying it. */
int run_take(struct isolate_process *isolate, const struct wire_frame *frame);
/* Tells the isolate to drop the run, and cancels its calls. Again later when is_cancel_sent is unset. */
void run_cancel(struct run *run);
/* Wall time is over: its sender is told now. */
void run_wall_time_over(struct run *run);
/* The isolate is dead: the run fails or is tried again; leaves the isolate. */
void run_isolate_died(struct run *run);

/* --- email.c --- */

/* Encodes EMAIL's payload and, for a large message, makes the memfd unless *raw_fd is one already. Returns 0
 * or negative errno. */
int email_encode(const struct worker_email *email, uint64_t remaining_ms, struct buf *out,
                 int *raw_fd);

/* --- call.c --- */

/* Starts the task of a call. Returns 0, or -EPROTO. */
int call_start(struct run *run, const struct wire_frame *frame);
void calls_cancel(struct run *run);
