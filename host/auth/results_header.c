/* Everything that comes from DNS or from the message goes through safe_value or safe_comment: what they let
 * through is printable, on one line, of bounded length, and ends neither the value or comment nor the
 * field. */
#include "auth/results_header.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

#define FIELDS_BYTES_MAX   ((size_t)64 * 1024)
#define FIELDS_BYTES_USUAL 1000
#define LINE_BYTES_FOLD    78
#define VALUE_BYTES_MAX    254 /* a mailbox or a domain */
#define COMMENT_BYTES_MAX  400
#define PIECE_BYTES_MAX    ((size_t)VALUE_BYTES_MAX * 2 + 64)
#define PROPERTY_BYTES_MAX 32
#define SEALERS_TOLD_MAX   3
#define BLOCK_LISTS_MAX    8

/* --- folded writing --- */

struct writer {
    struct buf buf;
    size_t line_bytes;
};

static void append(struct writer *writer, struct str text)
{
    invariant(buf_append(&writer->buf, text) == 0, "results: all parts are bounded");
    writer->line_bytes += text.length;
}

static void begin_field(struct writer *writer, const char *name)
{
    writer->line_bytes = 0;
    append(writer, str_of(name));
    append(writer, STR(":"));
}

static void end_field(struct writer *writer)
{
    append(writer, STR("\r\n"));
}

static void fold(struct writer *writer)
{
    append(writer, STR("\r\n\t"));
    writer->line_bytes = 8;
}

/* A piece without blanks in which a line could be folded. */
static void put(struct writer *writer, struct str piece)
{
    if (writer->line_bytes + 1 + piece.length > LINE_BYTES_FOLD)
        fold(writer);
    else
        append(writer, STR(" "));
    append(writer, piece);
}

/* --- what is safe to write --- */

static bool is_plain(char c)
{
    return c > 32 && c < 127 && !strchr("()<>,;:\\\"/[]?=", c);
}

/* RFC 8601 `pvalue`: as it is, or a quoted-string. Bytes above 127 only where the message may have them. */
static size_t safe_value(struct str value, bool is_utf8, char text[PIECE_BYTES_MAX])
{
    size_t bytes = value.length < VALUE_BYTES_MAX ? value.length : VALUE_BYTES_MAX;
    bool is_quoted = bytes == 0;
    size_t length = 0;
    text[length++] = '"';
    for (size_t i = 0; i < bytes; i++) {
        char c = value.at[i];
        if ((unsigned char)c > 127 ? !is_utf8 : c < 32 || c == 127)
            c = '?';
        if (c == '"' || c == '\\')
            text[length++] = '\\';
        is_quoted |= (unsigned char)c < 128 && !is_plain(c);
        text[length++] = c;
    }
    text[length++] = '"';
    if (is_quoted)
        return length;
    memmove(text, text + 1, length - 2);
    return length - 2;
}

/* Nothing in it that a reader, however simple, could take for syntax. */
static char safe_in_comment(char c)
{
    switch (c) {
    case '(':
        return '[';
    case ')':
        return ']';
    case ';':
        return ',';
    case '"':
        return '\'';
    case '\\':
        return '/';
    default:
        return c >= 32 && c < 127 ? c : '?';
    }
}

/* --- the parts of an Authentication-Results field --- */

static void put_result(struct writer *writer, struct str method, enum auth_result result)
{
    append(writer, STR(";"));
    fold(writer);
    append(writer, method);
    append(writer, STR("="));
    append(writer, str_of(auth_result_name(result)));
}

static void put_property(struct writer *writer, struct str name, struct str value,
                         bool is_utf8)
{
    char text[PROPERTY_BYTES_MAX + 1 + PIECE_BYTES_MAX];
    invariant(name.length <= PROPERTY_BYTES_MAX, "results: a property with a long name");
    memcpy(text, name.at, name.length);
    text[name.length] = '=';
    size_t length = name.length + 1;
    length += safe_value(value, is_utf8, text + length);
    put(writer, (struct str){text, length});
}

static void put_property_if_any(struct writer *writer, struct str name, struct str value)
{
    if (value.length)
        put_property(writer, name, value, false);
}

/* `text` may be longer than what is told of it; it folds at its blanks. */
static void put_comment(struct writer *writer, struct str text)
{
    char safe[COMMENT_BYTES_MAX + 2];
    size_t length = 0;
    safe[length++] = '(';
    for (size_t i = 0; i < text.length && length <= COMMENT_BYTES_MAX; i++)
        safe[length++] = safe_in_comment(text.at[i]);
    safe[length++] = ')';
    struct str rest = {safe, length};
    while (rest.length) {
        struct str word = str_cut(&rest, ' ');
        if (word.length)
            put(writer, word);
    }
}

static void put_comment_if_any(struct writer *writer, struct str text)
{
    text = str_trim(text);
    if (text.length)
        put_comment(writer, text);
}

static void put_spf(struct writer *writer, const struct message *message,
                    const struct auth_spf *spf)
{
    put_result(writer, STR("spf"), spf->result);
    put_comment_if_any(writer, spf->reason.length ? spf->reason : spf->mechanism);
    if (!spf->is_of_helo && !message->reverse_path.is_null)
        put_property(writer, STR("smtp.mailfrom"), message->reverse_path.text,
                     message->is_utf8);
    else
        put_property(writer, STR("smtp.helo"),
                     spf->domain.length ? spf->domain : message->client.helo, false);
}

