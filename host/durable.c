#include "durable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/task.h"
#include "store/kept.h"

#define PURGE_MS     (3600ULL * 1000)
#define BOUNCES_KEYS 10000

struct durable {
    struct router *router;
    struct task *purger;
    struct task_signal purge_now;
    uint32_t bounces_per_minute; /* of router->bounces */
};

static void report(void *arg, struct str what, struct str detail)
{
    (void)arg;
    EVENT(NULL, STATUS_QUEUE_TROUBLED, FIELD("what", what), FIELD("detail", detail));
}

static uint64_t before(uint64_t keep_ms)
{
    uint64_t now_ms = unix_now_ms();
    return now_ms > keep_ms ? now_ms - keep_ms : 0;
}

/* A kept message goes with its row at the latest; all of them where none are to be kept any more. */
static int purge_kept(const struct router *router)
{
    const struct config *config = router->config;
    uint64_t keep_ms = config->keep.for_ms < config->activity_ms ? config->keep.for_ms
                                                                 : config->activity_ms;
    return store_kept_purge(router->store, keep_ms ? before(keep_ms) : UINT64_MAX);
}

static void tell_purged(struct str what, int result)
{
    if (result < 0)
        report(NULL, what, str_of(strerror(-result)));
}

/* What is old enough to go; looked at after each change of the configuration too. */
static int purge(void *arg)
{
    struct durable *durable = arg;
    for (;;) {
        const struct router *router = durable->router;
        task_stage("removing old rows of the activity log");
        tell_purged(
            STR("old rows of the activity log stay"),
            store_activity_purge(router->store, before(router->config->activity_ms)));
        tell_purged(STR("old messages stay"), purge_kept(router));
        task_stage("waiting for the activity log to grow old");
        if (task_signal_wait(&durable->purge_now, task_in_ms(PURGE_MS)) == -ECANCELED)
            return 0;
    }
}

static struct notice_options notices_of(const struct config *config)
{
    return (struct notice_options){.host_name = config->host_name, .keys = config->keys};
}

/* Unlike any other host's, also of one that had this process id before. */
static struct str owner_name(const struct config *config, struct arena *arena)
{
    return str_of(
        arena_printf(arena, "%s %.*s", config->host_name, STR_ARG(message_new_id(arena))));
}

static const char *secret_path(const struct config *config, struct arena *arena)
{
    return arena_printf(arena, "%s/secret", config->state_directory);
}

static const char *store_directory(const struct config *config, struct arena *arena)
{
    return arena_printf(arena, "%s/store", config->state_directory);
}

static struct space *open_space(const char *directory, const struct config *config)
{
    return space_open(directory, config->store_space_bytes, config->store_inodes);
}

/* Long before mail is refused for want of room. */
static struct space *open_keep_space(const char *directory, const struct config *config)
{
    return space_open(directory, 2 * config->store_space_bytes,
                      2 * (uint64_t)config->store_inodes);
}

int durable_open(struct router *router, struct err *err)
{
    const struct config *config = router->config;
    struct arena *arena = arena_new();
    struct store_options options = {
        .directory = store_directory(config, arena),
        .body_inline_bytes = DURABLE_BODY_INLINE_BYTES,
        .report = report,
    };
    int result = -EIO;
    router->secret = secret_open(secret_path(config, arena), err);
    router->store = router->secret ? store_open(&options, err) : NULL;
    if (router->store) {
        struct queue_observer observer = route_queue_observer(router);
        struct notice_options notices = notices_of(config);
        router->space = open_space(options.directory, config);
        router->keep_space = open_keep_space(options.directory, config);
        router->bounces =
            rate_new(config->bounces_per_minute, config->bounces_per_minute, BOUNCES_KEYS);
        router->queue = queue_open(&config->queue, &notices, &observer, router->store,
                                   router->delivery, owner_name(config, arena));
        router->durable = mem_zero(1, sizeof *router->durable);
        router->durable->router = router;
        router->durable->bounces_per_minute = config->bounces_per_minute;
        router->durable->purger = task_start("purge", purge, router->durable);
        result = 0;
    }
    arena_free(arena);
    return result < 0 && err->code ? err->code : result;
}

/* --- a new configuration --- */

/* What is read again, on the thread pool. */
struct renewal {
    const struct config *config;
    const char *secret_path, *store_directory;
    struct secret *secret;
    struct space *space, *keep_space;
    struct err err;
};

static void renew_on_thread(void *arg)
{
    struct renewal *renewal = arg;
    renewal->secret = secret_open(renewal->secret_path, &renewal->err);
    renewal->space = open_space(renewal->store_directory, renewal->config);
    renewal->keep_space = open_keep_space(renewal->store_directory, renewal->config);
}

/* An administrator may have put a new secret in front (`postern srs rotate`), and other limits into host.yaml. */
static void renew(struct router *router)
{
    struct arena *arena = arena_new();
    struct renewal renewal = {.config = router->config,
                              .secret_path = secret_path(router->config, arena),
                              .store_directory = store_directory(router->config, arena)};
    task_work(renew_on_thread, &renewal);
    if (renewal.secret) {
        secret_free(router->secret);
        router->secret = renewal.secret;
    } else {
        report(NULL, STR("the secrets stay as they were"), str_of(renewal.err.text));
    }
    space_free(router->space);
    space_free(router->keep_space);
    router->space = renewal.space;
    router->keep_space = renewal.keep_space;
    arena_free(arena);
}

/* Buckets begin anew only when the limit is another one. */
static void renew_bounces(struct router *router)
{
    uint32_t per_minute = router->config->bounces_per_minute;
    if (per_minute == router->durable->bounces_per_minute)
        return;
    rate_free(router->bounces);
    router->bounces = rate_new(per_minute, per_minute, BOUNCES_KEYS);
    router->durable->bounces_per_minute = per_minute;
}

void durable_reconfigure(struct router *router)
{
    struct notice_options notices = notices_of(router->config);
    renew(router);
    renew_bounces(router);
    task_signal_raise(&router->durable->purge_now);
    queue_reconfigure(router->queue, &router->config->queue, &notices);
}

void durable_close(struct router *router, uint64_t deadline_ms)
{
    if (router->durable) {
        task_cancel(router->durable->purger);
        task_join(router->durable->purger);
        free(router->durable);
    }
    if (router->queue)
        queue_close(router->queue, deadline_ms);
    if (router->store)
        store_close(router->store);
    rate_free(router->bounces);
    space_free(router->space);
    space_free(router->keep_space);
    secret_free(router->secret);
}
