/* Parts are gathered into blocks, which go out in one write each. What is inserted (dots, the end) are
 * views too, so the message's bytes are sent from where they lie. */
#include "transmit.h"

#include <stdio.h>

#include "base/task.h"

/* A block ends when either is reached: what one writev(2) takes, and what a slow peer must take within
 * the time of a block. */
#define BLOCK_PARTS_MAX 32
#define BLOCK_BYTES_MAX ((size_t)256 * 1024)

struct block {
    struct net_stream *stream;
    uint32_t timeout_ms;
    size_t count, bytes;
    struct str parts[BLOCK_PARTS_MAX];
};

static int block_send(struct block *block)
{
    int result = net_stream_write(block->stream, block->parts, block->count,
                                  task_in_ms(block->timeout_ms));
    block->count = block->bytes = 0;
    return result;
}

static int block_add(struct block *block, struct str bytes)
{
    while (bytes.length > 0) {
        if (block->count == BLOCK_PARTS_MAX || block->bytes == BLOCK_BYTES_MAX) {
            int result = block_send(block);
            if (result < 0)
                return result;
        }
        size_t room = BLOCK_BYTES_MAX - block->bytes;
        struct str piece = str_part(bytes, 0, bytes.length < room ? bytes.length : room);
        block->parts[block->count++] = piece;
        block->bytes += piece.length;
        bytes = str_from(bytes, piece.length);
    }
    return 0;
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
    ptrdiff_t line_end;
    while (result == 0 && (line_end = str_find(part, STR("\n."))) >= 0) {
        size_t dot = (size_t)line_end + 1;
        result = block_add(block, str_part(part, 0, dot + 1));
        part = str_from(part, dot);
    }
    return result < 0 ? result : block_add(block, part);
}

int transmit_data(struct net_stream *stream, const struct str parts[], size_t count,
                  uint32_t block_timeout_ms)
{
    struct block block = {.stream = stream, .timeout_ms = block_timeout_ms};
    bool at_line_start = true;
    for (size_t i = 0; i < count; i++) {
        int result = block_add_stuffed(&block, parts[i], &at_line_start);
        if (result < 0)
            return result;
    }
    int result = block_add(&block, at_line_start ? STR(".\r\n") : STR("\r\n.\r\n"));
    return result < 0 ? result : block_send(&block);
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
    return result < 0 ? result : block_send(&block);
}

size_t transmit_length(const struct str parts[], size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    return length;
}
