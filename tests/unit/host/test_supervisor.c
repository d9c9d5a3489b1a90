/* The parts of the supervisor that need no process: back-off, shared counters, notices to the service manager, users. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "notify.h"
#include "privilege.h"
#include "shared.h"
#include "supervisor_hosts.h"
#include "test.h"

/* --- back-off --- */

static void rests_double_up_to_a_minute(void **state)
{
    (void)state;
    const uint64_t expected[] = {0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(hosted_rest_ms(i), expected[i]);
    assert_int_equal(hosted_rest_ms(1000000), 60000);
}

/* --- shared memory --- */

static void counts_are_seen_through_every_mapping_and_summed(void **state)
{
    (void)state;
    int fd = -1;
    struct err err = {0};
    struct shared *ours = shared_new(3, &fd, &err);
    struct shared *theirs = shared_map(fd, &err);
    assert_non_null(ours);
    assert_non_null(theirs);
    assert_int_equal(theirs->host_count, 3);
    assert_int_equal(theirs->service_pid, getpid());
    status_count_in(theirs->hosts[1].events);
    EVENT(NULL, STATUS_SESSION_NOTE, FIELD("what", STR("a test")));
    EVENT(NULL, STATUS_SESSION_NOTE, FIELD("what", STR("a test")));
    status_count_in(theirs->hosts[2].events);
    EVENT(NULL, STATUS_SESSION_NOTE, FIELD("what", STR("a test")));
    status_count_in(NULL);
    EVENT(NULL, STATUS_SESSION_NOTE, FIELD("what", STR("a test")));
    assert_int_equal(atomic_load(&ours->hosts[1].events[STATUS_SESSION_NOTE]), 2);
    assert_int_equal(shared_event_count(ours, STATUS_SESSION_NOTE), 3);
    shared_unmap(ours);
    shared_unmap(theirs);
    close(fd);
}

static void the_shared_memory_cannot_be_cut_short(void **state)
{
    (void)state;
    int fd = -1;
    struct shared *shared = shared_new(1, &fd, NULL);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    shared_unmap(shared);
    close(fd);
    assert_null(shared_map(fd, NULL));
}

/* --- the service manager --- */

static int open_manager(struct sockaddr_un *name, socklen_t length)
{
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)name, length), 0);
    return manager;
}

static void notices_reach_an_abstract_socket(void **state)
{
    (void)state;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "postern-%d-test",
                          (int)getpid());
    int manager = open_manager(
        &name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length));
    char variable[64], heard[64] = "";
    snprintf(variable, sizeof variable, "@postern-%d-test", (int)getpid());
    setenv("NOTIFY_SOCKET", variable, 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    struct notify notify;
    notify_open(&notify);
    assert_int_equal(notify.watchdog_ms, 3000);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    notify_say(&notify, "STATUS=%d\n", 7);
    assert_int_equal(recv(manager, heard, sizeof heard, 0), 9);
    assert_string_equal(heard, "STATUS=7\n");
    notify_close(&notify);
    notify_say(&notify, "READY=1\n");
    assert_int_equal(recv(manager, heard, sizeof heard, 0), -1);
    close(manager);
}

static void names_that_are_no_socket_are_ignored(void **state)
{
    (void)state;
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"", "/", "@", "relative", "vsock:2:3", long_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct notify notify;
        setenv("NOTIFY_SOCKET", names[i], 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        notify_open(&notify);
        assert_int_equal(notify.socket, -1);
        assert_int_equal(notify.watchdog_ms, 0);
        notify_say(&notify, "READY=1\n");
        notify_close(&notify);
    }
}

static void a_watchdog_of_another_process_is_not_ours(void **state)
{
    (void)state;
    const struct {
        const char *microseconds, *pid;
    } cases[] = {{"1000000", "1"}, {"soon", NULL}, {NULL, NULL}, {"1000000", "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct notify notify;
        setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
        if (cases[i].microseconds)
            setenv("WATCHDOG_USEC", cases[i].microseconds, 1);
        if (cases[i].pid)
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        notify_open(&notify);
        assert_int_equal(notify.watchdog_ms, 0);
        notify_say(&notify, "READY=1\n");
        notify_close(&notify);
    }
}

/* --- users --- */

static void without_a_user_nothing_changes(void **state)
{
    (void)state;
    struct privilege privilege;
    struct err err = {0};
    assert_int_equal(privilege_find(NULL, NULL, &privilege, &err), 0);
    assert_false(privilege.is_changed);
    assert_int_equal(privilege_check_readable(&privilege, "/nonexistent", &err), 0);
}

static void unknown_names_are_told(void **state)
{
    (void)state;
    struct privilege privilege;
    struct err err = {0};
    assert_int_equal(privilege_find("no-such-user", NULL, &privilege, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no-such-user"));
    assert_int_equal(privilege_find("root", "no-such-group", &privilege, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no-such-group"));
    assert_int_equal(privilege_find(NULL, "root", &privilege, &err), -EINVAL);
}

static void what_the_user_cannot_read_is_told_with_both_names(void **state)
{
    (void)state;
    struct privilege privilege;
    struct err err = {0};
    if (geteuid() != 0)
        skip();
    assert_int_equal(privilege_find("nobody", NULL, &privilege, &err), 0);
    assert_true(privilege.is_changed);
    assert_int_equal(privilege_check_readable(&privilege, "/etc/passwd", &err), 0);
    assert_int_equal(privilege_check_readable(&privilege, "/etc/shadow", &err), -EACCES);
    assert_non_null(strstr(err.text, "/etc/shadow"));
    assert_non_null(strstr(err.text, "nobody"));
    assert_int_equal(geteuid(), 0);
    assert_int_equal(getegid(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_double_up_to_a_minute),
        cmocka_unit_test(counts_are_seen_through_every_mapping_and_summed),
        cmocka_unit_test(the_shared_memory_cannot_be_cut_short),
        cmocka_unit_test(notices_reach_an_abstract_socket),
        cmocka_unit_test(names_that_are_no_socket_are_ignored),
        cmocka_unit_test(a_watchdog_of_another_process_is_not_ours),
        cmocka_unit_test(without_a_user_nothing_changes),
        cmocka_unit_test(unknown_names_are_told),
        cmocka_unit_test(what_the_user_cannot_read_is_told_with_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
