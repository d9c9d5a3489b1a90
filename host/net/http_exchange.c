/* One request and its response, between libmicrohttpd's callbacks and the handler. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/http_framing.h"
#include "net/http_server_internal.h"

#define SEND_MS_MIN 60000 /* and a millisecond more for each byte of the response */

/* --- responses of the server's own --- */

static void refuse(struct http_exchange *exchange, unsigned status, struct str text)
{
    static const struct http_field plain = {"Content-Type",
                                            {"text/plain;charset=UTF-8", 24}};
    exchange->is_refused = true;
    exchange->response = (struct http_server_response){
        .status = status, .fields = &plain, .field_count = 1, .body = text};
}

static void refuse_framing(struct http_exchange *exchange, unsigned status)
{
    refuse(exchange, status,
           status == 505   ? STR("HTTP/1.0 and HTTP/1.1 are understood here.\n")
           : status == 501 ? STR("This transfer coding is not understood here.\n")
                           : STR("The request is malformed.\n"));
}

/* --- sending --- */

static bool is_last(const struct http_exchange *exchange)
{
    return exchange->connection->server->is_shutting_down;
}

static struct MHD_Response *make_response(const struct http_exchange *exchange)
{
    const struct http_server_response *response = &exchange->response;
    struct MHD_Response *made = MHD_create_response_from_buffer(
        response->body.length, (void *)(uintptr_t)response->body.at,
        MHD_RESPMEM_PERSISTENT);
    invariant(made, "http: a response without memory");
    for (size_t i = 0; i < response->field_count; i++) {
        const char *value = arena_text(exchange->request.arena, response->fields[i].value);
        MHD_add_response_header(made, response->fields[i].name, value);
    }
    if (is_last(exchange))
        MHD_add_response_header(made, "Connection", "close");
    return made;
}

static void tell_end(struct http_exchange *exchange, unsigned status)
{
    const struct http_server_handler *handler = exchange->connection->server->handler;
    if (exchange->is_told)
        return;
    exchange->is_told = true;
    handler->end(handler->arg, &exchange->request, status);
}

static enum MHD_Result send_response(struct http_exchange *exchange)
{
    const struct http_server_response *response = &exchange->response;
    struct MHD_Response *made = make_response(exchange);
    exchange->connection->deadline_ms = task_in_ms(SEND_MS_MIN + response->body.length);
    tell_end(exchange, response->status);
    enum MHD_Result result = MHD_queue_response(exchange->mhd, response->status, made);
    MHD_destroy_response(made);
    return result;
}

/* --- answering --- */

static int answer(void *arg)
{
    struct http_exchange *exchange = arg;
    const struct http_server_handler *handler = exchange->connection->server->handler;
    exchange->task = task_current();
    task_stage("answering %.*s", STR_ARG(exchange->request.method));
    handler->answer(handler->arg, &exchange->request, &exchange->response);
    exchange->task = NULL;
    exchange->is_answered = true;
    list_remove(&exchange->node);
    MHD_resume_connection(exchange->mhd);
    http_listener_wake(exchange->connection->listener);
    return 0;
}

void http_exchange_start_tasks(struct http_server *server)
{
    while (!list_empty(&server->whole)) {
        struct http_exchange *exchange =
            list_entry(server->whole.next, struct http_exchange, node);
        list_remove(&exchange->node);
        list_append(&server->answered, &exchange->node);
        task_detach(task_start("http request", answer, exchange));
    }
}

static void become_whole(struct http_exchange *exchange)
{
    exchange->request.body = buf_view(&exchange->body);
    exchange->connection->deadline_ms = TASK_FOREVER;
    list_append(&exchange->connection->server->whole, &exchange->node);
    MHD_suspend_connection(exchange->mhd);
}

/* --- the body --- */

static void drop_body(struct http_exchange *exchange)
{
    buf_free(&exchange->body);
    exchange->connection->server->memory_bytes -= exchange->held_bytes;
    exchange->held_bytes = 0;
}

/* What is refused within its body is read on, as libmicrohttpd answers at the beginning or the end only. */
static void take_body(struct http_exchange *exchange, struct str bytes)
{
    struct http_server *server = exchange->connection->server;
    if (exchange->is_refused)
        return;
    if (server->memory_bytes + bytes.length > server->options.memory_bytes_max)
        refuse(exchange, 503, STR("There is no room for the request now.\n"));
    else if (buf_append(&exchange->body, bytes) < 0)
        refuse(exchange, 413, STR("The request is too long.\n"));
    if (exchange->is_refused) {
        drop_body(exchange);
        return;
    }
    exchange->held_bytes += bytes.length;
    server->memory_bytes += bytes.length;
}

/* --- the header --- */

struct copying {
    struct http_server_request *request;
    struct http_field *fields;
    size_t room, bytes;
};

