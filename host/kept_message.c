#include "kept_message.h"

#include <errno.h>

#include "base/buf.h"
#include "worker/wire.h"

/* Of an envelope: recipients, and what was found out about a hostile message. */
#define ENVELOPE_BYTES_MAX ((size_t)256 * 1024)
#define RECIPIENTS_MAX     10000
#define HITS_MAX           100
#define REAL_MAX           1e9 /* of scores */

/* --- structs as tables of values --- */

enum field_type {
    FIELD_TEXT,   /* struct str */
    FIELD_FLAG,   /* bool */
    FIELD_NUMBER, /* unsigned, or an enum, up to `most` */
    FIELD_REAL,   /* double */
};

struct field {
    const char *key; /* NULL: the end */
    enum field_type type;
    size_t offset;
    unsigned most;
};

#define TEXT(type, member)                                                                 \
    {                                                                                      \
#member, FIELD_TEXT, offsetof(struct type, member), 0                              \
    }
#define FLAG(type, member)                                                                 \
    {                                                                                      \
#member, FIELD_FLAG, offsetof(struct type, member), 0                              \
    }
#define NUMBER(type, member, most)                                                         \
    {                                                                                      \
#member, FIELD_NUMBER, offsetof(struct type, member), most                         \
    }
#define REAL(type, member)                                                                 \
    {                                                                                      \
#member, FIELD_REAL, offsetof(struct type, member), 0                              \
    }
#define RESULT(type, member) NUMBER(type, member, AUTH_PERMERROR)
#define END                                                                                \
    {                                                                                      \
        0                                                                                  \
    }

static const struct field client_fields[] = {
    TEXT(message_client, helo), TEXT(message_client, hostname),
    TEXT(message_client, tls_version), TEXT(message_client, tls_cipher), END};

static const struct field asked_fields[] = {
    TEXT(auth_client, hostname), RESULT(auth_client, iprev), TEXT(auth_client, note), END};

static const struct field hit_fields[] = {
    TEXT(auth_list_hit, zone), TEXT(auth_list_hit, code), FLAG(auth_list_hit, is_allowed),
    FLAG(auth_list_hit, rejects), END};

static const struct field spf_fields[] = {
    RESULT(auth_spf, result),  FLAG(auth_spf, is_of_helo), TEXT(auth_spf, domain),
    TEXT(auth_spf, mechanism), TEXT(auth_spf, reason),     END};

static const struct field dkim_fields[] = {RESULT(auth_dkim, result),
                                           TEXT(auth_dkim, domain),
                                           TEXT(auth_dkim, selector),
                                           TEXT(auth_dkim, identity),
                                           TEXT(auth_dkim, algorithm),
                                           TEXT(auth_dkim, signature),
                                           TEXT(auth_dkim, reason),
                                           NUMBER(auth_dkim, key_bits, UINT32_MAX),
                                           END};

static const struct field arc_fields[] = {RESULT(auth_arc, result),
                                          NUMBER(auth_arc, oldest_pass, AUTH_ARC_SETS_MAX),
                                          TEXT(auth_arc, reason), END};

static const struct field arc_set_fields[] = {
    NUMBER(auth_arc_set, instance, AUTH_ARC_SETS_MAX), TEXT(auth_arc_set, sealer),
    TEXT(auth_arc_set, selector), RESULT(auth_arc_set, results_dmarc), END};

static const struct field dmarc_fields[] = {RESULT(auth_dmarc, result),
                                            TEXT(auth_dmarc, from_domain),
                                            TEXT(auth_dmarc, policy_domain),
                                            TEXT(auth_dmarc, organizational_domain),
                                            NUMBER(auth_dmarc, policy, DMARC_POLICY_REJECT),
                                            FLAG(auth_dmarc, is_test),
                                            FLAG(auth_dmarc, is_spf_aligned),
                                            FLAG(auth_dmarc, is_dkim_aligned),
                                            TEXT(auth_dmarc, reason),
                                            END};

static const struct field rspamd_fields[] = {FLAG(auth_rspamd, has_answered),
                                             NUMBER(auth_rspamd, action, RSPAMD_REJECT),
                                             TEXT(auth_rspamd, action_name),
                                             REAL(auth_rspamd, score),
                                             REAL(auth_rspamd, required),
                                             TEXT(auth_rspamd, symbols),
                                             TEXT(auth_rspamd, message),
                                             TEXT(auth_rspamd, reason),
                                             END};

