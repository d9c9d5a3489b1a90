/* The isolate process: one Lua state, one script, many messages in flight (DESIGN.md 2).
 *
 *   isolate.c     entry; the loop: one frame in, then every ready coroutine
 *   channel.c     frames over the socket
 *   sandbox.c     what the process may still ask of the kernel
 *   lua_state.c   the Lua state: capped allocator, allowed libraries, prelude.lua
 *   cpu.c         CPU limits: who is running and for how long
 *   script.c      LOAD: compile, run once, find the handlers
 *   run.c         a message's run and its fibers (coroutines that the loop resumes); run_message.c: its bytes,
 *                 run_done.c: its end
 *   events.lua    what handlers other than email are given
 *   convert.c     values of the wire to Lua and back; errors as text
 *   bind_*.c      what a script can touch, and what lua/stdlib/ stands on (json_*.c: one of these)
 *   text.c        a text that grows in the script's heap
 *
 * Lua errors are long jumps. So nothing allocated is alive across a call that can raise: what a binding
 * needs for longer belongs to the run (its arena, its mapping) or to the isolate (its buffers). And every
 * call that can raise is made under lua_cpcall or within a coroutine; a panic ends the process. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "mail/header.h"
#include "worker/handler.h"
#include "worker/wire.h"

/* How the process ends when it cannot go on; 0 is the end of the socket. */
enum isolate_exit {
    ISOLATE_EXIT_PROTOCOL = 95, /* the host said what it must not */
    ISOLATE_EXIT_SANDBOX = 96,  /* the sandbox could not be entered */
    ISOLATE_EXIT_CPU =
        WIRE_EXIT_CPU,     /* past the hard limit, and the host did not kill it */
    ISOLATE_EXIT_LUA = 98, /* a Lua error outside all protection */
};

struct isolate_limits {
    uint64_t cpu_soft_ns;
    uint64_t cpu_hard_ns;
    size_t memory_bytes;
    size_t log_bytes_max; /* per run */
};

struct isolate {
    lua_State *lua;
    struct wire_gauge *gauge;
    struct isolate_limits limits;
    struct wire_inbox inbox;
    struct str unread; /* of the packet that has come */
    int received_fd; /* came beside the packets of the frame that is coming in; -1: none */
    struct buf out;  /* payload of the frame that is going out */

    struct arena *load_arena; /* the LOAD frame, kept for the life of the process */
    const struct value *load; /* NULL before */
    int handlers[WORKER_HANDLER_COUNT]; /* registry references; LUA_NOREF: none */
    int environment;                    /* registry reference */
    size_t lua_bytes;                   /* held by the allocator */
    size_t reserve_bytes;               /* that it may exceed the cap by, now */
    bool is_collecting_often;           /* much of the cap is used */
    volatile sig_atomic_t hooked;       /* the CPU hook is set */

    struct arena *spare_arena; /* of an ended run, for the next; NULL: none */
    struct list runs;
    struct list ready;   /* fibers to resume, in turn */
    struct run *run;     /* whose code runs now; NULL: none */
    struct fiber *fiber; /* which of its fibers */
    bool has_call;       /* the running fiber has made a call that is not yet sent ... */
    struct buf call;     /* ... and this is its payload */
};

/* One message, or an event, or the loading of the script (id WIRE_RUN_LOAD). */
struct run {
    struct list node;
    struct isolate *isolate;
    uint32_t id;
    uint32_t last_call;
    struct arena *arena;
    const struct value *email; /* NULL: no message */
    const struct value *event; /* its payload; NULL: none */
    uint64_t ends_ms;          /* when its wall time is over, of the monotonic clock */
    struct list fibers;
    unsigned fiber_count;

    int raw_fd; /* -1: the message is in `email` */
    size_t raw_bytes;
    void *mapping;         /* of raw_fd, while somebody reads it; NULL: none */
    struct header *header; /* NULL until asked for */

    uint64_t cpu_ns; /* used in all its resumes */
    bool is_cpu_exceeded;
    bool is_done;  /* DONE has been sent */
    bool is_ended; /* and it said END as well */
    bool is_rejected;
    struct str reason; /* of the rejection, in the arena */
    size_t log_bytes;
    bool is_log_full;
};

/* A coroutine that the loop resumes: the handler's, or that of a waitUntil function. */
struct fiber {
    struct list node;  /* in run->fibers */
    struct list ready; /* in isolate->ready */
    struct run *run;
    lua_State *lua;
    int reference; /* anchors `lua` in the registry */
    int argument_count;
    uint32_t call; /* whose answer it waits for; 0: none */
    bool is_handler;
};

/* The isolate of a Lua state. */
struct isolate *isolate_of(lua_State *lua);
