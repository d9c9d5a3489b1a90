/* One pass over the lines that start with "--", beside a stack of the multiparts that are open.
 *
 *   entity   = header body
 *   body     = text | message/rfc822: entity | multipart: *(line "--boundary" entity) "--boundary--"
 *
 * A boundary of an outer multipart ends all inner ones, whether they were closed or not (RFC 2046 section
 * 5.1.2). A multipart without any of its boundary lines is a leaf. */
#include "mime_tree.h"

#include "mail/header.h"
#include "mail/mime_parameters.h"

/* A multipart whose parts come in, or a message in a part, which has no boundary. */
struct open {
    struct mime_part *part;
    struct str boundary; /* empty: none */
};

struct reader {
    struct str raw;
    struct arena *arena;
    struct arena *scratch; /* of one part's header */
    struct open open[MIME_DEPTH_MAX + 1];
    unsigned open_count;
    struct mime_part *leaf; /* whose body comes in; NULL: preamble or epilogue */
    size_t count;
    size_t dashes; /* of the line that next_dashes found last; 0: none yet */
};

/* --- one part's header --- */

static struct str lower_token(struct str s, struct arena *arena)
{
    char *text = arena_text(arena, s);
    for (size_t i = 0; i < s.length; i++)
        text[i] = ascii_lower(text[i]);
    return (struct str){text, s.length};
}

static struct str find_field(const struct header *header, struct str name,
                             struct mime_part *part)
{
    size_t index = 0;
    const struct header_field *field = header_next(header, name, &index);
    if (!field)
        return STR("");
    if (field->value.length > MIME_FIELD_BYTES_MAX) {
        part->problems |= MIME_FIELD_TOO_LONG;
        return STR("");
    }
    return str_trim(field->value);
}

static bool has_slash_inside(struct str type)
{
    ptrdiff_t slash = str_index(type, '/');
    return slash > 0 && (size_t)slash + 1 < type.length;
}

static struct str default_type(const struct mime_part *part)
{
    bool is_in_digest =
        part->parent && str_equal(part->parent->type, STR("multipart/digest"));
    return is_in_digest ? STR("message/rfc822") : STR("text/plain");
}

/* Reads the fields that say what the part is; returns the boundary, in the arena. */
static struct str read_fields(struct reader *reader, const struct header *header,
                              struct mime_part *part)
{
    part->type_field = find_field(header, STR("Content-Type"), part);
    part->disposition_field = find_field(header, STR("Content-Disposition"), part);
    part->content_id = find_field(header, STR("Content-ID"), part);
    struct str encoding = find_field(header, STR("Content-Transfer-Encoding"), part);
    part->encoding = lower_token(str_trim(str_cut(&encoding, ';')), reader->arena);
    struct mime_parameters *type = arena_new_of(reader->scratch, struct mime_parameters);
    mime_parameters_read(part->type_field, reader->scratch, type);
    part->type = has_slash_inside(type->value) ? arena_str(reader->arena, type->value)
                                               : default_type(part);
    return arena_str(reader->arena, str_trim(mime_parameter(type, "boundary")));
}

static bool is_identity(struct str encoding)
{
    return encoding.length == 0 || str_equal(encoding, STR("7bit")) ||
           str_equal(encoding, STR("8bit")) || str_equal(encoding, STR("binary"));
}

/* --- parts --- */

static struct mime_part *add_part(struct reader *reader, struct mime_part *parent)
{
    struct mime_part *part = arena_new_of(reader->arena, struct mime_part);
    reader->count++;
    part->parent = parent;
    if (!parent)
        return part;
    part->depth = parent->depth + 1;
    if (parent->last)
        parent->last->next = part;
    else
        parent->first = part;
    parent->last = part;
    return part;
}

static void push(struct reader *reader, struct mime_part *part, struct str boundary)
{
    reader->open[reader->open_count++] = (struct open){part, boundary};
    reader->leaf = NULL;
}

/* Opens what may hold parts; everything else is a leaf. */
static void open_part(struct reader *reader, struct mime_part *part, struct str boundary,
                      bool *has_message)
{
    bool is_multipart = str_starts(part->type, STR("multipart/"));
    bool is_message =
        str_equal(part->type, STR("message/rfc822")) && is_identity(part->encoding);
    reader->leaf = part;
    if (!is_multipart && !is_message)
        return;
    if (reader->open_count > MIME_DEPTH_MAX - 1)
        part->problems |= MIME_TOO_DEEP;
    else if (is_multipart && boundary.length == 0)
        part->problems |= MIME_NO_BOUNDARY;
    else
        push(reader, part, is_multipart ? boundary : STR(""));
    *has_message = is_message && !reader->leaf;
}

/* The first line at or after `from`, where a line starts, that starts with "--"; the end when there is none. */
static size_t find_dashes(struct str raw, size_t from)
{
    while (from < raw.length && !str_starts(str_from(raw, from), STR("--"))) {
        const char *dash = memchr(raw.at + from, '-', raw.length - from);
        if (!dash)
            return raw.length;
        from = (size_t)(dash - raw.at);
        if (raw.at[from - (from > 0)] == '\n' && str_starts(str_from(raw, from), STR("--")))
            return from;
        const char *newline = memchr(dash, '\n', raw.length - from);
        from = newline ? (size_t)(newline - raw.at) + 1 : raw.length;
    }
    return from;
}

