/* What Rspamd says is checked as any peer's words are, although the peer is our own: senders choose much of it
 * (file names, addresses, pieces of the text), so nothing in it may make the answer as a whole unreadable. */
#include "auth/rspamd.h"

#include <errno.h>
#include <jansson.h>

#include "auth/spam_score.h"
#include "base/buf.h"
#include "base/task.h"

#define ANSWER_BYTES_MAX  ((size_t)4 * 1024 * 1024) /* it lists each URL of the message */
#define SYMBOLS_BYTES_MAX ((size_t)900)
#define SYMBOLS_TOLD_MAX  20
#define NAME_BYTES_MAX    64
#define MESSAGE_BYTES_MAX 200
#define FIELDS_MAX        5
#define DEPTH_MAX         32

int auth_rspamd_url(struct str text, struct str *url)
{
    size_t scheme = str_starts(text, STR("http://"))    ? STR("http://").length
                    : str_starts(text, STR("https://")) ? STR("https://").length
                                                        : 0;
    if (scheme == 0 || text.length == scheme || text.at[scheme] == '/')
        return -EINVAL;
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '?' || text.at[i] == '#')
            return -EINVAL;
    if (text.at[text.length - 1] == '/')
        text.length--;
    *url = text;
    return 0;
}

/* --- the question --- */

static void add_field(struct http_request *request, struct http_field fields[],
                      const char *name, struct str value)
{
    if (value.length && header_value_is_valid(value))
        fields[request->field_count++] = (struct http_field){name, value};
}

/* In the arena. */
static struct http_request question_of(struct str url, const struct message *message,
                                       struct arena *arena)
{
    struct http_field *fields = arena_array(arena, struct http_field, FIELDS_MAX);
    struct http_request request = {
        .method = "POST",
        .url = arena_printf(arena, "%.*s/checkv2", STR_ARG(url)),
        .fields = fields,
        .body = blob_view(message->raw),
        .response_bytes_max = ANSWER_BYTES_MAX,
    };
    const struct message_client *peer = &message->client;
    char *ip = arena_alloc(arena, NET_ADDRESS_TEXT_BYTES);
    add_field(&request, fields, "IP", str_of(net_address_ip_text(&peer->address, ip)));
    add_field(&request, fields, "Helo", peer->helo);
    add_field(&request, fields, "Hostname", peer->hostname);
    add_field(&request, fields, "From",
              str_of(arena_printf(arena, "<%.*s>", STR_ARG(message->reverse_path.text))));
    add_field(&request, fields, "Queue-Id", message->id);
    return request;
}

/* --- the answer --- */

