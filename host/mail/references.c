#include "references.h"

#define ID_BYTES_MAX 250

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

bool references_next(struct str *rest, struct str *id)
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
        while (references_next(&rest, &id))
            count++;
    }
    return count;
}
