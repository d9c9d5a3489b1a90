/* Any header has one Author Domain in normal form, or a reason why it has none. */
#include <stdint.h>

#include "auth/dmarc_from.h"
#include "base/mem.h"
#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct header header;
    struct str domain, reason, again;
    header_parse((struct str){(const char *)bytes, length}, arena, &header);
    if (dmarc_from_domain(&header, arena, &domain, &reason) == 0) {
        invariant(header_count(&header, STR("From")) == 1, "one From");
        invariant(domain_normalize(domain, arena, &again) == 0 && str_equal(domain, again),
                  "a domain in normal form");
    } else {
        invariant(domain.length == 0 && reason.length > 0, "a reason");
    }
    arena_free(arena);
    return 0;
}
