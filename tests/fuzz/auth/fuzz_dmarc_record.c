/* Any text is no DMARC record, or one whose policy is one of the three and whose reporting addresses are
 * printable and within their bounds. */
#include <stdint.h>

#include "auth/dmarc_record.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_uris(struct str list)
{
    size_t count = 0;
    while (list.length) {
        struct str uri = str_cut(&list, ',');
        count++;
        invariant(uri.length > 0 && uri.length <= DMARC_REPORT_URI_BYTES_MAX, "bounded");
        invariant(str_index(uri, ':') > 0 && str_index(uri, '!') < 0, "a URI");
        for (size_t i = 0; i < uri.length; i++)
            invariant(uri.at[i] > 32 && uri.at[i] < 127, "printable");
    }
    invariant(count <= DMARC_REPORT_URIS_MAX, "not too many");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str text = {(const char *)bytes, length};
    if (!dmarc_record_is_one(text))
        return 0;
    struct arena *arena = arena_new();
    struct dmarc_record record;
    dmarc_record_parse(text, arena, &record);
    if (dmarc_record_is_usable(&record)) {
        invariant(record.policy <= DMARC_REQUEST_REJECT, "a policy");
        invariant(record.subdomain_policy != DMARC_REQUEST_INVALID, "sp is valid");
        invariant(record.nonexistent_policy != DMARC_REQUEST_INVALID, "np is valid");
    }
    check_uris(record.report_aggregate);
    check_uris(record.report_failure);
    arena_free(arena);
    return 0;
}
