#include "kept_version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_internal.h"
#include "rollout.h"

#include "base/table.h"
#include "worker/wire.h"

/* {for, source, modules: {name, source …}}: the new script's hash, and the version before it. */
#define FILE_BYTES_MAX WIRE_FRAME_BYTES_MAX

const char *kept_version_path(const struct config *config, struct str worker,
                              struct arena *arena)
{
    return arena_printf(arena, "%s/%.*s.before", config->state_directory, STR_ARG(worker));
}

/* --- writing --- */

static int encode(const struct config_worker *worker, struct buf *out)
{
    const struct worker_options *before = &rollout_before(worker->rollout)->options;
    int failed = value_begin_table(out);
    failed |= value_put_string(out, "for", str_of(worker->script_hash));
    failed |= value_put_string(out, "source", before->source);
    failed |= value_put_table(out, "modules");
    for (size_t i = 0; i < before->module_count; i++) {
        failed |= value_write_string(out, before->modules[i].name);
        failed |= value_write_string(out, before->modules[i].source);
    }
    failed |= value_end_table(out);
    return failed | value_end_table(out);
}

static bool write_file(const char *path, struct str content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool is_written = write(fd, content.at, content.length) == (ssize_t)content.length;
    return close(fd) == 0 && is_written;
}

/* All hosts write the same, each through a file of its own. */
static void keep(const struct config_worker *worker, const char *path, struct arena *arena)
{
    struct buf content;
    buf_init(&content, FILE_BYTES_MAX);
    const char *fresh = arena_printf(arena, "%s.%ld", path, (long)getpid());
    if (encode(worker, &content) != 0 || !write_file(fresh, buf_view(&content)) ||
        rename(fresh, path) < 0)
        unlink(fresh);
    buf_free(&content);
}

void kept_versions_update(const struct config *config)
{
    struct arena *arena = arena_new();
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        const char *path = kept_version_path(config, name, arena);
        if (!worker->rollout)
            unlink(path);
        else if (worker->is_new)
            keep(worker, path, arena);
    }
    arena_free(arena);
}

/* --- reading --- */

static struct str read_file(const char *path, struct arena *arena)
{
    struct stat facts;
    struct str content = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return content;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0 &&
        (size_t)facts.st_size <= FILE_BYTES_MAX) {
        char *bytes = arena_alloc(arena, (size_t)facts.st_size);
        if (read(fd, bytes, (size_t)facts.st_size) == facts.st_size)
            content = (struct str){bytes, (size_t)facts.st_size};
    }
    close(fd);
    return content;
}

static void take_modules(struct worker_options *options, const struct value *modules,
                         struct arena *arena)
{
    size_t count = modules && modules->kind == VALUE_TABLE ? modules->count : 0;
    options->modules = arena_array(arena, struct worker_module, count);
    options->module_count = count;
    for (size_t i = 0; i < count; i++)
        options->modules[i] =
            (struct worker_module){modules->keys[i].string, modules->items[i].string};
}

struct config_worker *kept_version_read(const struct config_worker *worker)
{
    struct arena *arena = worker->home->arena;
    struct str content =
        read_file(kept_version_path(worker->home, worker->options.name, arena), arena);
    const struct value *kept = content.length ? value_decode(content, arena) : NULL;
    if (!kept ||
        !str_equal(value_get_string(kept, "for", STR("")), str_of(worker->script_hash)))
        return NULL;
    struct config_worker *before = arena_new_of(arena, struct config_worker);
    *before = *worker;
    before->worker = NULL;
    before->options.source = value_get_string(kept, "source", STR(""));
    take_modules(&before->options, value_get(kept, "modules"), arena);
    config_set_version(before);
    return before;
}
