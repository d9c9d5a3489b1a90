/* Packet sockets: whole packets, waiting on both sides, a passed file descriptor, the end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"
#include "net/packet.h"

#define LARGE_BYTES ((size_t)60000)
#define LARGE_COUNT 40

struct pair {
    struct net_packet_socket *near;
    int far;
};

static struct pair pair_open(void)
{
    int fds[2];
    struct pair pair;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(net_packet_open(fds[0], &pair.near), 0);
    pair.far = fds[1];
    return pair;
}

static void pair_close(struct pair *pair)
{
    net_packet_close(pair->near);
    if (pair->far >= 0)
        close(pair->far);
}

static int exchange(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    const struct str parts[] = {STR("head"), STR(""), STR(" and body")};
    char text[32];
    assert_int_equal(net_packet_send(pair.near, parts, 3, -1, TASK_FOREVER), 0);
    assert_int_equal(recv(pair.far, text, sizeof text, 0), 13);
    assert_memory_equal(text, "head and body", 13);
    assert_int_equal(send(pair.far, "one", 3, 0), 3);
    assert_int_equal(send(pair.far, "three", 5, 0), 5);
    assert_int_equal(net_packet_receive(pair.near, text, sizeof text, TASK_FOREVER), 3);
    assert_int_equal(net_packet_receive(pair.near, text, 4, TASK_FOREVER), -EMSGSIZE);
    assert_int_equal(net_packet_receive(pair.near, text, 4, task_in_ms(2)), -ETIMEDOUT);
    close(pair.far);
    pair.far = -1;
    assert_int_equal(net_packet_receive(pair.near, text, 4, TASK_FOREVER), 0);
    assert_int_equal(net_packet_send(pair.near, parts, 1, -1, TASK_FOREVER), -EPIPE);
    pair_close(&pair);
    return 0;
}

static void packets_keep_their_borders(void **state)
{
    (void)state;
    assert_int_equal(test_run(exchange, NULL), 0);
}

static int send_many(void *arg)
{
    struct pair *pair = arg;
    char *bytes = mem_zero(LARGE_BYTES, 1);
    int result = 0;
    for (int i = 0; i < LARGE_COUNT && result == 0; i++)
        result = net_packet_send(pair->near, &(struct str){bytes, LARGE_BYTES}, 1, -1,
                                 TASK_FOREVER);
    free(bytes);
    return result;
}

static int read_slowly(void *arg)
{
    struct pair *pair = arg;
    struct task *sender = task_start("sender", send_many, pair);
    char *bytes = mem_alloc(LARGE_BYTES);
    for (int i = 0; i < LARGE_COUNT; i++) {
        task_sleep(1);
        while (recv(pair->far, bytes, LARGE_BYTES, MSG_DONTWAIT) < 0)
            task_sleep(1);
    }
    free(bytes);
    return task_join(sender);
}

static int fill_the_pipe(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    int result = read_slowly(&pair);
    pair_close(&pair);
    return result;
}

static void a_sender_waits_while_the_peer_is_behind(void **state)
{
    (void)state;
    assert_int_equal(test_run(fill_the_pipe, NULL), 0);
}

static int receive_one(void *arg)
{
    struct pair *pair = arg;
    char byte;
    return (int)net_packet_receive(pair->near, &byte, 1, TASK_FOREVER);
}

static int break_both(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    struct task *sender = task_start("sender", send_many, &pair);
    struct task *receiver = task_start("receiver", receive_one, &pair);
    task_sleep(2);
    net_packet_break(pair.near);
    assert_int_equal(task_join(sender), -EPIPE);
    assert_int_equal(task_join(receiver), -EPIPE);
    pair_close(&pair);
    return 0;
}

static void a_break_ends_all_waits(void **state)
{
    (void)state;
    assert_int_equal(test_run(break_both, NULL), 0);
}

static int break_beside_another(void *arg)
{
    (void)arg;
    char byte;
    struct pair broken = pair_open();
    assert_int_equal(net_packet_receive(broken.near, &byte, 1, task_in_ms(2)), -ETIMEDOUT);
    net_packet_break(broken.near);
    struct pair fresh = pair_open();
    assert_int_equal(net_packet_receive(fresh.near, &byte, 1, task_in_ms(2)), -ETIMEDOUT);
    struct task *receiver = task_start("receiver", receive_one, &fresh);
    task_sleep(2);
    pair_close(&broken);
    assert_int_equal(send(fresh.far, "x", 1, 0), 1);
    task_sleep(100);
    if (task_count() > 1)
        net_packet_break(fresh.near);
    assert_int_equal(task_join(receiver), 1);
    pair_close(&fresh);
    return 0;
}

/* The loop would stop to watch it, had it come to the number of the other one's file descriptor. */
static void a_socket_opened_between_break_and_close_of_another_is_heard(void **state)
{
    (void)state;
    assert_int_equal(test_run(break_beside_another, NULL), 0);
}

