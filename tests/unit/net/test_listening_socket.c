/* Listening sockets shared between processes: who gets the connections when one of them stops. */
#include "loopback.h"

#include "net/listening_socket.h"

enum { CLIENTS = 40 };

struct shared_port {
    int sockets[2];
    struct net_address address;
};

static struct shared_port open_two(void)
{
    struct shared_port port;
    struct err err = {0};
    port.address = loopback(0);
    for (int i = 0; i < 2; i++) {
        port.sockets[i] = net_listening_socket_open(&port.address, NET_SOCKET_SHARED, &err);
        assert_true(port.sockets[i] >= 0);
        net_listening_socket_address(port.sockets[i], &port.address);
    }
    return port;
}

static void close_two(const struct shared_port *port)
{
    close(port->sockets[0]);
    close(port->sockets[1]);
}

/* A connected client, or negative errno. */
static int connect_to(const struct net_address *address)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, &address->socket.any, sizeof address->socket.v4) == 0)
        return client;
    int result = -errno;
    close(client);
    return result;
}

static void connect_many(const struct net_address *address)
{
    for (int i = 0; i < CLIENTS; i++) {
        int client = connect_to(address);
        assert_true(client >= 0);
        close(client);
    }
}

/* How many connections wait there; they are taken. */
static int take_all(int listening)
{
    int count = 0;
    for (int taken; (taken = accept(listening, NULL, NULL)) >= 0; count++)
        close(taken);
    return count;
}

static void shared_sockets_divide_the_connections(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    connect_many(&port.address);
    int first = take_all(port.sockets[0]), second = take_all(port.sockets[1]);
    assert_true(first > 0 && second > 0);
    assert_int_equal(first + second, CLIENTS);
    close_two(&port);
}

static void a_stopped_socket_leaves_all_to_the_other(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    net_listening_socket_stop(port.sockets[0]);
    connect_many(&port.address);
    assert_int_equal(take_all(port.sockets[1]), CLIENTS);
    close_two(&port);
}

static void a_fresh_socket_takes_the_place_of_a_stopped_one(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    net_listening_socket_stop(port.sockets[0]);
    assert_false(net_listening_socket_is_open(port.sockets[0]));
    close(port.sockets[0]);
    port.sockets[0] = net_listening_socket_open(&port.address, NET_SOCKET_SHARED, NULL);
    assert_true(net_listening_socket_is_open(port.sockets[0]));
    connect_many(&port.address);
    assert_true(take_all(port.sockets[0]) > 0);
    close_two(&port);
}

static void a_socket_that_is_only_bound_gets_no_connections(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    int third = net_listening_socket_bind(&port.address, NET_SOCKET_SHARED, NULL);
    assert_true(third >= 0);
    assert_false(net_listening_socket_is_open(third));
    connect_many(&port.address);
    assert_int_equal(take_all(port.sockets[0]) + take_all(port.sockets[1]), CLIENTS);
    assert_int_equal(net_listening_socket_listen(third), 0);
    connect_many(&port.address);
    assert_true(take_all(third) > 0);
    close(third);
    close_two(&port);
}

static void clients_are_refused_when_all_have_stopped(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    net_listening_socket_stop(port.sockets[0]);
    net_listening_socket_stop(port.sockets[1]);
    assert_int_equal(connect_to(&port.address), -ECONNREFUSED);
    close_two(&port);
}

static void a_socket_alone_shares_its_port_with_nobody(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    struct err err = {0};
    assert_int_equal(net_listening_socket_open(&port.address, NET_SOCKET_ALONE, &err),
                     -EADDRINUSE);
    assert_non_null(strstr(err.text, "cannot listen on 127.0.0.1:"));
    close_two(&port);
}

static void accept_one(struct net_stream *stream, void *arg)
{
    net_stream_close(stream);
    task_signal_raise(arg);
}

/* As a host does with a socket that its supervisor holds too. */
static int adopt_and_close(void *arg)
{
    const struct shared_port *port = arg;
    struct task_signal accepted = {0};
    int own = dup(port->sockets[0]);
    struct net_listener *listener =
        net_listener_adopt(own, "adopted", accept_one, &accepted, NULL);
    assert_int_equal(net_address_port(net_listener_address(listener)),
                     net_address_port(&port->address));
    net_listening_socket_stop(port->sockets[1]);
    int client = connect_to(&port->address);
    assert_true(client >= 0);
    assert_int_equal(task_signal_wait(&accepted, task_in_ms(5000)), 0);
    close(client);
    net_listener_close(listener);
    assert_int_equal(connect_to(&port->address), -ECONNREFUSED);
    return 0;
}

static void a_closed_listener_takes_no_connections_for_others_to_lose(void **state)
{
    (void)state;
    struct shared_port port = open_two();
    test_run(adopt_and_close, &port);
    close_two(&port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_sockets_divide_the_connections),
        cmocka_unit_test(a_stopped_socket_leaves_all_to_the_other),
        cmocka_unit_test(a_fresh_socket_takes_the_place_of_a_stopped_one),
        cmocka_unit_test(a_socket_that_is_only_bound_gets_no_connections),
        cmocka_unit_test(clients_are_refused_when_all_have_stopped),
        cmocka_unit_test(a_socket_alone_shares_its_port_with_nobody),
        loop_test(a_closed_listener_takes_no_connections_for_others_to_lose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
