/* The activity log's actions (route_actions.c) for people. */
#include <jansson.h>

#include "base/buf.h"
#include "cli/log.h"

/* Of eight KiB of JSON. */
#define TEXT_BYTES_MAX ((size_t)32 * 1024)

static void write_action(struct buf *out, json_t *action)
{
    const char *what = "?", *to = "?", *detail = NULL;
    json_unpack(action, "{s?s, s?s, s?s}", "do", &what, "to", &to, "detail", &detail);
    buf_printf(out, "%s%s to %s", out->length ? ", " : "", what, to);
    if (detail)
        buf_printf(out, " (%s)", detail);
}

struct str log_actions(struct str actions, struct arena *arena)
{
    json_t *list = json_loadb(actions.at, actions.length, 0, NULL), *action;
    struct buf out;
    size_t i;
    buf_init(&out, TEXT_BYTES_MAX);
    json_array_foreach(list, i, action)
    {
        write_action(&out, action);
    }
    struct str text = arena_str(arena, buf_view(&out));
    buf_free(&out);
    json_decref(list);
    return text;
}
