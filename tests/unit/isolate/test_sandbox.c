/* The sandbox itself: a child enters it and then asks the kernel for what it must not get. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "isolate/sandbox.h"
#include "worker/wire.h"

#define SURVIVED 7

/* The wait status of a child that enters the sandbox, makes the call, and ends with SURVIVED. */
static int attempt(void (*call)(void))
{
    pid_t child = fork();
    if (child == 0) {
        if (sandbox_enter() != 0)
            _exit(1);
        call();
        _exit(SURVIVED);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* System calls are made bare: the C library may have an answer of its own. */
static void call_open(void)
{
    syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_WRONLY | O_CREAT, 0600);
}
static void call_unlink(void)
{
    syscall(SYS_unlink, "/nonexistent");
}
static void call_socket(void)
{
    syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static void call_connect(void)
{
    syscall(SYS_connect, 0, NULL, 0);
}
static void call_fork(void)
{
    syscall(SYS_fork);
}
static void call_clone(void)
{
    syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static void call_execve(void)
{
    syscall(SYS_execve, "/bin/true", NULL, NULL);
}
static void call_kill(void)
{
    syscall(SYS_kill, getppid(), 0);
}
static void call_ptrace(void)
{
    syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL);
}
static void call_prctl(void)
{
    syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static void call_dup(void)
{
    syscall(SYS_dup, 2);
}
static void call_process_memory(void)
{
    syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}
static void call_io_uring(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
}
static void call_sendmsg_elsewhere(void)
{
    struct msghdr message = {0};
    syscall(SYS_sendmsg, 5, &message, 0);
}
static void call_recvmsg_elsewhere(void)
{
    struct msghdr message = {0};
    syscall(SYS_recvmsg, 0, &message, 0);
}
static void call_write_elsewhere(void)
{
    syscall(SYS_write, 1, "", 0);
}
static void call_raise_limit_of_files(void)
{
    struct rlimit limit = {10, 10};
    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
}
static void call_limit_of_another_process(void)
{
    struct rlimit limit = {10, 10};
    syscall(SYS_prlimit64, 1, RLIMIT_AS, &limit, NULL);
}
static void call_old_abi(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int $0x80" : : "a"(20) : "memory"); /* getpid of i386 */
#else
    call_fork();
#endif
}

static void what_a_script_has_no_use_for_kills_the_process(void **state)
{
    (void)state;
    void (*const calls[])(void) = {
        call_unlink,
        call_socket,
        call_connect,
        call_fork,
        call_clone,
        call_execve,
        call_kill,
        call_ptrace,
        call_prctl,
        call_dup,
        call_process_memory,
        call_io_uring,
        call_sendmsg_elsewhere,
        call_recvmsg_elsewhere,
        call_write_elsewhere,
        call_raise_limit_of_files,
        call_limit_of_another_process,
        call_old_abi,
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int status = attempt(calls[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("call %zu of the list: wait status %x", i, (unsigned)status);
    }
}

static void files_cannot_be_opened(void **state)
{
    (void)state;
    int status = attempt(call_open);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void use_what_is_needed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    time(NULL);
    char *small = malloc(100), *large = malloc((size_t)8 << 20);
    memset(large, 1, (size_t)8 << 20);
    large = realloc(large, (size_t)16 << 20);
    free(large);
    free(small);
    void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || mprotect(code, 4096, PROT_READ | PROT_EXEC) != 0 ||
        sandbox_limit_memory((size_t)64 << 20) != 0)
        _exit(2);
    munmap(code, 4096);
    syscall(SYS_write, 2, "", 0);
}

static void memory_and_clocks_work(void **state)
{
    (void)state;
    int status = attempt(use_what_is_needed);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
}

#if !defined(__SANITIZE_ADDRESS__)
static void take_much_memory(void)
{
    sandbox_limit_memory((size_t)1 << 20);
    if (malloc((size_t)1 << 30) != NULL)
        _exit(2);
}

static void the_address_space_has_a_limit(void **state)
{
    (void)state;
    int status = attempt(take_much_memory);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
}
#endif

static void only_stderr_the_socket_and_the_gauge_stay_open(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        dup2(2, WIRE_SOCKET_FD);
        dup2(2, WIRE_GAUGE_FD);
        dup2(2, 77);
        if (sandbox_close_descriptors() != 0)
            _exit(1);
        for (int fd = 0; fd < 1000; fd++) {
            bool is_open = fcntl(fd, F_GETFD) >= 0;
            if (is_open != (fd >= 2 && fd <= WIRE_GAUGE_FD))
                _exit(2);
        }
        _exit(SURVIVED);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_script_has_no_use_for_kills_the_process),
        cmocka_unit_test(files_cannot_be_opened),
        cmocka_unit_test(memory_and_clocks_work),
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(the_address_space_has_a_limit),
#endif
        cmocka_unit_test(only_stderr_the_socket_and_the_gauge_stay_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
