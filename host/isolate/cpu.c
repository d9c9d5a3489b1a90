/* CPU limits of a run. The handler touches only what is gathered for the host, the gauge, the limits, clock_gettime and
 * lua_sethook; the latter is what LuaJIT's own command line calls in its SIGINT handler. */
#include "cpu.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "channel.h"
#include "convert.h"

#define TICK_NS ((long)2 * 1000 * 1000)

static struct isolate *ticking;

/* As of the last look: what the loop does between two runs counts as the next one's, which saves a look. */
static uint64_t seen_ns;

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Raises in whatever coroutine executes. */
static void raise_exceeded(lua_State *lua, lua_Debug *unused)
{
    (void)unused;
    struct isolate *isolate = isolate_of(lua);
    if (!isolate->run)
        return;
    isolate->run->is_cpu_exceeded = true;
    raise_error(lua, "CPU limit of %d ms exceeded",
                (int)(isolate->limits.cpu_soft_ns / 1000000));
}

static void on_tick(int signal_number)
{
    (void)signal_number;
    int saved_errno = errno;
    struct isolate *isolate = ticking;
    channel_flush();
    if (isolate->gauge->run != 0) {
        uint64_t used_ns = cpu_now_ns() - isolate->gauge->run_cpu_ns;
        if (used_ns > isolate->limits.cpu_hard_ns + isolate->limits.cpu_hard_ns / 5)
            _exit(ISOLATE_EXIT_CPU);
        if (used_ns > isolate->limits.cpu_soft_ns) {
            isolate->hooked = 1;
            lua_sethook(isolate->lua, raise_exceeded, LUA_MASKCOUNT, 1);
        }
    }
    errno = saved_errno;
}

int cpu_open(struct isolate *isolate)
{
    ticking = isolate;
    seen_ns = cpu_now_ns();
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};
    struct itimerspec tick = {{0, TICK_NS}, {0, TICK_NS}};
    timer_t timer;
    if (sigaction(SIGXCPU, &action, NULL) != 0 ||
        timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 ||
        timer_settime(timer, 0, &tick, NULL) != 0)
        return -errno;
    return 0;
}

uint64_t cpu_used_ns(const struct run *run)
{
    seen_ns = cpu_now_ns();
    return seen_ns - run->isolate->gauge->run_cpu_ns;
}

void cpu_enter(struct run *run)
{
    struct isolate *isolate = run->isolate;
    isolate->run = run;
    isolate->gauge->run_cpu_ns = seen_ns - run->cpu_ns;
    isolate->gauge->run = run->id;
}

void cpu_leave(struct run *run)
{
    struct isolate *isolate = run->isolate;
    isolate->gauge->run = 0;
    run->cpu_ns = cpu_used_ns(run);
    isolate->gauge->lua_bytes = isolate->lua_bytes;
    isolate->run = NULL;
    isolate->fiber = NULL;
    if (isolate->hooked) {
        isolate->hooked = 0;
        lua_sethook(isolate->lua, NULL, 0, 0);
    }
}
