/* Requests as any client may send them: what a head says lies within it, and a chunked body does not depend on how it is cut
 * into packets. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/http_chunked.h"
#include "net/http_head.h"

#define BODY_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int take(struct str input, size_t piece, struct buf *body)
{
    struct http_chunked chunked = {0};
    int result = 0;
    buf_init(body, BODY_BYTES_MAX);
    while (input.length && result == 0) {
        struct str part = str_part(input, 0, piece < input.length ? piece : input.length);
        size_t before = part.length;
        result = http_chunked_take(&chunked, &part, body);
        invariant(result != 0 || part.length == 0, "input is left though more is wanted");
        input = str_from(input, before - part.length);
    }
    return result;
}

static void read_body(struct str input)
{
    struct buf whole, single;
    int result = take(input, input.length, &whole);
    invariant(result == take(input, 1, &single), "the packets decide");
    if (result > 0)
        invariant(str_equal(buf_view(&whole), buf_view(&single)), "the packets decide");
    buf_free(&whole);
    buf_free(&single);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *copy = mem_copy_text((const char *)bytes, length);
    struct str input = {copy, length};
    struct arena *arena = arena_new();
    struct http_head head;
    size_t line = 0;
    ptrdiff_t head_bytes = http_head_length(input, &line);
    invariant(head_bytes <= (ptrdiff_t)length, "a head longer than its input");
    if (head_bytes > 0 &&
        http_head_parse(str_part(input, 0, (size_t)head_bytes), arena, &head) == 0) {
        invariant(head.target.at[0] == '/', "a target of another form");
        invariant(!head.is_chunked || head.length == 0, "two lengths");
        input = str_from(input, (size_t)head_bytes);
    }
    read_body(input);
    arena_free(arena);
    free(copy);
    return 0;
}
