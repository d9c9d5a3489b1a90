/* HTTP/1.0 with one request per connection: the answer ends where the connection does. What it says is
 * checked as any peer's words are, although the peer is our own. */
#include "auth/rspamd.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "auth/spam_score.h"
#include "base/buf.h"
#include "base/task.h"
#include "net/stream.h"

#define ANSWER_BYTES_MAX  ((size_t)256 * 1024)
#define REQUEST_BYTES_MAX ((size_t)8 * 1024)
#define REASONS_BYTES_MAX ((size_t)1000)
#define SYMBOLS_TOLD_MAX  20
#define DEFAULT_PORT      11333
#define DEPTH_MAX         32

int auth_rspamd_address(struct str url, struct net_address *address)
{
    if (!str_starts_nocase(url, STR("http://")))
        return -EINVAL;
    url = str_from(url, STR("http://").length);
    if (url.length && url.at[url.length - 1] == '/')
        url.length--;
    return net_address_parse_port(url, DEFAULT_PORT, address);
}

/* --- the question --- */

static int append_field(struct buf *request, const char *name, struct str value)
{
    if (value.length == 0 || !header_value_is_valid(value))
        return 0;
    return buf_printf(request, "%s: %.*s\r\n", name, STR_ARG(value));
}

static int write_question(const struct message *message, struct buf *request)
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    const struct message_client *client = &message->client;
    struct str client_ip = str_of(net_address_ip_text(&client->address, ip));
    if (buf_printf(request,
                   "POST /checkv2 HTTP/1.0\r\nConnection: close\r\nContent-Length: %zu\r\n",
                   message->raw->length) < 0 ||
        append_field(request, "IP", client_ip) < 0 ||
        append_field(request, "Helo", client->helo) < 0 ||
        append_field(request, "Hostname", client->hostname) < 0 ||
        append_field(request, "From", message->reverse_path.text) < 0 ||
        append_field(request, "Queue-Id", message->id) < 0)
        return -ENOBUFS;
    return buf_append(request, STR("\r\n"));
}

static int send_question(struct net_stream *stream, const struct message *message,
                         uint64_t deadline_ms)
{
    struct buf request;
    buf_init(&request, REQUEST_BYTES_MAX);
    int result = write_question(message, &request);
    const struct str parts[] = {buf_view(&request), blob_view(message->raw)};
    if (result == 0)
        result = net_stream_write(stream, parts, 2, deadline_ms);
    buf_free(&request);
    return result;
}

/* --- the answer --- */

static int read_answer(struct net_stream *stream, uint64_t deadline_ms, struct buf *answer)
{
    for (;;) {
        int result = net_stream_fill(stream, deadline_ms);
        if (result <= 0)
            return result;
        struct str input = net_stream_input(stream);
        if (buf_append(answer, input) < 0)
            return -ENOBUFS;
        net_stream_consume(stream, input.length);
    }
}

/* jansson recurses for each level, and a task's stack is small; brackets within strings count too. */
static bool is_shallow(struct str json)
{
    int depth = 0;
    for (size_t i = 0; i < json.length && depth <= DEPTH_MAX; i++) {
        char c = json.at[i];
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return depth <= DEPTH_MAX;
}

/* "HTTP/1.1 200 OK", fields, an empty line, JSON. */
static json_t *parse_answer(struct str answer)
{
    ptrdiff_t code = str_index(answer, ' ');
    ptrdiff_t body = str_find(answer, STR("\r\n\r\n"));
    if (!str_starts(answer, STR("HTTP/1.")) || code < 0 || body < 0 ||
        !str_starts(str_from(answer, (size_t)code), STR(" 200 ")))
        return NULL;
    struct str json = str_from(answer, (size_t)body + 4);
    return is_shallow(json) ? json_loadb(json.at, json.length, JSON_REJECT_DUPLICATES, NULL)
                            : NULL;
}

/* A word of the answer, with nothing in it that could be taken for anything else. */
static void append_word(struct buf *reasons, const char *word)
{
    for (; *word; word++) {
        char c = ascii_alnum(*word) || *word == '_' ? *word : '-';
        buf_append(reasons, (struct str){&c, 1});
    }
}

static void append_symbols(struct buf *reasons, json_t *symbols)
{
    const char *name;
    json_t *symbol;
    size_t told = 0;
    json_object_foreach(symbols, name, symbol)
    {
        double score = json_number_value(json_object_get(symbol, "score"));
        if (score == 0 || told == SYMBOLS_TOLD_MAX)
            continue;
        told++;
        buf_append(reasons, STR(" "));
        append_word(reasons, name);
        buf_printf(reasons, "=%.1f", score);
    }
}

static struct str write_reasons(json_t *answer, double score, double required,
                                struct arena *arena)
{
    struct buf reasons;
    buf_init(&reasons, REASONS_BYTES_MAX);
    const char *action = json_string_value(json_object_get(answer, "action"));
    buf_printf(&reasons, "rspamd=%.1f/%.1f ", score, required);
    append_word(&reasons, action ? action : "");
    append_symbols(&reasons, json_object_get(answer, "symbols"));
    struct str text = arena_str(arena, buf_view(&reasons));
    buf_free(&reasons);
    return text;
}

static int take_answer(struct str text, struct arena *arena, struct auth_verdict *verdict,
                       struct err *err)
{
    json_t *answer = parse_answer(text);
    json_t *score = json_object_get(answer, "score");
    double required = json_number_value(json_object_get(answer, "required_score"));
    int result = 0;
    if (!json_is_number(score) || required <= 0) {
        result = err_set(err, -EBADMSG, "its answer is not one of /checkv2");
    } else {
        double share = json_number_value(score) / required;
        share = share < 0 ? 0 : share > 1 ? 1 : share;
        verdict->spam_score = share * AUTH_SPAM_SCORE_MAX;
        verdict->spam_reasons =
            write_reasons(answer, json_number_value(score), required, arena);
    }
    json_decref(answer);
    return result;
}

int auth_rspamd_score(const struct net_address *rspamd, const struct message *message,
                      uint64_t deadline_ms, struct auth_verdict *verdict, struct err *err)
{
    char peer[NET_ADDRESS_TEXT_BYTES];
    struct net_stream *stream = NULL;
    struct buf answer;
    task_stage("asking Rspamd");
    buf_init(&answer, ANSWER_BYTES_MAX);
    int result = net_stream_connect(rspamd, NULL, deadline_ms, &stream);
    if (result == 0)
        result = send_question(stream, message, deadline_ms);
    if (result == 0)
        result = read_answer(stream, deadline_ms, &answer);
    if (result < 0)
        err_set(err, result, "%s", strerror(-result));
    else
        result = take_answer(buf_view(&answer), message->arena, verdict, err);
    if (result < 0)
        err_prefix(err, "Rspamd at %s", net_address_text(rspamd, peer));
    net_stream_close(stream);
    buf_free(&answer);
    return result;
}
