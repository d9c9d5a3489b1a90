/* Listeners: TCP and local, errors, closing, and running out of descriptors. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "loopback.h"

static void echo(struct net_stream *stream, void *arg)
{
    (*(int *)arg)++;
    while (net_stream_fill(stream, task_in_ms(5000)) > 0) {
        struct str input = net_stream_input(stream);
        if (net_stream_write(stream, &input, 1, task_in_ms(5000)) < 0)
            break;
        net_stream_consume(stream, input.length);
    }
    net_stream_close(stream);
}

static int connect_and_echo(void *arg)
{
    struct net_stream *stream = NULL;
    assert_int_equal(net_stream_connect(arg, NULL, task_in_ms(5000), &stream), 0);
    assert_int_equal(write_text(stream, "hello"), 0);
    expect_text(stream, "hello");
    net_stream_close(stream);
    return 0;
}

static int serve_many(void *arg)
{
    (void)arg;
    enum { CLIENTS = 100 };
    int accepted = 0;
    struct net_address address = loopback(0);
    struct net_listener *listener =
        net_listener_open(&address, "echo", echo, &accepted, NULL);
    address = *net_listener_address(listener);
    assert_int_not_equal(net_address_port(&address), 0);
    struct task_job jobs[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        jobs[i] = (struct task_job){connect_and_echo, &address, 0};
    assert_int_equal(task_gather("client", jobs, CLIENTS), 0);
    net_listener_close(listener);
    return accepted;
}

static void every_connection_has_a_task(void **state)
{
    (void)state;
    assert_int_equal(test_run(serve_many, NULL), 100);
}

static int open_twice(void *arg)
{
    (void)arg;
    int accepted = 0;
    struct err err = {0};
    struct net_address address = loopback(0);
    struct net_listener *first = net_listener_open(&address, "echo", echo, &accepted, &err);
    assert_null(
        net_listener_open(net_listener_address(first), "echo", echo, &accepted, &err));
    assert_int_equal(err.code, -EADDRINUSE);
    assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
    net_listener_close(first);
    net_address_parse(STR("192.0.2.1"), 25, &address);
    assert_null(net_listener_open(&address, "echo", echo, &accepted, &err));
    assert_int_equal(err.code, -EADDRNOTAVAIL);
    return 0;
}

static void an_address_in_use_is_a_clear_error(void **state)
{
    (void)state;
    test_run(open_twice, NULL);
}

static int open_both_families(void *arg)
{
    (void)arg;
    int accepted = 0;
    struct net_address v4, v6;
    net_address_parse(STR("::"), 0, &v6);
    struct net_listener *six = net_listener_open(&v6, "echo", echo, &accepted, NULL);
    if (!six)
        return 0; /* a machine without IPv6 */
    net_address_parse(STR("0.0.0.0"), net_address_port(net_listener_address(six)), &v4);
    struct net_listener *four = net_listener_open(&v4, "echo", echo, &accepted, NULL);
    assert_non_null(four);
    net_address_parse(STR("::1"), net_address_port(net_listener_address(six)), &v6);
    connect_and_echo(&v6);
    net_listener_close(six);
    net_listener_close(four);
    return 0;
}

static void an_ipv6_listener_leaves_ipv4_alone(void **state)
{
    (void)state;
    test_run(open_both_families, NULL);
}

static void never(struct net_stream *stream, void *arg)
{
    (void)arg;
    net_stream_close(stream);
    fail();
}

static int close_with_pending(void *arg)
{
    (void)arg;
    struct net_address address = loopback(0);
    struct net_listener *listener = net_listener_open(&address, "never", never, NULL, NULL);
    int raw = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(raw, &net_listener_address(listener)->socket.any, sizeof address.socket.v4),
        0);
    net_listener_close(listener);
    task_sleep(5);
    close(raw);
    return 0;
}