static enum MHD_Result copy_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_bytes, const char *value, size_t value_bytes)
{
    struct copying *copying = arg;
    (void)kind;
    struct arena *arena = copying->request->arena;
    if (copying->request->field_count == copying->room)
        return MHD_NO;
    copying->bytes += name_bytes + value_bytes;
    copying->fields[copying->request->field_count++] =
        (struct http_field){arena_text(arena, (struct str){name, name_bytes}),
                            arena_str(arena, (struct str){value, value_bytes})};
    return MHD_YES;
}

static void copy_fields(struct http_exchange *exchange)
{
    struct http_server_request *request = &exchange->request;
    int count = MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, NULL, NULL);
    struct copying copying = {.request = request, .room = count > 0 ? (size_t)count : 0};
    copying.fields = arena_array(request->arena, struct http_field, copying.room + 1);
    request->fields = copying.fields;
    MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, copy_field, &copying);
    const struct http_server_options *options = &exchange->connection->server->options;
    if (copying.bytes + request->target.length > options->header_bytes_max)
        refuse(exchange, 431, STR("The request's header is too long.\n"));
}

const struct http_field *http_server_field(const struct http_server_request *request,
                                           struct str name)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (str_equal_nocase(str_of(request->fields[i].name), name))
            return &request->fields[i];
    return NULL;
}

static void check_header(struct http_exchange *exchange, const char *version)
{
    struct http_server_request *request = &exchange->request;
    struct http_server *server = exchange->connection->server;
    unsigned status = http_framing_check(request->method, request->target, str_of(version),
                                         request->fields, request->field_count);
    if (exchange->is_refused)
        return;
    if (status) {
        refuse_framing(exchange, status);
        return;
    }
    const struct http_field *host = http_server_field(request, STR("host"));
    request->host = host ? str_trim(host->value) : STR("");
    if (http_framing_length(request->fields, request->field_count) >
        server->options.body_bytes_max)
        refuse(exchange, 413, STR("The request is too long.\n"));
    else if (!server->handler->begin(server->handler->arg, request, &exchange->response))
        exchange->is_refused = true;
}

/* A request that is refused is not read further when there is more of it: the connection ends with the response. */
static enum MHD_Result take_header(struct http_exchange *exchange, const char *method,
                                   const char *version)
{
    struct http_server_request *request = &exchange->request;
    struct http_server *server = exchange->connection->server;
    exchange->has_header = true;
    request->method = arena_str(request->arena, str_of(method));
    buf_init(&exchange->body, server->options.body_bytes_max);
    copy_fields(exchange);
    check_header(exchange, version);
    exchange->connection->deadline_ms = task_in_ms(server->options.body_timeout_ms);
    if (exchange->is_refused &&
        http_framing_has_body(request->fields, request->field_count))
        return send_response(exchange);
    return MHD_YES;
}

/* --- libmicrohttpd's callbacks --- */

void *http_exchange_begin(void *arg, const char *target, struct MHD_Connection *mhd)
{
    (void)arg;
    struct http_connection *connection = http_connection_of(mhd);
    struct http_exchange *exchange = mem_zero(1, sizeof *exchange);
    exchange->connection = connection;
    exchange->mhd = mhd;
    list_init(&exchange->node);
    exchange->request = (struct http_server_request){
        .arena = arena_new(), .peer = connection->peer, .begun_ms = task_now_ms()};
    exchange->request.target = arena_str(exchange->request.arena, str_of(target));
    connection->exchange = exchange;
    connection->deadline_ms = task_in_ms(connection->server->options.header_timeout_ms);
    return exchange;
}

enum MHD_Result http_exchange_go_on(void *arg, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version,
                                    const char *upload, size_t *upload_bytes, void **state)
{
    struct http_exchange *exchange = *state;
    (void)arg, (void)mhd, (void)url;
    if (!exchange->has_header)
        return take_header(exchange, method, version);
    if (*upload_bytes) {
        take_body(exchange, (struct str){upload, *upload_bytes});
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (exchange->is_refused || exchange->is_answered)
        return send_response(exchange);
    become_whole(exchange);
    return MHD_YES;
}

void http_exchange_end(void *arg, struct MHD_Connection *mhd, void **state,
                       enum MHD_RequestTerminationCode why)
{
    struct http_exchange *exchange = *state;
    (void)arg, (void)mhd, (void)why;
    if (!exchange)
        return;
    struct http_connection *connection = exchange->connection;
    struct http_server *server = connection->server;
    invariant(!exchange->task, "http: a request ends before its task");
    if (exchange->has_header)
        tell_end(exchange, 0);
    connection->exchange = NULL;
    connection->deadline_ms =
        server->is_shutting_down ? 0 : task_in_ms(server->options.idle_timeout_ms);
    list_remove(&exchange->node);
    drop_body(exchange);
    arena_free(exchange->request.arena);
    free(exchange);
    *state = NULL;
}
