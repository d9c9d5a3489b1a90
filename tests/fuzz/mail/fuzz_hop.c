/* No header counts hops that we did not write; with our field on top it counts what we wrote. */
#include <stdint.h>

#include "../../unit/secret_of.h"

#include "base/mem.h"
#include "mail/hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct secret *secret(void)
{
    static struct secret *opened;
    if (!opened)
        opened = secret_of(SECRET_COUNTING "\n");
    return opened;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct header header;
    header_parse((struct str){(const char *)bytes, length}, arena, &header);
    invariant(hop_count(secret(), &header) == 0, "forged fields count for nothing");
    struct str field = hop_field(secret(), &header, 7, arena);
    char *marked = arena_alloc(arena, field.length + length);
    memcpy(marked, field.at, field.length);
    if (length)
        memcpy(marked + field.length, bytes, length);
    /* A continuation line at the start would be a part of our field. */
    if (header.count) {
        header_parse((struct str){marked, field.length + length}, arena, &header);
        invariant(hop_count(secret(), &header) == 7, "ours does");
    }
    arena_free(arena);
    return 0;
}
