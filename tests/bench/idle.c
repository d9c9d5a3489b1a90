/* postern-bench idle: opens sessions, says EHLO in each, reports "idle N", and holds them until its stdin
 * ends, so that the memory of the server can be read meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#include "base/mem.h"

static void expect(int fd, int wanted)
{
    char bytes[4096];
    size_t length = 0;
    int code = 0;
    while (bench_reply(bytes, length, &code) == 0) {
        ssize_t got = recv(fd, bytes + length, sizeof bytes - length, 0);
        if (got <= 0)
            bench_die("the server closed the connection");
        length += (size_t)got;
    }
    errno = 0;
    if (code != wanted)
        bench_die("the server said %.*s", (int)length, bytes);
}

static int open_session(const struct sockaddr_in *server)
{
    static const char ehlo[] = "EHLO idle.bench.test\r\n";
    int fd = bench_connect(server);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    expect(fd, 220);
    if (send(fd, ehlo, sizeof ehlo - 1, MSG_NOSIGNAL) < 0)
        bench_die("send");
    expect(fd, 250);
    return fd;
}

int bench_idle(int argc, char **argv)
{
    static const struct option options[] = {{"server", required_argument, NULL, 's'},
                                            {"sessions", required_argument, NULL, 'n'},
                                            {0}};
    struct sockaddr_in server = {0};
    size_t sessions = 1000;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 's':
            server = bench_address(optarg);
            break;
        case 'n':
            sessions = bench_number("sessions", optarg, 1);
            break;
        default:
            return 2;
        }
    if (!server.sin_port)
        bench_die("--server is missing");

    bench_raise_descriptor_limit();
    int *sockets = mem_alloc(sessions * sizeof *sockets);
    for (size_t i = 0; i < sessions; i++)
        sockets[i] = open_session(&server);
    printf("idle %zu\n", sessions);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    for (size_t i = 0; i < sessions; i++)
        close(sockets[i]);
    free(sockets);
    return 0;
}
