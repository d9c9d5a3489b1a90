/* Record data as any name server may send it; the first byte chooses the type. Each byte of the copy is
 * ASan's to watch. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/dns_rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const enum dns_type types[] = {DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};
    if (length == 0)
        return 0;
    struct arena *arena = arena_new();
    char *rdata = mem_copy_text((const char *)bytes + 1, length - 1);
    struct dns_record record;
    if (dns_rdata_parse(types[bytes[0] % 5], (struct str){rdata, length - 1}, arena,
                        &record) == 0) {
        invariant(record.name.length <= 253, "a name is too long");
        invariant(record.text.length <= length, "text out of nowhere");
    }
    free(rdata);
    arena_free(arena);
    return 0;
}
