/*     Reverse-path = Path / "<>"
 *     Forward-path = Path / "<Postmaster>"
 *     Path         = "<" [ A-d-l ":" ] Mailbox ">"
 *     A-d-l        = At-domain *( "," At-domain )
 *     At-domain    = "@" Domain
 *
 * A-d-l, the source route, "MUST be accepted, SHOULD NOT be generated, and SHOULD be ignored".
 */
#include "smtp/address.h"

#include <errno.h>

#include "mail/domain.h"

/* Length of the path at the start of `text` with both brackets, 0 if there is none: a quoted local part may
 * hold brackets and, after a backslash, quotes. */
static size_t path_length(struct str text)
{
    bool is_quoted = false;
    if (text.length == 0 || text.at[0] != '<')
        return 0;
    for (size_t i = 1; i < text.length; i++) {
        if (text.at[i] == '"')
            is_quoted = !is_quoted;
        else if (text.at[i] == '\\' && is_quoted)
            i++;
        else if (text.at[i] == '>' && !is_quoted)
            return i + 1;
        else if (text.at[i] == '<' && !is_quoted)
            return 0;
    }
    return 0;
}

/* Cuts "@a.test,@b.test:" off: false when it begins so and is malformed. */
static bool drop_source_route(struct str *path, struct arena *arena)
{
    if (path->length == 0 || path->at[0] != '@')
        return true;
    if (str_index(*path, ':') < 0)
        return false;
    struct str route = str_cut(path, ':');
    if (str_ends_nocase(route, STR(",")))
        return false;
    while (route.length > 0) {
        struct str hop = str_cut(&route, ',');
        struct str normal;
        if (!str_starts(hop, STR("@")) ||
            domain_normalize(str_from(hop, 1), arena, &normal) < 0)
            return false;
    }
    return true;
}

static int parse_inside(struct str inside, enum smtp_path_kind kind, struct arena *arena,
                        struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){0};
    if (inside.length == 0 && kind == SMTP_REVERSE_PATH) {
        mailbox->is_null = true;
        return 0;
    }
    if (kind == SMTP_FORWARD_PATH && str_equal_nocase(inside, STR("postmaster"))) {
        mailbox->text = mailbox->local = arena_str(arena, inside);
        return 0;
    }
    if (!drop_source_route(&inside, arena))
        return -EINVAL;
    return mailbox_parse(inside, arena, mailbox);
}

int smtp_path_parse(struct str *rest, enum smtp_path_kind kind, struct arena *arena,
                    struct mailbox *mailbox)
{
    size_t length = path_length(*rest);
    if (length == 0)
        return -EINVAL;
    bool is_followed_by_blank = length == rest->length || rest->at[length] == ' ';
    struct str inside = str_part(*rest, 1, length - 2);
    if (!is_followed_by_blank || parse_inside(inside, kind, arena, mailbox) < 0)
        return -EINVAL;
    *rest = str_from(*rest, length);
    return 0;
}
