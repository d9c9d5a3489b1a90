#include "references.h"

#define ID_BYTES_MAX         250
#define REFERENCES_BYTES_MAX 7500 /* of a field's value, which header_append limits */

bool message_id_is_valid(struct str id)
{
    if (id.length < 3 || id.length > ID_BYTES_MAX || id.at[0] != '<' ||
        id.at[id.length - 1] != '>')
        return false;
    for (size_t i = 1; i < id.length - 1; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~' || id.at[i] == '<' || id.at[i] == '>')
            return false;
    return true;
}

/* Cuts the next "<…>" off `rest`: false at the end. */
static bool next_id(struct str *rest, struct str *id)
{
    ptrdiff_t start = str_index(*rest, '<');
    if (start < 0)
        return false;
    *rest = str_from(*rest, (size_t)start);
    ptrdiff_t end = str_index(*rest, '>');
    size_t bytes = end < 0 ? rest->length : (size_t)end + 1;
    *id = str_part(*rest, 0, bytes);
    *rest = str_from(*rest, bytes);
    return true;
}

size_t references_count(const struct header *header)
{
    size_t count = 0, index = 0;
    const struct header_field *field;
    while ((field = header_next(header, STR("References"), &index))) {
        struct str rest = field->value, id;
        while (next_id(&rest, &id))
            count++;
    }
    return count;
}

/* The valid identifiers of a thread, oldest first, in an array that has room for them. */
static size_t collect_ids(const struct header *header, struct arena *arena,
                          struct str ids[])
{
    size_t count = 0, index = 0;
    const struct header_field *field;
    while ((field = header_next(header, STR("References"), &index))) {
        struct str rest = field->value, id;
        while (next_id(&rest, &id))
            if (message_id_is_valid(id))
                ids[count++] = id;
    }
    struct str own = header_value(header, STR("Message-ID"), arena);
    if (message_id_is_valid(own))
        ids[count++] = own;
    return count;
}

/* The index of the oldest one that still fits when the first and all after it are kept. */
static size_t oldest_kept(const struct str ids[], size_t count)
{
    size_t bytes = ids[0].length, from = count;
    while (from > 1 && count - from + 1 < REFERENCES_MAX &&
           bytes + 1 + ids[from - 1].length <= REFERENCES_BYTES_MAX)
        bytes += 1 + ids[--from].length;
    return from;
}

struct str references_of_answer(const struct header *header, struct arena *arena)
{
    struct str *ids = arena_array(arena, struct str, references_count(header) + 1);
    size_t count = collect_ids(header, arena, ids);
    if (count == 0)
        return STR("");
    struct str first = ids[0];
    char *text = arena_alloc(arena, REFERENCES_BYTES_MAX + 1);
    memcpy(text, first.at, first.length);
    size_t length = first.length;
    for (size_t i = oldest_kept(ids, count); i < count; i++) {
        text[length++] = ' ';
        memcpy(text + length, ids[i].at, ids[i].length);
        length += ids[i].length;
    }
    return (struct str){text, length};
}
