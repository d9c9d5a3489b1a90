#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define NOTICE_BYTES_MAX 512

/* WATCHDOG_PID names the process that is meant; without it, it is this one. */
static uint64_t read_watchdog_ms(void)
{
    const char *microseconds = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long number = 0;
    if (pid && (!str_to_number(str_of(pid), &number) || number != (uint64_t)getpid()))
        return 0;
    if (!microseconds || !str_to_number(str_of(microseconds), &number))
        return 0;
    return number / 1000;
}

/* "/run/x", or "@x" in the abstract name space, whose names begin with a NUL. */
static void find_manager(struct notify *notify, const char *name)
{
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 ||
        length >= sizeof notify->manager.sun_path)
        return;
    notify->manager.sun_family = AF_UNIX;
    memcpy(notify->manager.sun_path, name, length);
    if (name[0] == '@')
        notify->manager.sun_path[0] = '\0';
    notify->manager_length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
    notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void notify_open(struct notify *notify)
{
    *notify = (struct notify){.socket = -1};
    const char *name = getenv("NOTIFY_SOCKET");
    if (name)
        find_manager(notify, name);
    if (notify->socket >= 0)
        notify->watchdog_ms = read_watchdog_ms();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_say(const struct notify *notify, const char *format, ...)
{
    if (notify->socket < 0)
        return;
    char notice[NOTICE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(notice, sizeof notice, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof notice)
        sendto(notify->socket, notice, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&notify->manager, notify->manager_length);
}

void notify_close(struct notify *notify)
{
    if (notify->socket >= 0)
        close(notify->socket);
    notify->socket = -1;
}