static void put_signature(struct writer *writer, const struct auth_dkim *dkim)
{
    put_result(writer, STR("dkim"), dkim->result);
    char bits[32];
    snprintf(bits, sizeof bits, "%u-bit key", dkim->key_bits);
    put_comment_if_any(writer, dkim->result != AUTH_PASS ? dkim->reason
                               : dkim->key_bits          ? str_of(bits)
                                                         : STR(""));
    put_property_if_any(writer, STR("header.d"), dkim->domain);
    put_property_if_any(writer, STR("header.i"), dkim->identity);
    put_property_if_any(writer, STR("header.s"), dkim->selector);
    put_property_if_any(writer, STR("header.a"), dkim->algorithm);
    put_property_if_any(writer, STR("header.b"), dkim->signature);
}

static void put_dkim(struct writer *writer, const struct auth_verdict *verdict)
{
    if (verdict->dkim_count == 0)
        put_result(writer, STR("dkim"), AUTH_NONE);
    for (size_t i = 0; i < verdict->dkim_count; i++)
        put_signature(writer, &verdict->dkim[i]);
    if (verdict->has_more_dkim)
        put_comment(writer, STR("more signatures were not looked at"));
}

static void put_dmarc(struct writer *writer, const struct auth_verdict *verdict,
                      struct arena *arena)
{
    const struct auth_dmarc *dmarc = &verdict->dmarc;
    const char *policy = auth_dmarc_policy_name(dmarc->policy);
    put_result(writer, STR("dmarc"), dmarc->result);
    put_comment_if_any(writer, dmarc->reason);
    if (verdict->is_arc_overridden)
        put_comment(writer, STR("overridden by the ARC chain of a trusted sealer"));
    if (dmarc->policy_domain.length)
        put_comment(writer, str_of(arena_printf(arena, "p=%s%s of %.*s", policy,
                                                dmarc->is_test ? " in test" : "",
                                                STR_ARG(dmarc->policy_domain))));
    put_property_if_any(writer, STR("header.from"), dmarc->from_domain);
    if (dmarc->policy_domain.length)
        put_property(writer, STR("policy.dmarc"), str_of(policy), false);
}

static void put_arc(struct writer *writer, const struct auth_arc *arc, struct str client_ip,
                    struct arena *arena)
{
    put_result(writer, STR("arc"), arc->result);
    put_comment_if_any(writer, arc->reason);
    if (arc->result == AUTH_NONE)
        return;
    size_t told = 0;
    for (size_t i = arc->count; i-- > 0 && told < SEALERS_TOLD_MAX; told++)
        put_comment(writer,
                    str_of(arena_printf(arena, "i=%u by %.*s", arc->sets[i].instance,
                                        STR_ARG(arc->sets[i].sealer))));
    put_property(writer, STR("smtp.remote-ip"), client_ip, false);
    put_property(writer, STR("header.oldest-pass"),
                 str_of(arena_printf(arena, "%u", arc->oldest_pass)), false);
}

static void put_iprev(struct writer *writer, const struct auth_client *client,
                      struct str client_ip)
{
    put_result(writer, STR("iprev"), client->iprev);
    put_comment_if_any(writer, client->hostname);
    put_property(writer, STR("policy.iprev"), client_ip, false);
}

static void put_results(struct writer *writer, const struct auth_options *options,
                        const struct message *message, const struct auth_verdict *verdict)
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct str client_ip = str_of(net_address_ip_text(&message->client.address, ip));
    begin_field(writer, "Authentication-Results");
    put(writer, options->authserv_id);
    size_t before = writer->buf.length;
    if (verdict->client.iprev != AUTH_NONE)
        put_iprev(writer, &verdict->client, client_ip);
    if (options->spf != AUTH_OFF)
        put_spf(writer, message, &verdict->spf);
    if (options->dkim != AUTH_OFF)
        put_dkim(writer, verdict);
    if (options->dmarc != AUTH_OFF)
        put_dmarc(writer, verdict, message->arena);
    if (options->arc != AUTH_OFF)
        put_arc(writer, &verdict->arc, client_ip, message->arena);
    if (writer->buf.length == before)
        append(writer, STR("; none"));
    end_field(writer);
}

/* --- marks --- */

static void put_spam_score(struct writer *writer, const struct auth_verdict *verdict)
{
    char score[16];
    snprintf(score, sizeof score, "%.1f", verdict->spam_score);
    begin_field(writer, "X-Postern-Spam-Score");
    put(writer, str_of(score));
    put_comment_if_any(writer, verdict->spam_reasons);
    end_field(writer);
}

static void put_block_lists(struct writer *writer, const struct auth_client *client,
                            struct arena *arena)
{
    begin_field(writer, "X-Postern-Block-List");
    for (size_t i = 0; i < client->hit_count && i < BLOCK_LISTS_MAX; i++) {
        const struct auth_list_hit *hit = &client->hits[i];
        put(writer,
            str_of(arena_printf(arena, "%.*s=%.*s%s", STR_ARG(hit->zone),
                                STR_ARG(hit->code), hit->is_allowed ? "/allowed" : "")));
    }
    end_field(writer);
}

struct str auth_results_fields(const struct auth_options *options,
                               const struct message *message,
                               const struct auth_verdict *verdict,
                               const char *quarantined_by, struct arena *arena)
{
    struct writer writer;
    buf_init(&writer.buf, FIELDS_BYTES_MAX);
    buf_reserve(&writer.buf, FIELDS_BYTES_USUAL);
    put_results(&writer, options, message, verdict);
    if (options->scores_spam)
        put_spam_score(&writer, verdict);
    if (verdict->client.hit_count)
        put_block_lists(&writer, &verdict->client, arena);
    if (*quarantined_by) {
        begin_field(&writer, "X-Postern-Quarantine");
        put(&writer, str_of(quarantined_by));
        end_field(&writer);
    }
    struct str fields = arena_str(arena, buf_view(&writer.buf));
    buf_free(&writer.buf);
    return fields;
}
