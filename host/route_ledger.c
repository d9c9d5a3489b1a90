/* No duplicates: a sender that was told to come again brings the message for all its recipients, and what was sent for
 * it the first time is not sent once more (DESIGN.md 1). The ledger is touched only by transactions that are answered
 * 4xx after something was sent, and by those that come when it has an entry at all. */
#include <errno.h>
#include <string.h>

#include "route.h"

#include "mail/canonical.h"

/* Longer than any sender tries. */
#define LEDGER_MS (7ULL * 24 * 3600 * 1000)

/* What names the message whichever session brings it; false when the wait for it was cut short. */
static bool name_message(struct passage *passage)
{
    struct str raw = blob_view(passage->message->raw);
    struct canonical_hash hash = {.form = CANONICAL_SIMPLE, .limit = CANONICAL_ALL};
    if (passage->name.length)
        return true;
    if (canonical_hash_body(str_from(raw, passage->message->header.body_offset), &hash, 1) <
        0)
        return false;
    struct arena *arena = passage->message->arena;
    struct str id = header_value(&passage->message->header, STR("Message-ID"), arena);
    size_t length = id.length + sizeof hash.hash;
    char *name = arena_alloc(arena, length);
    memcpy(name, hash.hash, sizeof hash.hash);
    memcpy(name + sizeof hash.hash, id.at ? id.at : "", id.length);
    passage->name = (struct str){name, length};
    return true;
}

/* The leg's key by each of the secrets, the present one first; 0 when it could not be named. */
static size_t leg_keys(struct passage *passage, const struct leg *leg,
                       struct str keys[SECRETS_MAX])
{
    const struct secret *secret = passage->router->secret;
    if (!secret || !name_message(passage))
        return 0;
    struct arena *arena = passage->message->arena;
    const char *envelope = arena_printf(
        arena, "%s %.*s %.*s %.*s ", leg->is_reply ? "reply" : "forward",
        STR_ARG(passage->message->reverse_path.text),
        STR_ARG(leg->outcome->recipient->mailbox.text), STR_ARG(leg->destination.text));
    size_t envelope_length = strlen(envelope);
    size_t length = envelope_length + passage->name.length;
    char *text = arena_alloc(arena, length);
    memcpy(text, envelope, envelope_length);
    memcpy(text + envelope_length, passage->name.at, passage->name.length);
    size_t count = secret_count(secret);
    for (size_t i = 0; i < count; i++) {
        unsigned char *mac = arena_alloc(arena, SECRET_MAC_BYTES);
        secret_mac(secret, i, SECRET_LEDGER, (struct str){text, length}, mac);
        keys[i] = (struct str){(const char *)mac, SECRET_MAC_BYTES};
    }
    return count;
}

bool route_was_sent(struct passage *passage, const struct leg *leg)
{
    struct store *store = passage->router->store;
    struct str keys[SECRETS_MAX];
    bool found[SECRETS_MAX] = {false};
    if (!store || !store_ledger_is_used(store))
        return false;
    size_t count = leg_keys(passage, leg, keys);
    if (count == 0 || store_ledger_find(store, keys, count, unix_now_ms(), found) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (found[i])
            return true;
    return false;
}

void route_remember_sent(struct passage *passage)
{
    size_t count = 0;
    list_foreach (node, &passage->legs)
        count += leg_is_sent(list_entry(node, struct leg, node));
    if (count == 0 || !passage->router->store)
        return;
    struct str *sent = arena_array(passage->message->arena, struct str, count);
    size_t sent_count = 0;
    list_foreach (node, &passage->legs) {
        const struct leg *leg = list_entry(node, struct leg, node);
        struct str keys[SECRETS_MAX];
        if (leg_is_sent(leg) && leg_keys(passage, leg, keys) > 0)
            sent[sent_count++] = keys[0];
    }
    int result = sent_count ? store_ledger_add(passage->router->store, sent, sent_count,
                                               unix_now_ms() + LEDGER_MS)
                            : -ECANCELED;
    if (result < 0)
        EVENT(passage->trail, STATUS_QUEUE_TROUBLED,
              FIELD("what", STR("the next attempt of the sender will be delivered twice")),
              FIELD("detail", str_of(strerror(-result))));
}
