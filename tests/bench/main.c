/* postern-bench: subcommands, and the few things they share. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#include "base/str.h"

static const char usage[] =
    "usage: postern-bench load --server IP:PORT [--sessions N] [--messages N]\n"
    "                          [--per-connection N] [--bytes N | --corpus DIRECTORY]\n"
    "                          [--from ADDRESS] [--to ADDRESS] [--recipients N]\n"
    "       postern-bench sink [--listen IP:PORT] [--delay-ms N]     until SIGTERM\n"
    "       postern-bench idle --server IP:PORT [--sessions N]       until stdin ends\n"
    "       postern-bench store --directory DIRECTORY [--messages N] [--bytes N]\n"
    "                           [--tasks N] [--rounds N]\n";

void bench_die(const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    fputs("postern-bench: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
    exit(2);
}

struct sockaddr_in bench_address(const char *text)
{
    errno = 0;
    struct str port_text = str_of(text);
    struct str ip_text = str_cut(&port_text, ':');
    char ip[INET_ADDRSTRLEN] = "";
    if (ip_text.length < sizeof ip)
        memcpy(ip, ip_text.at, ip_text.length);
    unsigned long long port = 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, ip, &address.sin_addr) != 1 ||
        !str_to_number(port_text, &port) || port > UINT16_MAX)
        bench_die("%s is not IP:PORT", text);
    address.sin_port = htons((uint16_t)port);
    return address;
}

size_t bench_number(const char *name, const char *text, size_t least)
{
    unsigned long long number = 0;
    errno = 0;
    if (!str_to_number(str_of(text), &number) || number < least || number > 1000000000)
        bench_die("--%s takes a number from %zu, not %s", name, least, text);
    return (size_t)number;
}

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

double bench_cpu_seconds(void)
{
    struct rusage usage_now;
    getrusage(RUSAGE_SELF, &usage_now);
    return seconds(usage_now.ru_utime) + seconds(usage_now.ru_stime);
}

void bench_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int bench_connect(const struct sockaddr_in *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_die("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)server, sizeof *server) < 0 &&
        errno != EINPROGRESS)
        bench_die("connect");
    return fd;
}

size_t bench_reply(const char *bytes, size_t length, int *code)
{
    size_t at = 0;
    for (;;) {
        const char *end = memchr(bytes + at, '\n', length - at);
        if (!end)
            return 0;
        const char *line = bytes + at;
        size_t line_length = (size_t)(end - line) + 1;
        unsigned long long number = 0;
        errno = 0;
        if (line_length < 5 || !str_to_number((struct str){line, 3}, &number) ||
            number < 200 || number > 599)
            bench_die("no SMTP reply: %.*s", (int)line_length - 1, line);
        at += line_length;
        if (line[3] != '-') {
            *code = (int)number;
            return at;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"load", bench_load},
                    {"sink", bench_sink},
                    {"idle", bench_idle},
                    {"store", bench_store}};

    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fputs(usage, stderr);
    return 2;
}