static void a_closed_listener_accepts_nothing_more(void **state)
{
    (void)state;
    test_run(close_with_pending, NULL);
}

/* --- out of descriptors --- */

static rlim_t limit_descriptors(rlim_t limit)
{
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit now = {limit, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &now);
    return before.rlim_cur;
}

static int run_out(void *arg)
{
    (void)arg;
    int accepted = 0;
    struct net_address address = loopback(0);
    struct net_listener *listener =
        net_listener_open(&address, "echo", echo, &accepted, NULL);
    address = *net_listener_address(listener);
    int raw = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rlim_t before = limit_descriptors((rlim_t)raw + 1);
    assert_int_equal(connect(raw, &address.socket.any, sizeof address.socket.v4), 0);
    assert_int_equal(write(raw, "late", 4), 4);
    task_sleep(150);
    assert_int_equal(accepted, 0);
    limit_descriptors(before);
    while (accepted == 0)
        task_sleep(10);
    char bytes[4];
    while (recv(raw, bytes, 4, MSG_DONTWAIT) != 4)
        task_sleep(1);
    assert_memory_equal(bytes, "late", 4);
    close(raw);
    net_listener_close(listener);
    return 0;
}

static void clients_wait_while_descriptors_are_short(void **state)
{
    (void)state;
    test_run(run_out, NULL);
}

/* --- local --- */

static void local_path(char path[64])
{
    snprintf(path, 64, "/tmp/postern-test-%d.sock", (int)getpid());
}

static int serve_locally(void *arg)
{
    (void)arg;
    int accepted = 0;
    char path[64];
    local_path(path);
    struct err err = {0};
    struct net_listener *listener =
        net_listener_open_local(path, "echo", echo, &accepted, &err);
    assert_non_null(listener);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_null(net_listener_open_local(path, "echo", echo, &accepted, &err));
    assert_int_equal(err.code, -EADDRINUSE);
    struct net_stream *stream = NULL;
    assert_int_equal(net_stream_connect_local(path, task_in_ms(5000), &stream), 0);
    write_text(stream, "status");
    expect_text(stream, "status");
    char text[NET_ADDRESS_TEXT_BYTES];
    assert_string_equal(net_address_text(net_stream_peer(stream), text), "local");
    net_stream_close(stream);
    net_listener_close(listener);
    assert_int_equal(stat(path, &status), -1);
    assert_int_equal(net_stream_connect_local(path, task_in_ms(5000), &stream), -ENOENT);
    return 0;
}

static void a_local_listener_is_for_its_owner(void **state)
{
    (void)state;
    test_run(serve_locally, NULL);
}

static int replace_stale(void *arg)
{
    (void)arg;
    int accepted = 0;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    local_path(name.sun_path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&name, sizeof name), 0);
    close(stale);
    struct net_listener *listener =
        net_listener_open_local(name.sun_path, "echo", echo, &accepted, NULL);
    assert_non_null(listener);
    net_listener_close(listener);
    struct err err;
    close(open(name.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_null(net_listener_open_local(name.sun_path, "echo", echo, &accepted, &err));
    assert_int_equal(err.code, -EADDRINUSE);
    unlink(name.sun_path);
    char deep[200];
    memset(deep, 'x', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_null(net_listener_open_local(deep, "echo", echo, &accepted, &err));
    assert_int_equal(err.code, -ENAMETOOLONG);
    return 0;
}

static void a_stale_socket_is_replaced_but_no_other_file(void **state)
{
    (void)state;
    test_run(replace_stale, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(every_connection_has_a_task),
        loop_test(an_address_in_use_is_a_clear_error),
        loop_test(an_ipv6_listener_leaves_ipv4_alone),
        loop_test(a_closed_listener_accepts_nothing_more),
        loop_test(clients_wait_while_descriptors_are_short),
        loop_test(a_local_listener_is_for_its_owner),
        loop_test(a_stale_socket_is_replaced_but_no_other_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
