/* A domain is refused, or its normal form is one: it stays as it is when normalised again, and so does
 * the way to Unicode and back. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str normal, again;
    if (domain_normalize((struct str){(const char *)bytes, length}, arena, &normal) == 0) {
        invariant(normal.length >= 1 && normal.length <= DOMAIN_BYTES_MAX,
                  "length within bounds");
        invariant(domain_normalize(normal, arena, &again) == 0 && str_equal(again, normal),
                  "the normal form is stable");
        struct str unicode = domain_to_unicode(normal, arena);
        invariant(domain_normalize(unicode, arena, &again) == 0 && str_equal(again, normal),
                  "Unicode leads back");
        invariant(domain_is_within(normal, normal), "a domain is within itself");
    }
    arena_free(arena);
    return 0;
}
