/* The walls around the isolate.
 *
 * The filter allows: talking on the one socket, last words on stderr, memory (mapping files read-only:
 * the only ones it can have are messages that the host sent), clocks, and the end. JIT code needs
 * mprotect with PROT_EXEC on anonymous memory.
 *
 * Under AddressSanitizer there is no address-space limit (its shadow takes 16 TiB) and its reports may
 * be symbolised, for which it reads /proc/self and the program's own file. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/wire.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* Program, libraries, machine code, one mapped message and the largest frame, twice each. */
#define ADDRESS_SPACE_HEADROOM ((rlim_t)256 * 1024 * 1024)
#define ADDRESS_SPACE_AT_START ((rlim_t)4 * 1024 * 1024 * 1024)
/* One descriptor per large message in flight. */
#define DESCRIPTORS_MAX        1024
/* Coroutines that resume coroutines nest on the C stack: the memory cap must be what ends them. */
#define STACK_BYTES            ((rlim_t)96 * 1024 * 1024)

int sandbox_close_descriptors(void)
{
    if (close_range(0, STDERR_FILENO - 1, 0) != 0 ||
        close_range(WIRE_GAUGE_FD + 1, ~0U, 0) != 0)
        return -errno;
    return 0;
}

static int set_limit(__rlimit_resource_t resource, rlim_t bound)
{
    struct rlimit limit = {bound, bound};
    return setrlimit(resource, &limit) == 0 ? 0 : -errno;
}

int sandbox_limit_memory(size_t lua_bytes_max)
{
    if (IS_SANITIZED)
        return 0;
    return set_limit(RLIMIT_AS, lua_bytes_max + STACK_BYTES + ADDRESS_SPACE_HEADROOM);
}

static int set_limits(void)
{
    struct rlimit stack;
    int result = set_limit(RLIMIT_CORE, 0);
    if (!result)
        result = set_limit(RLIMIT_NPROC, 0);
    if (!result)
        result = set_limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
    if (!result && !IS_SANITIZED)
        result = set_limit(RLIMIT_AS, ADDRESS_SPACE_AT_START);
    if (!result && getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_max >= STACK_BYTES)
        result = set_limit(RLIMIT_STACK, STACK_BYTES);
    return result;
}

static int set_process_attributes(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return -errno;
    return 0;
}

static const int allowed_calls[] = {
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static const int sanitizer_calls[] = {
    SCMP_SYS(read),        SCMP_SYS(readlink), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
    SCMP_SYS(stat),        SCMP_SYS(getpid),   SCMP_SYS(gettid),     SCMP_SYS(sched_yield),
    SCMP_SYS(sigaltstack), SCMP_SYS(access),   SCMP_SYS(mmap),       SCMP_SYS(getcwd),
    SCMP_SYS(getrlimit),
};

static int allow_calls(scmp_filter_ctx filter, const int calls[], size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && !result; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return result;
}

/* libseccomp's own macros leave a field out, which clang warns of. */
static struct scmp_arg_cmp argument_is(unsigned argument, uint64_t value)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

static struct scmp_arg_cmp argument_has(unsigned argument, uint64_t mask, uint64_t value)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static int allow_with(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

static int fill_filter(scmp_filter_ctx filter)
{
    int result =
        allow_calls(filter, allowed_calls, sizeof allowed_calls / sizeof allowed_calls[0]);
    if (!result)
        result = allow_with(filter, SCMP_SYS(recvmsg), argument_is(0, WIRE_SOCKET_FD));
    if (!result)
        result = allow_with(filter, SCMP_SYS(sendmsg), argument_is(0, WIRE_SOCKET_FD));
    if (!result)
        result = allow_with(filter, SCMP_SYS(write), argument_is(0, STDERR_FILENO));
    if (!result)
        result = allow_with(filter, SCMP_SYS(mmap),
                            argument_has(3, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (!result)
        result = allow_with(filter, SCMP_SYS(mmap), argument_is(2, PROT_READ));
    if (!result)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                  argument_is(0, 0), argument_is(1, RLIMIT_AS));
    if (!result && IS_SANITIZED)
        result = allow_with(filter, SCMP_SYS(openat),
                            argument_has(2, O_ACCMODE | O_CREAT, O_RDONLY));
    if (!result && IS_SANITIZED)
        result = allow_calls(filter, sanitizer_calls,
                             sizeof sanitizer_calls / sizeof sanitizer_calls[0]);
    return result;
}

/* The filter looks for the busiest calls first. */
static int order_filter(scmp_filter_ctx filter)
{
    static const int busiest[] = {SCMP_SYS(sendmsg), SCMP_SYS(clock_gettime),
                                  SCMP_SYS(recvmsg)};
    int result = 0;
    for (size_t i = 0; i < sizeof busiest / sizeof busiest[0] && !result; i++)
        result = seccomp_syscall_priority(filter, busiest[i], (uint8_t)(255 - i));
    return result;
}

static int load_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return -ENOMEM;
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!result)
        result = fill_filter(filter);
    if (!result)
        result = order_filter(filter);
    if (!result)
        result = seccomp_load(filter);
    seccomp_release(filter);
    return result;
}

int sandbox_enter(void)
{
    int result = set_limits();
    if (!result)
        result = set_process_attributes();
    return result ? result : load_filter();
}
