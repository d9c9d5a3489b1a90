#include "http/worker_request.h"

#include <errno.h>

#include "binding.h"
#include "event_run.h"

#include "worker/wire.h"

#define STATUS_MIN 200
#define STATUS_MAX 599
#define BODY_MAX   ((size_t)10 * 1024 * 1024)
#define EVENT_MAX  WIRE_FRAME_BYTES_MAX

void http_plain_response(struct http_server_response *response, unsigned status,
                         struct str text)
{
    static const struct http_field plain = {"Content-Type",
                                            {"text/plain;charset=UTF-8", 24}};
    *response = (struct http_server_response){
        .status = status, .fields = &plain, .field_count = 1, .body = text};
}

/* --- the event --- */

static void put_field(struct buf *out, size_t number, const struct http_field *field,
                      struct arena *arena)
{
    char *name = arena_text(arena, str_of(field->name));
    for (char *c = name; *c; c++)
        *c = ascii_lower(*c);
    value_write_number(out, (double)number);
    value_begin_table(out);
    value_put_string(out, "name", str_of(name));
    value_put_string(out, "value", field->value);
    value_end_table(out);
}

static void put_fields(struct buf *out, const struct http_server_request *http,
                       struct arena *arena)
{
    value_put_table(out, "headers");
    for (size_t i = 0; i < http->head->field_count; i++)
        put_field(out, i + 1, &http->head->fields[i], arena);
    value_end_table(out);
}

/* A client of HTTP/1.0 may have named no host. */
static struct str url_of(const struct http_worker_request *request, struct arena *arena)
{
    struct str host = request->http->head->host;
    const char *name = request->config->host_name;
    if (host.length == 0)
        host = str_of(name);
    return str_of(arena_printf(arena, "%s://%.*s%.*s",
                               request->client.is_https ? "https" : "http", STR_ARG(host),
                               STR_ARG(request->http->head->target)));
}

struct str http_worker_event(const struct http_worker_request *request, struct arena *arena)
{
    const struct http_server_request *http = request->http;
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct str query = http->head->target, path = str_cut(&query, '?');
    struct buf out;
    buf_init(&out, EVENT_MAX);
    value_begin_table(&out);
    value_put_string(&out, "method", http->head->method);
    value_put_string(&out, "url", url_of(request, arena));
    value_put_string(&out, "path", path);
    value_put_string(&out, "queryString", query);
    value_put_string(&out, "body", http->body);
    value_put_string(&out, "ip", str_of(net_address_ip_text(&request->client.address, ip)));
    put_fields(&out, http, arena);
    value_end_table(&out);
    struct str event = arena_str(arena, buf_view(&out));
    buf_free(&out);
    return event;
}

/* --- the response --- */

static bool take_field(const struct value *given, struct arena *arena,
                       struct http_field *field)
{
    struct str name = value_get_string(given, "name", STR(""));
    field->value = value_get_string(given, "value", STR(""));
    field->name = arena_text(arena, name);
    return http_server_may_send(name, field->value);
}

static bool take_fields(const struct value *list, struct arena *arena,
                        struct http_server_response *response, const char **why)
{
    size_t count = list && list->kind == VALUE_TABLE ? list->count : 0, bytes = 0;
    struct http_field *fields = arena_array(arena, struct http_field, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!take_field(&list->items[i], arena, &fields[i])) {
            *why = arena_printf(arena, "the header '%s' cannot be sent", fields[i].name);
            return false;
        }
        bytes += strlen(fields[i].name) + fields[i].value.length;
    }
    response->fields = fields;
    response->field_count = count;
    *why = "the headers are too long";
    return bytes <= HTTP_SERVER_FIELD_BYTES_MAX;
}

static bool take_response(const struct value *value, struct arena *arena,
                          struct http_server_response *response, const char **why)
{
    *response = (struct http_server_response){0};
    response->status = (unsigned)value_get_count(value, "status", STATUS_MAX, 0);
    response->body = value_get_string(value, "body", STR(""));
    *why = "its status is none";
    if (response->status < STATUS_MIN)
        return false;
    *why = "its body is too long";
    return response->body.length <= BODY_MAX &&
           take_fields(value_get(value, "headers"), arena, response, why);
}

/* --- the run --- */

static void answer_failure(enum worker_result result, struct http_server_response *response)
{
    bool is_scripts_fault = result == WORKER_EXCEPTION || result == WORKER_BROKEN;
    http_plain_response(response, is_scripts_fault ? 500 : 503,
                        is_scripts_fault ? STR("Internal error.\n")
                                         : STR("Not available now.\n"));
}

void http_worker_respond(const struct worker_outcome *outcome, struct arena *arena,
                         struct http_server_response *response, const char **why)
{
    const char *wrong = NULL;
    if (outcome->result != WORKER_OK) {
        answer_failure(outcome->result, response);
    } else if (!take_response(outcome->value, arena, response, &wrong)) {
        *why = wrong;
        answer_failure(WORKER_EXCEPTION, response);
    }
}

static void tell_bad_response(const struct http_worker_request *request, const char *why)
{
    EVENT(NULL, STATUS_WORKER_LOG, FIELD("worker", request->worker->options.name),
          FIELD("level", STR("error")), FIELD("text", str_of(why)));
}

void http_worker_answer(const struct http_worker_request *request,
                        struct http_server_response *response)
{
    struct arena *arena = request->http->arena;
    const struct event_run run = {
        .router = request->router,
        .config = request->config,
        .worker = request->worker,
        .event = {WORKER_FETCH, http_worker_event(request, arena)},
    };
    struct worker_outcome outcome;
    const char *why = NULL;
    if (event_run(&run, arena, &outcome) < 0)
        outcome.result = WORKER_CRASHED;
    http_worker_respond(&outcome, arena, response, &why);
    if (why)
        tell_bad_response(request, why);
}
