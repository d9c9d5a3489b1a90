/* Any header has no chain, a fault, or a chain each of whose sets is whole, in its place, and within bounds. */
#include <stdint.h>

#include "auth/arc_chain.h"
#include "auth/results_header.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_signature(const struct arc_signature *signature, bool is_seal)
{
    const struct auth_dkim_signature *read = &signature->read;
    if (signature->fault.length)
        return;
    invariant(read->domain.length && read->selector.length, "whose it is");
    invariant(read->bytes.length > 0, "b= is there");
    invariant(is_seal || read->body_hash.length == CANONICAL_HASH_BYTES, "bh= is a hash");
    struct str b = tag_list_find(&read->tags, STR("b"))->raw;
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    canonical_signature(read->header_form, read->field->whole, b, &text);
    invariant(buf_view(&text).length <= read->field->whole.length, "no longer than it was");
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct header header;
    struct arc_chain chain;
    struct str reason;
    struct auth_results results;
    header_parse((struct str){(const char *)bytes, length}, arena, &header);
    if (arc_chain_read(&header, 1795321752000, arena, &chain, &reason) < 0) {
        invariant(reason.length > 0, "a reason");
        chain.count = 0;
    }
    invariant(chain.count <= AUTH_ARC_SETS_MAX, "not too many");
    for (size_t i = 0; i < chain.count; i++) {
        const struct arc_set *set = &chain.sets[i];
        invariant(set->results && set->message_signature && set->seal, "a set is whole");
        check_signature(set->message_signature, false);
        check_signature(set->seal, true);
        auth_results_parse(set->results_payload, arena, &results);
    }
    arena_free(arena);
    return 0;
}
