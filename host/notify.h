/* What the service manager is told: sd_notify(3), by NOTIFY_SOCKET and WATCHDOG_USEC. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int socket; /* -1: nobody wants to know */
    struct sockaddr_un manager;
    socklen_t manager_length;
    uint64_t watchdog_ms; /* the manager wants WATCHDOG=1 at least so often; 0: not */
};

/* Reads the variables and removes them from the environment: they are not for the children. */
void notify_open(struct notify *notify);
/* One datagram of assignments, a line each; never waits. */
void notify_say(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void notify_close(struct notify *notify);
