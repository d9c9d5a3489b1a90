/* RFC 8617 section 5.2, steps 1 to 3. A message has as many fields of each of the three names as it has
 * sets; so when their counts are alike and none of N fields says the same instance as another, nor one above N,
 * there is no gap. */
#include "arc_chain.h"

#include <errno.h>

#include "mail/arc_set.h"

_Static_assert(ARC_SETS_MAX == AUTH_ARC_SETS_MAX, "one bound, two folders");

struct reading {
    uint64_t received_ms;
    struct arena *arena;
    struct arc_chain *chain;
};

/* --- fields --- */

static struct arc_signature *read_signature(const struct reading *reading,
                                            enum arc_field kind,
                                            const struct header_field *field)
{
    struct arc_signature *signature = arena_new_of(reading->arena, struct arc_signature);
    enum auth_signature_kind as =
        kind == ARC_SEAL ? AUTH_ARC_SEAL : AUTH_ARC_MESSAGE_SIGNATURE;
    auth_dkim_signature_read_arc(as, field, reading->received_ms, reading->arena,
                                 &signature->read, &signature->fault);
    return signature;
}

/* Puts a field in its set. Returns what is wrong, or NULL. */
static const char *place_results(const struct reading *reading,
                                 const struct header_field *field)
{
    struct str payload = field->value;
    size_t instance = arc_results_instance(&payload);
    if (instance == 0 || instance > reading->chain->count)
        return "has no i=, or not one of the chain";
    struct arc_set *set = &reading->chain->sets[instance - 1];
    if (set->results)
        return "stands twice in a set";
    set->results = field;
    set->results_payload = payload;
    return NULL;
}

static const char *place_signature(const struct reading *reading, enum arc_field kind,
                                   const struct header_field *field)
{
    struct arc_signature *signature = read_signature(reading, kind, field);
    size_t instance = arc_signature_instance(&signature->read.tags);
    if (instance == 0 || instance > reading->chain->count)
        return "has no i=, or not one of the chain";
    struct arc_set *set = &reading->chain->sets[instance - 1];
    struct arc_signature **place = kind == ARC_SEAL ? &set->seal : &set->message_signature;
    if (*place)
        return "stands twice in a set";
    *place = signature;
    return NULL;
}

static int place_fields(const struct reading *reading, const struct header *header,
                        struct str *reason)
{
    for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++) {
        size_t index = 0;
        const struct header_field *field;
        while ((field = header_next(header, str_of(arc_field_names[kind]), &index))) {
            const char *wrong = kind == ARC_RESULTS ? place_results(reading, field)
                                                    : place_signature(reading, kind, field);
            if (!wrong)
                continue;
            *reason =
                str_of(arena_printf(reading->arena, "%s %s", arc_field_names[kind], wrong));
            return -EINVAL;
        }
    }
    return 0;
}

/* --- the chain --- */

struct extent {
    size_t count; /* of the fields of that name that there are most of */
    bool is_even; /* as many of each */
    size_t bytes;
};

static struct extent measure(const struct header *header)
{
    struct extent extent = {.is_even = true};
    for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++) {
        size_t count = 0, index = 0;
        const struct header_field *field;
        while ((field = header_next(header, str_of(arc_field_names[kind]), &index))) {
            extent.bytes += field->whole.length;
            count++;
        }
        extent.is_even = extent.is_even && (kind == 0 || count == extent.count);
        extent.count = count > extent.count ? count : extent.count;
    }
    return extent;
}

static struct str extent_fault(const struct extent *extent, const struct header *header)
{
    if (extent->count && header->count == HEADER_FIELDS_MAX)
        return STR("the message has more fields than are looked at");
    if (extent->count > AUTH_ARC_SETS_MAX)
        return STR("there are more than 50 sets");
    if (!extent->is_even)
        return STR("a set is not complete");
    if (extent->bytes > ARC_CHAIN_BYTES_MAX)
        return STR("the sets are too large");
    return (struct str){0};
}

/* Steps 2 and 3.C: none for the first, pass for all others; what the last one says is looked at first. */
static struct str find_status_fault(const struct arc_chain *chain)
{
    for (size_t i = chain->count; i-- > 0;) {
        struct str status = tag_list_value(&chain->sets[i].seal->read.tags, STR("cv"));
        if (str_equal_nocase(status, STR("fail")))
            return STR("a sealer has found that the chain was broken (cv=fail)");
        if (!str_equal_nocase(status, i == 0 ? STR("none") : STR("pass")))
            return STR("cv= is neither none for the first set nor pass for a later one");
    }
    return (struct str){0};
}

bool arc_chain_is_there(const struct header *header)
{
    return measure(header).count > 0;
}

int arc_chain_read(const struct header *header, uint64_t received_ms, struct arena *arena,
                   struct arc_chain *chain, struct str *reason)
{
    struct reading reading = {received_ms, arena, chain};
    struct extent extent = measure(header);
    *chain = (struct arc_chain){0};
    *reason = extent_fault(&extent, header);
    if (reason->length)
        return -EINVAL;
    chain->count = extent.count;
    if (place_fields(&reading, header, reason) < 0)
        return -EINVAL;
    *reason = find_status_fault(chain);
    return reason->length ? -EINVAL : 0;
}
