/* inotify, on the loop by uv_poll. What the events say is not looked at, except that a watched directory
 * has gone: then its path is tried again now and then, since another directory may stand there soon (a
 * deployment that renames whole directories). */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "mem.h"
#include "task.h"

#define QUIET_MS 100
#define BURST_MS 1000
#define RETRY_MS 1000
#define CHANGES  (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define IS_GONE  (IN_DELETE_SELF | IN_MOVE_SELF)
#define NO_WATCH (-1)

struct watched {
    struct watched *next;
    int descriptor; /* NO_WATCH while no directory stands at the path */
    char path[];
};

struct watch {
    uv_poll_t poll;
    int inotify;
    struct watched *directories;
    bool has_changed;
    struct task_wait *waiter;
};

/* --- events --- */

static void see_event(struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_IGNORED)
        return; /* the answer to our own inotify_rm_watch, or follows IN_DELETE_SELF */
    watch->has_changed = true;
    if (!(event->mask & IS_GONE))
        return;
    for (struct watched *at = watch->directories; at; at = at->next) {
        if (at->descriptor != event->wd)
            continue;
        at->descriptor = NO_WATCH;
        inotify_rm_watch(watch->inotify, event->wd);
    }
}

static void read_events(struct watch *watch)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t length;
    while ((length = read(watch->inotify, bytes, sizeof bytes)) > 0) {
        for (char *at = bytes; at < bytes + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            see_event(watch, event);
            at += sizeof *event + event->len;
        }
    }
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    (void)status;
    (void)events;
    read_events(watch);
    struct task_wait *waiter = watch->waiter;
    watch->waiter = NULL;
    if (waiter)
        task_wake(waiter, 0);
}

/* --- waiting --- */

static int watch_path(const struct watch *watch, const char *path)
{
    return inotify_add_watch(watch->inotify, path, CHANGES | IS_GONE | IN_ONLYDIR);
}

/* Takes up the directories that stand at their paths by now; true while some do not. */
static bool take_up_again(struct watch *watch)
{
    bool are_gone = false;
    for (struct watched *at = watch->directories; at; at = at->next) {
        if (at->descriptor != NO_WATCH)
            continue;
        at->descriptor = watch_path(watch, at->path);
        if (at->descriptor == NO_WATCH)
            are_gone = true;
        else
            watch->has_changed = true;
    }
    return are_gone;
}

/* Waits for the next events, whatever they are. */
static int wait_for_events(struct watch *watch, uint64_t deadline_ms)
{
    struct task_wait wait;
    task_wait_init(&wait);
    invariant(watch->waiter == NULL, "watch: two tasks wait");
    watch->waiter = &wait;
    int result = task_wait(&wait, deadline_ms);
    if (!wait.done)
        watch->waiter = NULL;
    return result;
}

static int wait_for_change(struct watch *watch, uint64_t deadline_ms)
{
    for (;;) {
        bool are_gone = take_up_again(watch);
        if (watch->has_changed)
            return 0;
        uint64_t retry_ms = are_gone ? task_in_ms(RETRY_MS) : TASK_FOREVER;
        bool is_retry = retry_ms < deadline_ms;
        int result = wait_for_events(watch, is_retry ? retry_ms : deadline_ms);
        if (result < 0 && !(result == -ETIMEDOUT && is_retry && task_now_ms() >= retry_ms))
            return result;
    }
}

int watch_wait(struct watch *watch, uint64_t deadline_ms)
{
    int result = wait_for_change(watch, deadline_ms);
    uint64_t burst_ends_ms = task_in_ms(BURST_MS);
    while (result == 0) {
        uint64_t quiet_ms = task_in_ms(QUIET_MS);
        result =
            wait_for_events(watch, quiet_ms < burst_ends_ms ? quiet_ms : burst_ends_ms);
    }
    if (result != -ETIMEDOUT || !watch->has_changed)
        return result;
    watch->has_changed = false;
    return 0;
}

/* --- opening and closing --- */

int watch_add(struct watch *watch, const char *directory)
{
    for (const struct watched *at = watch->directories; at; at = at->next)
        if (strcmp(at->path, directory) == 0)
            return 0;
    size_t bytes = strlen(directory) + 1;
    struct watched *added = mem_alloc(sizeof *added + bytes);
    memcpy(added->path, directory, bytes);
    added->descriptor = watch_path(watch, directory);
    added->next = watch->directories;
    watch->directories = added;
    return added->descriptor == NO_WATCH ? -errno : 0;
}

struct watch *watch_open(struct err *err)
{
    int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify < 0) {
        err_set(err, -errno, "cannot watch directories: %s", strerror(errno));
        return NULL;
    }
    struct watch *watch = mem_zero(1, sizeof *watch);
    watch->inotify = inotify;
    watch->poll.data = watch;
    int result = uv_poll_init(task_loop(), &watch->poll, inotify);
    invariant(result == 0, "watch: inotify cannot be polled");
    uv_poll_start(&watch->poll, UV_READABLE, on_events);
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    for (struct watched *at = watch->directories, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    free(watch);
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    struct task_wait *waiter = watch->waiter;
    watch->waiter = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    close(watch->inotify);
    if (waiter)
        task_wake(waiter, -ECANCELED);
}
