/* What was to be sent for a recipient (forward(), reply(), env.EMAIL:send(), a rule's destinations), as the activity log
 * keeps it and `postern replay` compares it: what was asked for, whatever a next hop said to it. */
#include "binding.h"
#include "route.h"

#include "mail/utf8.h"
#include "status/trail_json.h"

/* No more than the store keeps; of one detail. */
#define ACTIONS_BYTES_MAX ((size_t)8 * 1024)
#define DETAIL_BYTES_MAX  ((size_t)200)

struct action {
    struct list node; /* in its passage */
    const struct outcome *outcome;
    const char *what;
    struct str to, detail;
};

void route_note_action(struct passage *passage, const struct outcome *outcome,
                       const char *what, struct str to, struct str detail)
{
    struct arena *arena = passage->message->arena;
    struct action *action = arena_new_of(arena, struct action);
    action->outcome = outcome;
    action->what = what;
    action->to = arena_str(arena, to);
    action->detail = arena_str(arena, detail);
    list_append(&passage->actions, &action->node);
}

static void write_action(struct buf *out, const struct action *action,
                         const struct config_worker *worker, struct arena *arena)
{
    struct str detail = binding_hide_secrets(worker, action->detail, arena);
    buf_append(out, STR("{\"do\":\""));
    buf_append(out, str_of(action->what));
    buf_append(out, STR("\",\"to\":"));
    trail_json_text(out, binding_hide_secrets(worker, action->to, arena));
    if (detail.length) {
        buf_append(out, STR(",\"detail\":"));
        trail_json_text(out, utf8_cut(detail, DETAIL_BYTES_MAX));
    }
    buf_append(out, STR("}"));
}

struct str route_actions_json(const struct passage *passage, const struct outcome *outcome)
{
    struct arena *arena = passage->message->arena;
    struct buf out, one;
    if (list_empty(&passage->actions))
        return STR("[]");
    buf_init(&out, ACTIONS_BYTES_MAX);
    buf_init(&one, ACTIONS_BYTES_MAX);
    buf_append(&out, STR("["));
    list_foreach (node, (struct list *)&passage->actions) {
        const struct action *action = list_entry(node, struct action, node);
        if (action->outcome != outcome)
            continue;
        buf_clear(&one);
        if (out.length > 1)
            buf_append(&one, STR(","));
        write_action(&one, action, outcome->decider, arena);
        if (out.length + one.length + 1 > ACTIONS_BYTES_MAX)
            break;
        buf_append(&out, buf_view(&one));
    }
    buf_append(&out, STR("]"));
    struct str text = arena_str(arena, buf_view(&out));
    buf_free(&out);
    buf_free(&one);
    return text;
}
