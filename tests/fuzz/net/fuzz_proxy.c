/* PROXY headers: whatever comes, a header lies within the input, and more input never changes what a
 * whole header says. */
#include <stdint.h>

#include "base/mem.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str input = {(const char *)bytes, length};
    struct proxy_header whole, part;
    struct err err;
    int parsed = proxy_header_parse(input, &whole, &err);
    if (parsed == 0)
        invariant(length < 536, "the header has no end");
    if (parsed != 1)
        return 0;
    invariant(whole.length <= length && whole.length <= 536, "the header is too long");
    int again = proxy_header_parse(str_part(input, 0, whole.length), &part, &err);
    invariant(again == 1 && part.length == whole.length,
              "the header depends on what follows");
    again = proxy_header_parse(str_part(input, 0, whole.length - 1), &part, &err);
    invariant(again == 0, "the header was whole before its end");
    return 0;
}
