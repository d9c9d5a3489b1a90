/* A line at a time by memchr, with the states below only where a piece of input ends within a line end:
 *
 *     LINE_START --.--> DOT --CR--> DOT_CR --LF--> end (DATA only)
 *         ^  |           |
 *         |  +-----------+--> IN_LINE --CR at the end of a piece--> CR --LF--> LINE_START
 *         +---- CRLF -----------'
 *
 * Invariant: once there is a fault, `bytes` is empty and stays so; the states go on, so that the session
 * stays in step with its sender. */
#include "smtp/content.h"

#include <stdlib.h>

#include "base/mem.h"

/* What SIZE= may make us reserve before a byte has come. */
#define EXPECTED_BYTES_MAX ((uint64_t)1024 * 1024)
/* A buffer that is larger than its content by more than this is cut to size. */
#define SLACK_BYTES        ((size_t)4096)

void smtp_content_open(struct smtp_content *content, bool is_dotted, uint64_t bytes_max,
                       size_t line_bytes_max)
{
    *content =
        (struct smtp_content){.is_dotted = is_dotted, .line_bytes_max = line_bytes_max};
    buf_init(&content->bytes, bytes_max);
}

void smtp_content_close(struct smtp_content *content)
{
    buf_free(&content->bytes);
}

void smtp_content_expect(struct smtp_content *content, uint64_t bytes)
{
    if (!content->fault)
        buf_reserve(&content->bytes,
                    bytes < EXPECTED_BYTES_MAX ? bytes : EXPECTED_BYTES_MAX);
}

void smtp_content_fail(struct smtp_content *content, enum smtp_fault fault)
{
    if (content->fault)
        return;
    content->fault = fault;
    buf_free(&content->bytes);
}

static void keep(struct smtp_content *content, struct str bytes)
{
    content->line_bytes += bytes.length;
    if (content->line_bytes > content->line_bytes_max)
        smtp_content_fail(content, SMTP_FAULT_LINE_TOO_LONG);
    if (!content->fault && buf_append(&content->bytes, bytes) < 0)
        smtp_content_fail(content, SMTP_FAULT_TOO_BIG);
}

static void end_line(struct smtp_content *content)
{
    content->state = SMTP_CONTENT_LINE_START;
    content->line_bytes = 0;
}

/* Takes what `input` has of the present line: the bytes taken, or -1 for a bare CR or LF. */
static ptrdiff_t take_line(struct smtp_content *content, struct str input)
{
    ptrdiff_t lf = str_index(input, '\n');
    if (lf >= 0) {
        struct str line = str_part(input, 0, (size_t)lf + 1);
        if (lf == 0 || str_index(line, '\r') != lf - 1)
            return -1;
        keep(content, line);
        end_line(content);
        return lf + 1;
    }
    ptrdiff_t cr = str_index(input, '\r');
    if (cr < 0) {
        keep(content, input);
        return (ptrdiff_t)input.length;
    }
    if ((size_t)cr + 1 != input.length)
        return -1;
    keep(content, str_part(input, 0, (size_t)cr));
    content->state = SMTP_CONTENT_CR;
    return cr + 1;
}

/* One step of the states: the bytes taken, or -1 for a bare CR or LF. */
static ptrdiff_t take(struct smtp_content *content, struct str input)
{
    char next = input.at[0];
    switch (content->state) {
    case SMTP_CONTENT_LINE_START:
        if (content->is_dotted && next == '.') {
            content->state = SMTP_CONTENT_DOT;
            return 1;
        }
        content->state = SMTP_CONTENT_IN_LINE;
        return 0;
    case SMTP_CONTENT_DOT:
        content->state = next == '\r' ? SMTP_CONTENT_DOT_CR : SMTP_CONTENT_IN_LINE;
        return next == '\r';
    case SMTP_CONTENT_DOT_CR:
        return next == '\n' ? 1 : -1;
    case SMTP_CONTENT_IN_LINE:
        return take_line(content, input);
    case SMTP_CONTENT_CR:
        if (next != '\n')
            return -1;
        keep(content, STR("\r\n"));
        end_line(content);
        return 1;
    }
    invariant(false, "smtp: a content without a state");
    return -1;
}

static bool has_8bit(struct str bytes)
{
    unsigned char all = 0;
    for (size_t i = 0; i < bytes.length; i++)
        all |= (unsigned char)bytes.at[i];
    return all > 127;
}

/* What can be seen in a piece as a whole. The piece ends where the content does. */
static void inspect(struct smtp_content *content, struct str piece)
{
    content->total_bytes += piece.length;
    content->is_8bit = content->is_8bit || has_8bit(piece);
    if (str_index(piece, '\0') >= 0)
        smtp_content_fail(content, SMTP_FAULT_NUL);
}

enum smtp_content_step smtp_content_feed(struct smtp_content *content, struct str input,
                                         size_t *taken)
{
    enum smtp_content_step step = SMTP_CONTENT_MORE;
    size_t at = 0;
    while (at < input.length && step == SMTP_CONTENT_MORE) {
        bool is_last_byte = content->state == SMTP_CONTENT_DOT_CR;
        ptrdiff_t bytes = take(content, str_from(input, at));
        if (bytes < 0)
            step = SMTP_CONTENT_BARE_NEWLINE;
        else if (is_last_byte)
            step = SMTP_CONTENT_END;
        at += bytes < 0 ? 0 : (size_t)bytes;
    }
    inspect(content, str_part(input, 0, at));
    *taken = at;
    return step;
}

bool smtp_content_finish(struct smtp_content *content)
{
    if (content->state == SMTP_CONTENT_CR)
        return false;
    if (content->state == SMTP_CONTENT_IN_LINE) {
        keep(content, STR("\r\n"));
        end_line(content);
    }
    return true;
}

char *smtp_content_take(struct smtp_content *content, size_t *length)
{
    invariant(content->bytes.start == 0, "smtp: content was consumed");
    char *bytes = content->bytes.memory;
    *length = content->bytes.length;
    if (!bytes || content->bytes.capacity - *length > SLACK_BYTES)
        bytes = mem_grow(bytes, *length);
    content->bytes.memory = NULL;
    buf_free(&content->bytes);
    return bytes;
}