static const struct field verdict_fields[] = {FLAG(auth_verdict, has_more_dkim),
                                              REAL(auth_verdict, spam_score),
                                              TEXT(auth_verdict, spam_reasons), END};

/* --- written --- */

static void write_field(struct buf *out, const struct field *field, const void *thing)
{
    const void *at = (const char *)thing + field->offset;
    switch (field->type) {
    case FIELD_TEXT:
        value_put_string(out, field->key, *(const struct str *)at);
        break;
    case FIELD_FLAG:
        value_put_bool(out, field->key, *(const bool *)at);
        break;
    case FIELD_NUMBER:
        value_put_number(out, field->key, *(const unsigned *)at);
        break;
    case FIELD_REAL:
        value_put_number(out, field->key, *(const double *)at);
        break;
    }
}

static void write_fields(struct buf *out, const char *key, const struct field *fields,
                         const void *thing)
{
    value_put_table(out, key);
    for (; fields->key; fields++)
        write_field(out, fields, thing);
    value_end_table(out);
}

static void write_list(struct buf *out, const char *key, const struct field *fields,
                       const void *things, size_t count, size_t size)
{
    value_put_table(out, key);
    for (size_t i = 0; i < count; i++) {
        value_write_number(out, (double)(i + 1));
        value_begin_table(out);
        for (const struct field *field = fields; field->key; field++)
            write_field(out, field, (const char *)things + i * size);
        value_end_table(out);
    }
    value_end_table(out);
}

static void write_verdict(struct buf *out, const struct auth_verdict *verdict)
{
    const struct auth_client *client = &verdict->client;
    const struct auth_arc *arc = &verdict->arc;
    write_fields(out, "verdict", verdict_fields, verdict);
    write_fields(out, "asked", asked_fields, client);
    write_list(out, "hits", hit_fields, client->hits, client->hit_count,
               sizeof *client->hits);
    write_fields(out, "spf", spf_fields, &verdict->spf);
    write_list(out, "dkim", dkim_fields, verdict->dkim, verdict->dkim_count,
               sizeof *verdict->dkim);
    write_fields(out, "arc", arc_fields, arc);
    write_list(out, "sets", arc_set_fields, arc->sets, arc->count, sizeof *arc->sets);
    write_fields(out, "dmarc", dmarc_fields, &verdict->dmarc);
    write_fields(out, "rspamd", rspamd_fields, &verdict->rspamd);
}

static void write_recipients(struct buf *out, const struct kept_message *kept)
{
    value_put_table(out, "recipients");
    for (size_t i = 0; i < kept->recipient_count; i++) {
        value_write_number(out, (double)(i + 1));
        value_write_string(out, kept->recipients[i].text);
    }
    value_end_table(out);
}

struct str kept_message_envelope(const struct kept_message *kept)
{
    const struct message *message = kept->message;
    char address[NET_ADDRESS_TEXT_BYTES];
    struct buf out;
    buf_init(&out, ENVELOPE_BYTES_MAX);
    value_begin_table(&out);
    value_put_string(&out, "from", message->reverse_path.text);
    write_recipients(&out, kept);
    value_put_string(&out, "address",
                     str_of(net_address_text(&message->client.address, address)));
    write_fields(&out, "client", client_fields, &message->client);
    value_put_bool(&out, "is_8bit", message->is_8bit);
    value_put_bool(&out, "is_utf8", message->is_utf8);
    value_put_bool(&out, "is_reply_unchecked", kept->is_reply_unchecked);
    if (kept->verdict)
        write_verdict(&out, kept->verdict);
    struct str envelope = {0};
    if (value_end_table(&out) == 0)
        envelope = arena_str(message->arena, buf_view(&out));
    buf_free(&out);
    return envelope;
}

/* --- read --- */

/* Neither infinite nor none at all. */
static double bounded(double real)
{
    return real > -REAL_MAX && real < REAL_MAX ? real : 0;
}

static void read_field(const struct value *table, const struct field *field, void *thing)
{
    void *at = (char *)thing + field->offset;
    switch (field->type) {
    case FIELD_TEXT:
        *(struct str *)at = value_get_string(table, field->key, STR(""));
        break;
    case FIELD_FLAG:
        *(bool *)at = value_get_bool(table, field->key, false);
        break;
    case FIELD_NUMBER:
        *(unsigned *)at = (unsigned)value_get_count(table, field->key, field->most, 0);
        break;
    case FIELD_REAL:
        *(double *)at = bounded(value_get_number(table, field->key, 0));
        break;
    }
}

