#include "answer.h"

#include "mail/references.h"
#include "mail/utf8.h"

#define IDS_MAX              (REFERENCES_MAX + 1)
#define REFERENCES_BYTES_MAX 7500 /* under what header_append takes */
#define SUBJECT_BYTES_MAX    800 /* so that compose_reply leaves encoded words as they are */

/* Adds the valid identifiers of the fields of this name to the `count` in `ids`. */
static size_t collect_ids(const struct header *original, const char *name,
                          struct str ids[IDS_MAX], size_t count)
{
    size_t index = 0;
    const struct header_field *field;
    while ((field = header_next(original, str_of(name), &index))) {
        struct str rest = field->value, id;
        while (count < IDS_MAX && references_next(&rest, &id))
            if (message_id_is_valid(id))
                ids[count++] = id;
    }
    return count;
}

/* The index of the oldest one that fits when the first and all from there on are kept. */
static size_t oldest_kept(const struct str ids[IDS_MAX], size_t count)
{
    size_t bytes = ids[0].length, from = count;
    while (from > 1 && count - from + 1 < REFERENCES_MAX &&
           bytes + 1 + ids[from - 1].length <= REFERENCES_BYTES_MAX)
        bytes += 1 + ids[--from].length;
    return from;
}

struct str answer_references(const struct header *original, struct arena *arena)
{
    struct str ids[IDS_MAX];
    size_t count = collect_ids(original, "References", ids, 0);
    if (count == 0 && (count = collect_ids(original, "In-Reply-To", ids, 0)) > 1)
        count = 0;
    count = collect_ids(original, "Message-ID", ids, count);
    if (count == 0)
        return STR("");
    char *text = arena_alloc(arena, REFERENCES_BYTES_MAX + 1);
    size_t length = ids[0].length;
    memcpy(text, ids[0].at, length);
    for (size_t i = oldest_kept(ids, count); i < count; i++) {
        text[length++] = ' ';
        memcpy(text + length, ids[i].at, ids[i].length);
        length += ids[i].length;
    }
    return (struct str){text, length};
}

struct str answer_subject(const struct header *original, struct arena *arena)
{
    struct str subject = header_value(original, STR("Subject"), arena);
    char *text = arena_alloc(arena, SUBJECT_BYTES_MAX + 1);
    size_t length = 0;
    if (!str_starts_nocase(subject, STR("Re:"))) {
        memcpy(text, "Re: ", 4);
        length = 4;
    }
    while (subject.length) {
        size_t bytes = utf8_character_bytes(subject);
        bool is_bad = bytes == 0 || subject.at[0] == '\0';
        bytes = is_bad ? 1 : bytes;
        if (length + bytes > SUBJECT_BYTES_MAX)
            break;
        memcpy(text + length, is_bad ? "?" : subject.at, bytes);
        length += bytes;
        subject = str_from(subject, bytes);
    }
    return (struct str){text, length};
}