/* jansson recurses for each level, and a task's stack is small. */
static bool is_shallow(struct str json)
{
    int depth = 0;
    bool is_text = false;
    for (size_t i = 0; i < json.length && depth <= DEPTH_MAX; i++) {
        char c = json.at[i];
        if (c == '"')
            is_text = !is_text;
        else if (is_text)
            i += c == '\\';
        else
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return depth <= DEPTH_MAX;
}

/* All that we read is ASCII; a sender's bytes that are not UTF-8 must not spoil the rest. */
static struct str as_ascii(struct str json, struct arena *arena)
{
    char *ascii = arena_text(arena, json);
    for (size_t i = 0; i < json.length; i++)
        if ((unsigned char)ascii[i] > '~')
            ascii[i] = '?';
    return (struct str){ascii, json.length};
}

static enum auth_rspamd_action action_of(const char *name)
{
    static const struct {
        const char *name;
        enum auth_rspamd_action action;
    } actions[] = {
        {"reject", RSPAMD_REJECT},     {"discard", RSPAMD_REJECT},
        {"soft reject", RSPAMD_DEFER}, {"greylist", RSPAMD_DEFER},
        {"add header", RSPAMD_MARK},   {"rewrite subject", RSPAMD_MARK},
        {"quarantine", RSPAMD_MARK},
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (str_equal(str_of(actions[i].name), str_of(name)))
            return actions[i].action;
    return RSPAMD_ACCEPT;
}

/* A word of the answer, with nothing in it that could be taken for anything else. */
static struct str word_of(const char *name, struct arena *arena)
{
    struct str text = str_of(name);
    char *word = arena_text(
        arena,
        str_part(text, 0, text.length < NAME_BYTES_MAX ? text.length : NAME_BYTES_MAX));
    for (char *c = word; *c; c++)
        if (!ascii_alnum(*c) && *c != '_')
            *c = '-';
    return str_of(word);
}

static struct str symbols_of(json_t *symbols, struct arena *arena)
{
    const char *name;
    json_t *symbol;
    size_t told = 0;
    struct buf text;
    buf_init(&text, SYMBOLS_BYTES_MAX);
    json_object_foreach(symbols, name, symbol)
    {
        double score = json_number_value(json_object_get(symbol, "score"));
        if (score == 0 || told == SYMBOLS_TOLD_MAX)
            continue;
        told++;
        buf_printf(&text, "%s%.*s=%.1f", told > 1 ? " " : "", STR_ARG(word_of(name, arena)),
                   score);
    }
    struct str kept = arena_str(arena, buf_view(&text));
    buf_free(&text);
    return kept;
}

/* For a reply: one line. */
static struct str message_of(const json_t *messages, struct arena *arena)
{
    json_t *message = json_object_get(messages, "smtp_message");
    struct str text = {json_string_value(message), json_string_length(message)};
    if (text.length > MESSAGE_BYTES_MAX)
        text.length = MESSAGE_BYTES_MAX;
    char *line = arena_text(arena, text);
    for (size_t i = 0; i < text.length; i++)
        if (line[i] < ' ' || line[i] > '~')
            line[i] = ' ';
    return str_trim((struct str){line, text.length});
}

static int take(const json_t *answer, struct arena *arena, struct auth_rspamd *rspamd)
{
    const json_t *score = json_object_get(answer, "score");
    const char *action = json_string_value(json_object_get(answer, "action"));
    double required = json_number_value(json_object_get(answer, "required_score"));
    if (!json_is_number(score) || !action || !(required > 0))
        return -EBADMSG;
    *rspamd = (struct auth_rspamd){
        .has_answered = true,
        .action = action_of(action),
        .action_name = word_of(action, arena),
        .score = json_number_value(score),
        .required = required,
        .symbols = symbols_of(json_object_get(answer, "symbols"), arena),
        .message = message_of(json_object_get(answer, "messages"), arena),
    };
    return 0;
}

int auth_rspamd_parse(struct str json, struct arena *arena, struct auth_rspamd *rspamd,
                      struct err *err)
{
    if (!is_shallow(json))
        return err_set(err, -EBADMSG, "its answer is nested too deep");
    struct arena *scratch = arena_new();
    struct str ascii = as_ascii(json, scratch);
    json_error_t error;
    json_t *answer = json_loadb(ascii.at, ascii.length, JSON_ALLOW_NUL, &error);
    arena_free(scratch);
    int result = 0;
    if (!answer)
        result = err_set(err, -EBADMSG, "its answer is not JSON: line %d", error.line);
    else if (take(answer, arena, rspamd) < 0)
        result = err_set(err, -EBADMSG, "its answer is not one of /checkv2");
    json_decref(answer);
    return result;
}

int auth_rspamd_check(struct http_client *client, struct str url,
                      const struct message *message, uint64_t deadline_ms,
                      struct auth_rspamd *rspamd)
{
    struct arena *scratch = arena_new();
    struct http_request request = question_of(url, message, scratch);
    struct http_response response;
    struct err err = {0};
    task_stage("asking Rspamd");
    *rspamd = (struct auth_rspamd){0};
    int result =
        http_client_request(client, &request, deadline_ms, scratch, &response, &err);
    if (result == 0 && response.status != 200)
        result = err_set(&err, -EBADMSG, "its answer is HTTP status %u", response.status);
    if (result == 0)
        result = auth_rspamd_parse(response.body, message->arena, rspamd, &err);
    if (result < 0)
        rspamd->reason = str_of(
            arena_printf(message->arena, "Rspamd at %.*s: %s", STR_ARG(url), err.text));
    arena_free(scratch);
    return result == -ECANCELED ? result : 0;
}

/* --- the score --- */

void auth_rspamd_score(struct arena *arena, struct auth_verdict *verdict)
{
    const struct auth_rspamd *rspamd = &verdict->rspamd;
    double share = rspamd->score / rspamd->required;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    verdict->spam_score = share * AUTH_SPAM_SCORE_MAX;
    verdict->spam_reasons =
        str_of(arena_printf(arena, "rspamd=%.1f/%.1f %.*s%s%.*s", rspamd->score,
                            rspamd->required, STR_ARG(rspamd->action_name),
                            rspamd->symbols.length ? " " : "", STR_ARG(rspamd->symbols)));
}