static void read_fields(const struct value *table, const struct field *fields, void *thing)
{
    for (; fields->key; fields++)
        read_field(table, fields, thing);
}

/* As many as there are, `most` at most. */
static size_t read_list(const struct value *table, const struct field *fields, void *things,
                        size_t most, size_t size)
{
    size_t count = table && table->kind == VALUE_TABLE ? table->count : 0;
    if (count > most)
        count = most;
    for (size_t i = 0; i < count; i++)
        read_fields(&table->items[i], fields, (char *)things + i * size);
    return count;
}

static struct auth_verdict *read_verdict(const struct value *envelope, struct arena *arena)
{
    struct auth_verdict *verdict = arena_new_of(arena, struct auth_verdict);
    struct auth_client *client = &verdict->client;
    struct auth_list_hit *hits = arena_array(arena, struct auth_list_hit, HITS_MAX);
    read_fields(value_get(envelope, "verdict"), verdict_fields, verdict);
    read_fields(value_get(envelope, "asked"), asked_fields, client);
    client->hits = hits;
    client->hit_count =
        read_list(value_get(envelope, "hits"), hit_fields, hits, HITS_MAX, sizeof *hits);
    read_fields(value_get(envelope, "spf"), spf_fields, &verdict->spf);
    verdict->dkim_count = read_list(value_get(envelope, "dkim"), dkim_fields, verdict->dkim,
                                    AUTH_DKIM_MAX, sizeof *verdict->dkim);
    read_fields(value_get(envelope, "arc"), arc_fields, &verdict->arc);
    verdict->arc.count =
        (unsigned)read_list(value_get(envelope, "sets"), arc_set_fields, verdict->arc.sets,
                            AUTH_ARC_SETS_MAX, sizeof *verdict->arc.sets);
    read_fields(value_get(envelope, "dmarc"), dmarc_fields, &verdict->dmarc);
    read_fields(value_get(envelope, "rspamd"), rspamd_fields, &verdict->rspamd);
    return verdict;
}

static int read_recipients(const struct value *list, struct kept_message *kept,
                           struct err *err)
{
    struct arena *arena = kept->message->arena;
    if (!list || list->kind != VALUE_TABLE || list->count == 0 ||
        list->count > RECIPIENTS_MAX)
        return err_set(err, -EBADMSG, "it has no recipients");
    kept->recipients = arena_array(arena, struct mailbox, list->count);
    kept->recipient_count = list->count;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind != VALUE_STRING ||
            mailbox_parse(list->items[i].string, arena, &kept->recipients[i]) < 0)
            return err_set(err, -EBADMSG, "a recipient of it is no address");
    return 0;
}

static int read_envelope(const struct value *envelope, struct kept_message *kept,
                         struct err *err)
{
    struct message *message = kept->message;
    struct str from = value_get_string(envelope, "from", STR(""));
    message->reverse_path.is_null = from.length == 0;
    if (from.length && mailbox_parse(from, message->arena, &message->reverse_path) < 0)
        return err_set(err, -EBADMSG, "its sender is no address");
    if (net_address_parse_port(value_get_string(envelope, "address", STR("")), 0,
                               &message->client.address) < 0)
        return err_set(err, -EBADMSG, "its client has no address");
    read_fields(value_get(envelope, "client"), client_fields, &message->client);
    message->is_8bit = value_get_bool(envelope, "is_8bit", false);
    message->is_utf8 = value_get_bool(envelope, "is_utf8", false);
    kept->is_reply_unchecked = value_get_bool(envelope, "is_reply_unchecked", false);
    if (value_get(envelope, "verdict"))
        kept->verdict = read_verdict(envelope, message->arena);
    return read_recipients(value_get(envelope, "recipients"), kept, err);
}

int kept_message_read(const struct store_kept *stored, struct kept_message *kept,
                      struct err *err)
{
    struct message *message = message_new();
    struct arena *arena = message->arena;
    *kept = (struct kept_message){.message = message};
    message->raw = blob_copy(stored->content);
    header_parse(blob_view(message->raw), arena, &message->header);
    message->id = arena_str(arena, stored->id);
    message->received_at = stored->time_ms;
    struct value *envelope = value_decode(arena_str(arena, stored->envelope), arena);
    int result = envelope ? read_envelope(envelope, kept, err)
                          : err_set(err, -EBADMSG, "its envelope cannot be read");
    if (result == 0)
        return 0;
    message_release(message);
    kept->message = NULL;
    return result;
}
