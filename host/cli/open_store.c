#include "cli/open_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "durable.h"

static void report(void *arg, struct str what, struct str detail)
{
    fprintf(stderr, "%s: %.*s: %.*s\n", (const char *)arg, STR_ARG(what), STR_ARG(detail));
}

struct store *cli_open_store(const char *command, const char *directory,
                             struct arena *arena, struct err *err)
{
    const struct store_options options = {
        .directory =
            arena_printf(arena, "%s/store", config_state_directory(directory, arena)),
        .body_inline_bytes = DURABLE_BODY_INLINE_BYTES,
        .report = report,
        .report_arg = (void *)(uintptr_t)command,
    };
    if (access(options.directory, F_OK) == 0)
        return store_open(&options, err);
    err_set(err, -errno, "%s: %s", options.directory, strerror(errno));
    return NULL;
}
