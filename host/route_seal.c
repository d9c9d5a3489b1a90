/* Who signs what leaves: the forwarding domain and the recipient's, once for each message and recipient's domain. */
#include <errno.h>

#include "route.h"

#include "auth/results_header.h"
#include "delivery/seal.h"

/* What was made for one domain. */
struct seal {
    struct str domain, fields;
    struct seal *next;
};

/* The value of our Authentication-Results, which is the first of the trace fields, if there is one. */
static struct str own_results(const struct passage *passage)
{
    if (!passage->verdict || passage->verdict->arc.result == AUTH_TEMPERROR)
        return STR("");
    struct header header;
    header_parse(passage->message->trace, passage->message->arena, &header);
    if (header.count == 0 ||
        !str_equal_nocase(header.fields[0].name, STR("Authentication-Results")))
        return STR("");
    return str_trim(header.fields[0].value);
}

static enum seal_chain chain_of(const struct passage *passage)
{
    if (!passage->verdict || passage->verdict->arc.result == AUTH_NONE)
        return SEAL_CHAIN_NONE;
    return passage->verdict->arc.result == AUTH_PASS ? SEAL_CHAIN_PASS : SEAL_CHAIN_FAIL;
}

static int seal(struct passage *passage, const struct mailbox *recipient,
                struct seal_request request, struct arena *arena, struct str *fields)
{
    const struct str domains[] = {
        route_forwarding_domain(passage, recipient),
        recipient->domain,
    };
    struct err err = {0};
    *fields = STR("");
    if (!passage->config->keys || !passage->config->has_seal)
        return 0;
    request.domains = domains;
    request.domain_count = sizeof domains / sizeof *domains;
    request.now_ms = unix_now_ms();
    int result = seal_message(passage->config->keys, &request, arena, fields, &err);
    if (result == -EIO)
        EVENT(passage->trail, STATUS_QUEUE_TROUBLED,
              FIELD("what", STR("a key cannot sign")), FIELD("detail", str_of(err.text)));
    return result;
}

int route_seal_edited(struct passage *passage, const struct mailbox *recipient,
                      const struct header *header, struct arena *arena, struct str *fields)
{
    struct str raw = blob_view(passage->message->raw);
    struct seal_request request = {
        .header = header,
        .body = str_from(raw, passage->message->header.body_offset),
        .results = own_results(passage),
        .chain = chain_of(passage),
    };
    return seal(passage, recipient, request, arena, fields);
}

int route_seal(struct passage *passage, const struct mailbox *recipient, struct str *fields)
{
    struct arena *arena = passage->message->arena;
    for (const struct seal *made = passage->seals; made; made = made->next)
        if (str_equal(made->domain, recipient->domain)) {
            *fields = made->fields;
            return 0;
        }
    int result =
        route_seal_edited(passage, recipient, &passage->message->header, arena, fields);
    if (result < 0)
        return result;
    struct seal *made = arena_new_of(arena, struct seal);
    *made = (struct seal){recipient->domain, *fields, passage->seals};
    passage->seals = made;
    return 0;
}

int route_sign(struct passage *passage, const struct mailbox *recipient, struct str content,
               struct arena *arena, struct str *fields)
{
    struct header header;
    header_parse(content, arena, &header);
    struct seal_request request = {
        .header = &header,
        .body = str_from(content, header.body_offset),
    };
    return seal(passage, recipient, request, arena, fields);
}
