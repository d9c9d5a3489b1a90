/* Whatever a cron line says: each of its times is a whole minute after the one before, on which it is found again. The first
 * four bytes are the minute to begin with. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "worker/cron.h"

#define TIMES 50

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cron cron;
    uint32_t minute;
    struct err err = {0};
    if (length < sizeof minute)
        return 0;
    memcpy(&minute, bytes, sizeof minute);
    const struct str text = {(const char *)bytes + sizeof minute, length - sizeof minute};
    if (cron_parse(text, &cron, &err) < 0) {
        invariant(err.text[0], "it says why");
        return 0;
    }
    uint64_t at = (uint64_t)minute * 60000;
    for (int i = 0; i < TIMES; i++) {
        uint64_t next = cron_next(&cron, at);
        if (next == CRON_NEVER)
            break;
        invariant(next > at && next % 60000 == 0, "a minute to come");
        invariant(cron_next(&cron, next - 1) == next, "it is found again");
        at = next;
    }
    return 0;
}
