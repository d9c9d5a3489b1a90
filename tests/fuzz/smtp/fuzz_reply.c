/* Whatever a peer sends: the parser stays within it, and what it understood can be written and parsed
 * again. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct reply reply, again;
    struct str input = {(const char *)bytes, length};
    int used = reply_parse(input, &reply);
    if (used <= 0)
        return 0;
    invariant((size_t)used <= length, "the parser took more than there is");
    struct buf wire;
    buf_init(&wire, (size_t)64 * 1024);
    invariant(reply_write(&reply, &wire) == 0, "a parsed reply cannot be written");
    struct str view = buf_view(&wire);
    invariant(reply_parse(view, &again) == (int)view.length, "a written reply is none");
    invariant(again.code == reply.code, "the code has changed");
    buf_free(&wire);
    return 0;
}
