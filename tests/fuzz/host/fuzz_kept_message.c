/* Whatever stands in the file of kept messages, what is read of it can be kept again, and is then read as the same. */
#include <stdint.h>

#include "kept_message.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct store_kept stored = {.id = STR("id"),
                                .envelope = {(const char *)bytes, length},
                                .content = STR("Subject: hello\r\n\r\nHello.\r\n")};
    struct kept_message first, second;
    struct err err = {0};
    if (kept_message_read(&stored, &first, &err) < 0)
        return 0;
    stored.envelope = kept_message_envelope(&first);
    if (stored.envelope.length) {
        invariant(kept_message_read(&stored, &second, &err) == 0, "it is read again");
        invariant(str_equal(stored.envelope, kept_message_envelope(&second)),
                  "and is the same");
        message_release(second.message);
    }
    message_release(first.message);
    return 0;
}