/* The same, for places that never go back: what has been found is kept. */
static size_t next_dashes(struct reader *reader, size_t from)
{
    if (reader->dashes < from || reader->dashes == 0)
        reader->dashes = find_dashes(reader->raw, from);
    return reader->dashes;
}

/* The entity at `at`; returns where its body starts. Within a multipart a line of dashes is no field, even if
 * it has a colon. */
static size_t read_entity(struct reader *reader, struct mime_part *part, size_t at)
{
    bool has_message;
    do {
        struct header header;
        has_message = false;
        size_t end = reader->open_count ? next_dashes(reader, at) : reader->raw.length;
        header_parse(str_part(reader->raw, at, end - at), reader->scratch, &header);
        part->header = str_part(reader->raw, at, header.body_offset);
        at += header.body_offset;
        part->body = str_from(reader->raw, at);
        struct str boundary = read_fields(reader, &header, part);
        arena_reset(reader->scratch);
        open_part(reader, part, boundary, &has_message);
        if (has_message)
            part = add_part(reader, part);
    } while (has_message);
    return at;
}

/* An empty part may begin past its end: behind the line end that belongs to the boundary that follows. */
static void end_body(struct mime_part *part, struct str raw, size_t end)
{
    size_t begin = (size_t)(part->body.at - raw.at);
    part->body = begin < end ? str_part(raw, begin, end - begin) : str_part(raw, end, 0);
    if (part->header.at > part->body.at)
        part->header = part->body;
}

/* The innermost open one ends at `end`. */
static void pop(struct reader *reader, size_t end)
{
    struct mime_part *part = reader->open[--reader->open_count].part;
    if (reader->leaf)
        end_body(reader->leaf, reader->raw, end);
    reader->leaf = NULL;
    end_body(part, reader->raw, end);
}

/* It ends without having been closed. */
static void pop_open(struct reader *reader, size_t end)
{
    const struct open *open = &reader->open[reader->open_count - 1];
    if (open->boundary.length)
        open->part->problems |= open->part->first ? MIME_NOT_CLOSED : MIME_BOUNDARY_ABSENT;
    pop(reader, end);
}

/* --- boundary lines --- */

/* Is `line`, without its "--" and what is blank behind it, the boundary, alone or with "--" behind it? */
static bool is_boundary(struct str line, struct str boundary, bool *is_close)
{
    *is_close = line.length == boundary.length + 2;
    if (boundary.length == 0 || (line.length != boundary.length && !*is_close))
        return false;
    return str_starts(line, boundary) &&
           (!*is_close || str_equal(str_from(line, boundary.length), STR("--")));
}

/* Which open multipart the line belongs to; -1: none. */
static int find_open(const struct reader *reader, struct str line, bool *is_close)
{
    struct str trimmed = str_trim(line);
    if (trimmed.at != line.at)
        return -1;
    for (int i = (int)reader->open_count - 1; i >= 0; i--)
        if (is_boundary(trimmed, reader->open[i].boundary, is_close))
            return i;
    return -1;
}

/* The line end in front of a boundary belongs to it. */
static size_t without_line_end(struct str raw, size_t at)
{
    if (at && raw.at[at - 1] == '\n')
        at--;
    if (at && raw.at[at - 1] == '\r')
        at--;
    return at;
}

/* A boundary line at `at` of the multipart at this level; `next` follows it. Returns where to go on. */
static size_t take_boundary(struct reader *reader, size_t at, size_t next, unsigned level,
                            bool is_close)
{
    size_t end = without_line_end(reader->raw, at);
    while (reader->open_count > level + 1)
        pop_open(reader, end);
    if (reader->leaf)
        end_body(reader->leaf, reader->raw, end);
    reader->leaf = NULL;
    struct mime_part *multipart = reader->open[level].part;
    if (is_close && multipart->first) {
        pop(reader, end);
        return next;
    }
    if (reader->count >= MIME_PARTS_MAX) {
        multipart->problems |= MIME_TOO_MANY_PARTS;
        return reader->raw.length;
    }
    return read_entity(reader, add_part(reader, multipart), next);
}

static void read_lines(struct reader *reader, size_t at)
{
    struct str raw = reader->raw;
    while (reader->open_count && (at = next_dashes(reader, at)) < raw.length) {
        const char *newline = memchr(raw.at + at, '\n', raw.length - at);
        size_t next = newline ? (size_t)(newline - raw.at) + 1 : raw.length;
        bool is_close = false;
        int level = find_open(reader, str_part(raw, at + 2, next - at - 2), &is_close);
        at = level < 0 ? next : take_boundary(reader, at, next, (unsigned)level, is_close);
    }
}

struct mime_part *mime_tree_read(struct str raw, struct arena *arena)
{
    if (!raw.at)
        raw = STR("");
    struct reader reader = {.raw = raw, .arena = arena, .scratch = arena_new()};
    struct mime_part *root = add_part(&reader, NULL);
    read_lines(&reader, read_entity(&reader, root, 0));
    while (reader.open_count)
        pop_open(&reader, raw.length);
    arena_free(reader.scratch);
    return root;
}