static int pass(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(net_packet_send(pair.near, &STR("x"), 1, pipe_fds[1], TASK_FOREVER),
                     0);
    close(pipe_fds[1]);
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    assert_int_equal(recvmsg(pair.far, &message, MSG_CMSG_CLOEXEC), 1);
    int passed = -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head)
        memcpy(&passed, CMSG_DATA(head), sizeof passed);
    assert_int_equal(write(passed, "y", 1), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(passed);
    close(pipe_fds[0]);
    pair_close(&pair);
    return 0;
}

static void a_file_descriptor_travels_beside_a_packet(void **state)
{
    (void)state;
    assert_int_equal(test_run(pass, NULL), 0);
}

static void gather(struct pair *pair, struct str text)
{
    assert_int_equal(net_packet_gather(pair->near, &text, 1, TASK_FOREVER), 0);
}

static void assert_packet(int far, const char *expected)
{
    char text[64];
    assert_int_equal(recv(far, text, sizeof text, MSG_DONTWAIT), strlen(expected));
    assert_memory_equal(text, expected, strlen(expected));
}

static int gather_some(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    char byte;
    gather(&pair, STR("one "));
    gather(&pair, STR("two"));
    assert_int_equal(recv(pair.far, &byte, 1, MSG_DONTWAIT), -1);
    task_sleep(1);
    assert_packet(pair.far, "one two");
    assert_int_equal(recv(pair.far, &byte, 1, MSG_DONTWAIT), -1);

    gather(&pair, STR("before"));
    assert_int_equal(net_packet_send(pair.near, &STR("after"), 1, -1, TASK_FOREVER), 0);
    assert_packet(pair.far, "before");
    assert_packet(pair.far, "after");

    for (int i = 0; i < NET_PACKET_GATHERED_MAX + 1; i++)
        gather(&pair, STR("x"));
    assert_packet(pair.far, "xxxxxxxxxxxxxxxx");
    task_sleep(1);
    assert_packet(pair.far, "x");
    pair_close(&pair);
    return 0;
}

static void what_is_gathered_in_a_turn_is_one_packet(void **state)
{
    (void)state;
    assert_int_equal(test_run(gather_some, NULL), 0);
}

/* Far more than the socket holds, in pieces of which two make a packet too long; each begins with its number. */
static int gather_many(void *arg)
{
    struct pair *pair = arg;
    char *bytes = mem_zero(LARGE_BYTES, 1);
    int result = 0;
    for (int i = 0; i < LARGE_COUNT && result == 0; i++) {
        bytes[0] = (char)i;
        result = net_packet_gather(pair->near, &(struct str){bytes, LARGE_BYTES}, 1,
                                   TASK_FOREVER);
    }
    free(bytes);
    return result;
}

static int gather_behind(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    struct task *sender = task_start("sender", gather_many, &pair);
    char *bytes = mem_alloc(LARGE_BYTES);
    for (int i = 0; i < LARGE_COUNT; i++) {
        ssize_t length;
        while ((length = recv(pair.far, bytes, LARGE_BYTES, MSG_DONTWAIT)) < 0)
            task_sleep(1);
        assert_int_equal(length, LARGE_BYTES);
        assert_int_equal(bytes[0], i);
    }
    free(bytes);
    assert_int_equal(task_join(sender), 0);
    pair_close(&pair);
    return 0;
}

static void what_is_gathered_waits_while_the_peer_is_behind(void **state)
{
    (void)state;
    assert_int_equal(test_run(gather_behind, NULL), 0);
}

static int gather_and_break(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    struct task *sender = task_start("sender", gather_many, &pair);
    task_sleep(2);
    net_packet_break(pair.near);
    assert_int_equal(task_join(sender), -EPIPE);
    assert_int_equal(net_packet_gather(pair.near, &STR("x"), 1, TASK_FOREVER), -EPIPE);
    pair_close(&pair);

    pair = pair_open();
    gather(&pair, STR("never sent"));
    pair_close(&pair);
    return 0;
}

static void a_break_ends_the_wait_to_gather(void **state)
{
    (void)state;
    assert_int_equal(test_run(gather_and_break, NULL), 0);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

static int flood(void *arg)
{
    (void)arg;
    struct pair pair = pair_open();
    char byte = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(send(pair.far, &byte, 1, MSG_DONTWAIT), 1);
    bool had_turn = false;
    struct task *other = task_start("other", set_flag, &had_turn);
    for (int i = 0; i < 100; i++)
        assert_int_equal(net_packet_receive(pair.near, &byte, 1, TASK_FOREVER), 1);
    assert_true(had_turn);
    task_join(other);
    pair_close(&pair);
    return 0;
}

static void a_flood_leaves_others_their_turn(void **state)
{
    (void)state;
    assert_int_equal(test_run(flood, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(packets_keep_their_borders),
        loop_test(a_sender_waits_while_the_peer_is_behind),
        loop_test(a_break_ends_all_waits),
        loop_test(a_socket_opened_between_break_and_close_of_another_is_heard),
        loop_test(a_file_descriptor_travels_beside_a_packet),
        loop_test(what_is_gathered_in_a_turn_is_one_packet),
        loop_test(what_is_gathered_waits_while_the_peer_is_behind),
        loop_test(a_break_ends_the_wait_to_gather),
        loop_test(a_flood_leaves_others_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
