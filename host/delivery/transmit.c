/* Parts are gathered into blocks, which go out in one write each. What is inserted (dots, the end) are
 * views too, so the message's bytes are sent from where they lie. Only when a block fills up with small
 * pieces, as a message full of dots makes them, are these copied together: else such a message would cost
 * a write per handful of bytes, and the host is busy meanwhile. */
#include "transmit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/task.h"

/* A block ends when either is reached: what one writev(2) takes, and what a slow peer must take within
 * the time of a block. */
#define BLOCK_PARTS_MAX   32
#define BLOCK_BYTES_MAX   ((size_t)256 * 1024)
/* From this many parts on, small pieces are copied. */
#define BLOCK_PARTS_CROWD 16
#define SMALL_BYTES       1024
#define COPIED_BYTES_MAX  ((size_t)16 * 1024)

struct block {
    struct net_stream *stream;
    uint32_t timeout_ms;
    size_t count, bytes;
    struct str parts[BLOCK_PARTS_MAX];
    char *copied; /* COPIED_BYTES_MAX, once needed */
    size_t copied_bytes;
};

static int block_send(struct block *block)
{
    int result = net_stream_write(block->stream, block->parts, block->count,
                                  task_in_ms(block->timeout_ms));
    block->count = block->bytes = block->copied_bytes = 0;
    return result;
}

static bool is_to_copy(const struct block *block, struct str piece)
{
    return block->count >= BLOCK_PARTS_CROWD && piece.length <= SMALL_BYTES;
}

static bool has_room(const struct block *block, struct str piece)
{
    return block->count < BLOCK_PARTS_MAX && piece.length > 0 &&
           (!is_to_copy(block, piece) ||
            piece.length <= COPIED_BYTES_MAX - block->copied_bytes);
}

/* The copy of a piece; one that follows another copy becomes a part with it. */
static void block_copy(struct block *block, struct str piece)
{
    if (!block->copied)
        block->copied = mem_alloc(COPIED_BYTES_MAX);
    char *copy = block->copied + block->copied_bytes;
    memcpy(copy, piece.at, piece.length);
    block->copied_bytes += piece.length;
    struct str *last = &block->parts[block->count - 1];
    if (last->at + last->length == copy)
        last->length += piece.length;
    else
        block->parts[block->count++] = (struct str){copy, piece.length};
}

static int block_add(struct block *block, struct str bytes)
{
    while (bytes.length > 0) {
        size_t room = BLOCK_BYTES_MAX - block->bytes;
        struct str piece = str_part(bytes, 0, bytes.length < room ? bytes.length : room);
        if (!has_room(block, piece)) {
            int result = block_send(block);
            if (result < 0)
                return result;
            continue;
        }
        if (is_to_copy(block, piece))
            block_copy(block, piece);
        else
            block->parts[block->count++] = piece;
        block->bytes += piece.length;
        bytes = str_from(bytes, piece.length);
    }
    return 0;
}

/* Index of the first dot behind a line end within the part; the part's length when there is none. */
static size_t next_line_dot(struct str part)
{
    size_t at = 0;
    const char *line_end;
    while ((line_end = memchr(part.at + at, '\n', part.length - at))) {
        at = (size_t)(line_end - part.at) + 1;
        if (at < part.length && part.at[at] == '.')
            return at;
    }
    return part.length;
}

/* Adds a part with a second dot before each dot that begins a line: views that overlap by the dot.
 * *at_line_start is carried from part to part. A bare LF counts as a line's end too: whatever the peer
 * takes for one, nothing in the message may look like the end of it. */
static int block_add_stuffed(struct block *block, struct str part, bool *at_line_start)
{
    int result = 0;
    if (part.length == 0)
        return 0;
    if (*at_line_start && part.at[0] == '.')
        result = block_add(block, STR("."));
    *at_line_start = part.at[part.length - 1] == '\n';
    for (size_t dot; result == 0 && (dot = next_line_dot(part)) < part.length;) {
        result = block_add(block, str_part(part, 0, dot + 1));
        part = str_from(part, dot);
    }
    return result < 0 ? result : block_add(block, part);
}

/* Sends what is left, if all went well so far; the block is over. */
static int block_end(struct block *block, int result)
{
    if (result == 0)
        result = block_send(block);
    free(block->copied);
    return result;
}

int transmit_data(struct net_stream *stream, const struct str parts[], size_t count,
                  uint32_t block_timeout_ms)
{
    struct block block = {.stream = stream, .timeout_ms = block_timeout_ms};
    bool at_line_start = true;
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = block_add_stuffed(&block, parts[i], &at_line_start);
    if (result == 0)
        result = block_add(&block, at_line_start ? STR(".\r\n") : STR("\r\n.\r\n"));
    return block_end(&block, result);
}

int transmit_bdat(struct net_stream *stream, const struct str parts[], size_t count,
                  uint32_t block_timeout_ms)
{
    struct block block = {.stream = stream, .timeout_ms = block_timeout_ms};
    char command[40];
    snprintf(command, sizeof command, "BDAT %zu LAST\r\n", transmit_length(parts, count));
    int result = block_add(&block, str_of(command));
    for (size_t i = 0; result == 0 && i < count; i++)
        result = block_add(&block, parts[i]);
    return block_end(&block, result);
}

size_t transmit_length(const struct str parts[], size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    return length;
}
