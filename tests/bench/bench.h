/* What the subcommands of postern-bench share. Those that are beside postern run on epoll directly, one thread each,
 * because what they cost is the yardstick that it is measured with (tests/bench/run.py). */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* The subcommands: exit codes of the process. */
int bench_load(int argc, char **argv);
int bench_sink(int argc, char **argv);
int bench_idle(int argc, char **argv);
int bench_store(int argc, char **argv);

/* Says what is wrong on stderr, with errno's words when it is not 0, and exits with 2. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "127.0.0.1:2525": IPv4 only. Exits when it is none. */
struct sockaddr_in bench_address(const char *text);
/* A decimal number from `least` to 10^9. Exits when it is none. */
size_t bench_number(const char *name, const char *text, size_t least);

uint64_t bench_now_ns(void);
/* User and system time of this process. */
double bench_cpu_seconds(void);
/* As many descriptors as the hard limit allows. */
void bench_raise_descriptor_limit(void);

/* A non-blocking TCP connection under way to `server`, without Nagle's algorithm. Exits on failure. */
int bench_connect(const struct sockaddr_in *server);

/* The length of the first complete SMTP reply in `bytes` with its code: 0 when more bytes are needed.
 * Exits when it is no reply. */
size_t bench_reply(const char *bytes, size_t length, int *code);
