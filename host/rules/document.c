/* libyaml's events become nodes by recursive descent, at most DOCUMENT_DEPTH_MAX deep. A problem of syntax
 * ends the reading at once (`is_stopped`); what is well formed but refused (an alias, a tag) makes the
 * tree unusable (`is_refused`), and reading goes on to find the others. */
#include "rules/document.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/table.h"

struct reader {
    yaml_parser_t yaml;
    struct str text;
    struct str file;
    struct arena *arena;
    struct problem_list *problems;
    struct node **pending; /* items of the collections not yet closed */
    size_t pending_count, pending_capacity;
    size_t node_count;
    bool is_stopped, is_refused;
};

static void problem_at(struct reader *reader, yaml_mark_t mark, const char *text)
{
    problem_add(reader->problems, reader->file, (unsigned)mark.line + 1,
                (unsigned)mark.column + 1, "%s", text);
}

static void stop(struct reader *reader, yaml_mark_t mark, const char *text)
{
    problem_at(reader, mark, text);
    reader->is_stopped = true;
}

static void refuse(struct reader *reader, yaml_mark_t mark, const char *text)
{
    problem_at(reader, mark, text);
    reader->is_refused = true;
}

/* --- errors of libyaml --- */

/* The reader's errors come with an offset of bytes only. */
static yaml_mark_t mark_of_offset(struct str text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < text.length; i++) {
        if (text.at[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)text.at[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static void stop_at_bad_bytes(struct reader *reader)
{
    yaml_mark_t mark = mark_of_offset(reader->text, reader->yaml.problem_offset);
    bool is_control = strstr(reader->yaml.problem, "control");
    stop(reader, mark,
         is_control ? "a control character: only text is allowed here"
                    : "this is not UTF-8: save the file as UTF-8");
}

/* What people stumble over most, in words that help more than the parser's own. */
static const char *words_for(struct str text, const yaml_parser_t *yaml)
{
    size_t at = yaml->problem_mark.index;
    char c = at < text.length ? text.at[at] : '\0';
    if (strstr(yaml->problem, "cannot start any token"))
        return c == '\t' ? "a tab: indent with spaces"
                         : "a value that starts with this character must be in quotes";
    if (strstr(yaml->problem, "expected alphabetic or numeric character"))
        return "a value that starts with * or & must be in quotes";
    if (strstr(yaml->problem, "mapping values are not allowed"))
        return "a second ': ' in this line: put the value in quotes, or check the "
               "indentation";
    if (strstr(yaml->problem, "did not find expected key"))
        return "this does not line up with the keys above it: check the indentation";
    if (strstr(yaml->problem, "could not find expected ':'"))
        return "a ':' after the key is missing";
    if (strstr(yaml->problem, "did not find expected ',' or ']'"))
        return "',' or ']' is missing in the list";
    if (strstr(yaml->problem, "did not find expected ',' or '}'"))
        return "',' or '}' is missing in the map: a value that holds one of {}[], must be "
               "in "
               "quotes";
    return yaml->problem;
}

/* The marks of libyaml count characters, our text is bytes: the line alone tells where to look. */
static size_t bytes_to_mark(struct str text, yaml_mark_t mark)
{
    size_t at = 0;
    for (size_t characters = 0; at < text.length; at++) {
        if (((unsigned char)text.at[at] & 0xc0) == 0x80)
            continue;
        if (characters++ == mark.index)
            break;
    }
    return at;
}

static void stop_at_error(struct reader *reader)
{
    yaml_parser_t *yaml = &reader->yaml;
    if (yaml->error == YAML_READER_ERROR) {
        stop_at_bad_bytes(reader);
    } else {
        yaml->problem_mark.index = bytes_to_mark(reader->text, yaml->problem_mark);
        stop(reader, yaml->problem_mark,
             yaml->problem ? words_for(reader->text, yaml) : "not readable as YAML");
    }
}

/* False once reading has stopped; else the event is to be deleted. */
static bool next_event(struct reader *reader, yaml_event_t *event)
{
    if (reader->is_stopped)
        return false;
    if (yaml_parser_parse(&reader->yaml, event))
        return true;
    stop_at_error(reader);
    return false;
}

/* --- nodes --- */

static void push(struct reader *reader, struct node *node)
{
    if (reader->pending_count == reader->pending_capacity) {
        reader->pending_capacity = reader->pending_capacity * 2 + 64;
        reader->pending =
            mem_grow(reader->pending, reader->pending_capacity * sizeof *reader->pending);
    }
    reader->pending[reader->pending_count++] = node;
}

static struct node *new_node(struct reader *reader, enum node_kind kind, yaml_mark_t mark)
{
    if (++reader->node_count > DOCUMENT_NODES_MAX) {
        stop(reader, mark, "too many values: 2,000,000 are the most in one file");
        return NULL;
    }
    struct node *node = arena_new_of(reader->arena, struct node);
    node->kind = kind;
    node->file = reader->file;
    node->line = (unsigned)mark.line + 1;
    node->column = (unsigned)mark.column + 1;
    return node;
}

static bool means_null(struct str text)
{
    return text.length == 0 || str_equal(text, STR("~")) || str_equal(text, STR("null"));
}

static struct node *scalar_node(struct reader *reader, const yaml_event_t *event)
{
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    bool is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool is_null = !is_quoted && means_null(text);
    struct node *node =
        new_node(reader, is_null ? NODE_NULL : NODE_TEXT, event->start_mark);
    if (!node || is_null)
        return node;
    node->is_quoted = is_quoted;
    node->text = arena_str(reader->arena, text);
    return node;
}

static void check_properties(struct reader *reader, const yaml_event_t *event,
                             const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        refuse(reader, event->start_mark,
               "anchors (&name) are not supported: write the value where it is used");
    if (tag)
        refuse(reader, event->start_mark,
               "tags (!name) are not supported: a value that starts with '!' must be in "
               "quotes");
}

static struct node *read_node(struct reader *reader, const yaml_event_t *event,
                              unsigned depth);

/* Moves the nodes pushed since `base` into an array of their own, every `step`th of them. */
static struct node **pop_every(const struct reader *reader, size_t base, size_t offset,
                               size_t step)
{
    size_t count = (reader->pending_count - base) / step;
    struct node **nodes = arena_array(reader->arena, struct node *, count + 1);
    for (size_t i = 0; i < count; i++)
        nodes[i] = reader->pending[base + i * step + offset];
    return nodes;
}

/* Pushes all nodes up to the end of the collection. */
static void read_items(struct reader *reader, yaml_event_type_t end, unsigned depth)
{
    yaml_event_t event;
    bool at_end = false;
    while (!at_end && next_event(reader, &event)) {
        at_end = event.type == end;
        struct node *item = at_end ? NULL : read_node(reader, &event, depth + 1);
        if (item)
            push(reader, item);
        yaml_event_delete(&event);
    }
}

/* The key of the same text before the n-th, if any. */
static const struct node *earlier_key(const struct node *map, size_t n, struct table *seen)
{
    struct node *key = map->keys[n];
    if (seen) {
        const struct node *first = table_get(seen, key->text);
        if (!first)
            table_set(seen, key->text, key);
        return first;
    }
    for (size_t i = 0; i < n; i++)
        if (str_equal(map->keys[i]->text, key->text))
            return map->keys[i];
    return NULL;
}

static void check_key(struct reader *reader, const struct node *key)
{
    if (key->kind != NODE_TEXT)
        node_problem(key, reader->problems, "a key must be text");
    else if (!key->is_quoted && str_equal(key->text, STR("<<")))
        node_problem(key, reader->problems,
                     "merge keys (<<) are not supported: write the keys out");
    else
        return;
    reader->is_refused = true;
}

/* Small maps, which nearly all are, are compared key by key; large ones go through a table. */
static void check_keys(struct reader *reader, const struct node *map)
{
    enum { SMALL = 16 };
    struct table *seen = map->count > SMALL ? table_new() : NULL;
    for (size_t i = 0; i < map->count; i++) {
        const struct node *key = map->keys[i];
        check_key(reader, key);
        const struct node *first = earlier_key(map, i, seen);
        if (first)
            node_problem(key, reader->problems,
                         "'%.*s' stands here twice: first in line %u, column %u",
                         STR_ARG(key->text), first->line, first->column);
    }
    table_free(seen);
}

static struct node *read_collection(struct reader *reader, const yaml_event_t *event,
                                    unsigned depth)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    if (depth >= DOCUMENT_DEPTH_MAX) {
        stop(reader, event->start_mark, "nested too deeply: 32 levels are the most");
        return NULL;
    }
    struct node *node = new_node(reader, is_map ? NODE_MAP : NODE_LIST, event->start_mark);
    if (!node)
        return NULL;
    size_t base = reader->pending_count;
    read_items(reader, is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth);
    if (reader->is_stopped || reader->is_refused)
        return node;
    size_t step = is_map ? 2 : 1;
    node->count = (reader->pending_count - base) / step;
    node->items = pop_every(reader, base, step - 1, step);
    if (is_map) {
        node->keys = pop_every(reader, base, 0, step);
        check_keys(reader, node);
    }
    reader->pending_count = base;
    return node;
}

/* NULL for what is no value: reading has then stopped, or the tree is refused. */
static struct node *read_node(struct reader *reader, const yaml_event_t *event,
                              unsigned depth)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        check_properties(reader, event, event->data.scalar.anchor, event->data.scalar.tag);
        return scalar_node(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        check_properties(reader, event, event->data.sequence_start.anchor,
                         event->data.sequence_start.tag);
        return read_collection(reader, event, depth);
    case YAML_MAPPING_START_EVENT:
        check_properties(reader, event, event->data.mapping_start.anchor,
                         event->data.mapping_start.tag);
        return read_collection(reader, event, depth);
    default:
        refuse(reader, event->start_mark,
               "aliases (*name) are not supported: write the value out, or in quotes");
        return NULL;
    }
}

/* --- the document --- */

/* Stream start, document start, the root node, document end, stream end. */
static struct node *read_stream(struct reader *reader)
{
    struct node *root = NULL;
    yaml_event_t event;
    bool at_end = false;
    unsigned documents = 0;
    while (!at_end && next_event(reader, &event)) {
        if (event.type == YAML_STREAM_END_EVENT)
            at_end = true;
        else if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            stop(reader, event.start_mark,
                 "a second document ('---') begins here: a file holds one");
        else if (event.type != YAML_STREAM_START_EVENT &&
                 event.type != YAML_DOCUMENT_START_EVENT &&
                 event.type != YAML_DOCUMENT_END_EVENT)
            root = read_node(reader, &event, 0);
        yaml_event_delete(&event);
    }
    if (!root || root->kind == NODE_NULL)
        root = new_node(reader, NODE_MAP, (yaml_mark_t){0});
    return root;
}

struct node *document_parse(struct str text, struct str file, struct arena *arena,
                            struct problem_list *problems)
{
    struct reader reader = {
        .text = text, .file = arena_str(arena, file), .arena = arena, .problems = problems};
    if (text.length > DOCUMENT_BYTES_MAX) {
        problem_add(problems, file, 0, 0, "the file is too large: 16 MiB are the most");
        return NULL;
    }
    invariant(yaml_parser_initialize(&reader.yaml), "yaml: out of memory");
    yaml_parser_set_encoding(&reader.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.yaml, (const unsigned char *)text.at, text.length);
    struct node *root = read_stream(&reader);
    yaml_parser_delete(&reader.yaml);
    free(reader.pending);
    return reader.is_stopped || reader.is_refused ? NULL : root;
}

/* One byte more than allowed is read, so that document_parse can tell. */
static struct str read_file(FILE *file)
{
    char *bytes = mem_alloc(DOCUMENT_BYTES_MAX + 1);
    size_t length = fread(bytes, 1, DOCUMENT_BYTES_MAX + 1, file);
    return (struct str){bytes, length};
}

struct node *document_load(const char *path, struct arena *arena,
                           struct problem_list *problems)
{
    struct node *root = NULL;
    struct str text = {0};
    FILE *file = fopen(path, "rbe");
    if (file)
        text = read_file(file);
    if (!file || ferror(file))
        problem_add(problems, str_of(path), 0, 0, "cannot be read: %s", strerror(errno));
    else
        root = document_parse(text, str_of(path), arena, problems);
    free((char *)(uintptr_t)text.at);
    if (file)
        fclose(file);
    return root;
}
