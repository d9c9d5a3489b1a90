/* A connection's task: waits for a request, reads it, has it answered, sends the response, and so on. */
#include <errno.h>

#include "base/mem.h"
#include "net/http_chunked.h"
#include "net/http_server_internal.h"
#include "net/stream.h"

#define SEND_MS_MIN      60000 /* and a millisecond more for each byte of a response */
#define HEAD_BYTES_MAX   ((size_t)64 * 1024) /* of a response */
#define LINGER_MS        2000
#define LINGER_BYTES_MAX ((size_t)1024 * 1024)

static const struct http_server_options *
options_of(const struct http_connection *connection)
{
    return &connection->server->options;
}

/* --- refusals of our own --- */

static void refuse(struct http_connection *connection, unsigned status)
{
    static const struct http_field plain = {"Content-Type",
                                            {"text/plain;charset=UTF-8", 24}};
    struct str text = STR("The request is malformed.\n");
    if (status == 408)
        text = STR("The request took too long.\n");
    else if (status == 413 || status == 431)
        text = STR("The request is too long.\n");
    else if (status == 503)
        text = STR("There is no room for the request now.\n");
    else if (status > 400)
        text = STR("The request asks for what is not understood here.\n");
    connection->is_last = connection->is_unread = true;
    connection->response = (struct http_server_response){
        .status = status, .fields = &plain, .field_count = 1, .body = text};
}

/* --- the head --- */

/* What is left of the end of the last request (RFC 9112 section 2.2). */
static void skip_empty_line(struct http_connection *connection)
{
    if (str_starts(net_stream_input(connection->stream), STR("\r\n")))
        net_stream_consume(connection->stream, 2);
}

/* For the first byte: false when the connection is at its end. */
static bool wait_for_request(struct http_connection *connection, uint64_t patience_ms)
{
    int result = 1;
    connection->is_idle = true;
    task_stage("waiting for a request");
    skip_empty_line(connection);
    while (net_stream_input(connection->stream).length == 0 && result > 0 &&
           !connection->server->is_shutting_down) {
        result = net_stream_fill(connection->stream, task_in_ms(patience_ms));
        skip_empty_line(connection);
    }
    connection->is_idle = false;
    return result > 0 && net_stream_input(connection->stream).length > 0;
}

/* Of what has come so far: the status that refuses it, or 0. */
static unsigned check_length(const struct http_connection *connection, ptrdiff_t length,
                             size_t input_bytes)
{
    size_t bytes = length > 0 ? (size_t)length : input_bytes;
    if (length < 0)
        return 400;
    return bytes > options_of(connection)->header_bytes_max ? 431 : 0;
}

/* Its length once it is in; 0 with a refusal, or negative errno when the client has gone. */
static ptrdiff_t read_head(struct http_connection *connection)
{
    uint64_t deadline_ms = task_in_ms(options_of(connection)->header_timeout_ms);
    size_t line = 0;
    int result = 1;
    task_stage("reading a request");
    while (result > 0) {
        struct str input = net_stream_input(connection->stream);
        ptrdiff_t length = http_head_length(input, &line);
        unsigned status = check_length(connection, length, input.length);
        if (status)
            refuse(connection, status);
        if (status || length > 0)
            return status ? 0 : length;
        result = net_stream_fill(connection->stream, deadline_ms);
    }
    if (result != -ETIMEDOUT)
        return result < 0 ? result : -ECONNRESET;
    refuse(connection, 408);
    return 0;
}

/* False when it is refused. */
static bool take_head(struct http_connection *connection, size_t length)
{
    struct str text = str_part(net_stream_input(connection->stream), 0, length);
    unsigned status = http_head_parse(text, connection->arena, &connection->head);
    net_stream_consume(connection->stream, length);
    if (status)
        refuse(connection, status);
    return status == 0;
}

/* --- the body --- */

static bool hold(struct http_connection *connection, uint64_t bytes)
{
    struct http_server *server = connection->server;
    if (server->memory_bytes + bytes > server->options.memory_bytes_max)
        return false;
    server->memory_bytes += bytes;
    connection->held_bytes += bytes;
    return true;
}

/* 1 once all of it is in, 0: more is to come, or negative errno. */
static int take_body(struct http_connection *connection, struct http_chunked *chunked)
{
    struct str input = net_stream_input(connection->stream), rest = input;
    size_t before = connection->body.length;
    int result;
    if (connection->head.is_chunked) {
        result = http_chunked_take(chunked, &rest, &connection->body);
    } else {
        size_t left = (size_t)connection->head.length - before;
        struct str taken = str_part(input, 0, left < input.length ? left : input.length);
        result = buf_append(&connection->body, taken);
        rest = str_from(input, taken.length);
        if (result == 0)
            result = connection->body.length == connection->head.length;
    }
    net_stream_consume(connection->stream, input.length - rest.length);
    if (result >= 0 && !hold(connection, connection->body.length - before))
        result = -ENOMEM;
    return result;
}

static unsigned status_of(int result)
{
    return result == -ETIMEDOUT ? 408
           : result == -ENOBUFS ? 413
           : result == -ENOMEM  ? 503
           : result == -EBADMSG ? 400
                                : 0;
}

/* 1 once it is in; 0 with a refusal; negative errno when the client has gone. */
static int read_body(struct http_connection *connection)
{
    struct http_chunked chunked = {0};
    uint64_t deadline_ms = task_in_ms(options_of(connection)->body_timeout_ms);
    int result = 0;
    task_stage("reading a request's body");
    if (connection->head.wants_continue &&
        net_stream_input(connection->stream).length == 0) {
        struct str go_on = STR("HTTP/1.1 100 Continue\r\n\r\n");
        result = net_stream_write(connection->stream, &go_on, 1, deadline_ms);
    }
    while (result == 0) {
        result = take_body(connection, &chunked);
        if (result != 0)
            break;
        result = net_stream_fill(connection->stream, deadline_ms);
        result = result > 0 ? 0 : result == 0 ? -ECONNRESET : result;
    }
    if (result > 0 || !status_of(result))
        return result;
    refuse(connection, status_of(result));
    return 0;
}

static bool has_body(const struct http_head *head)
{
    return head->is_chunked || head->length > 0;
}

/* --- the answer --- */

static int send_response(struct http_connection *connection)
{
    struct http_server_response *response = &connection->response;
    bool is_bodyless = str_equal(connection->head.method, STR("HEAD")) ||
                       response->status == 204 || response->status == 304;
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    if (connection->server->is_shutting_down)
        connection->is_last = true;
    http_response_write_head(connection, &head);
    const struct str parts[] = {buf_view(&head), is_bodyless ? STR("") : response->body};
    task_stage("sending a response");
    int result = net_stream_write(connection->stream, parts, 2,
                                  task_in_ms(SEND_MS_MIN + response->body.length));
    buf_free(&head);
    return result;
}

/* A socket that is closed with unread input resets the connection, and its client may never see the response. */
static void linger(struct http_connection *connection)
{
    uint64_t deadline_ms = task_in_ms(LINGER_MS);
    size_t dropped = 0;
    task_stage("waiting for a refused client's end");
    do {
        size_t length = net_stream_input(connection->stream).length;
        net_stream_consume(connection->stream, length);
        dropped += length;
    } while (dropped < LINGER_BYTES_MAX &&
             net_stream_fill(connection->stream, deadline_ms) > 0);
}

/* Of a request whose head is in: reads the rest of it and decides on the response. Negative errno when the client has
 * gone. */
static int decide(struct http_connection *connection)
{
    const struct http_server_handler *handler = connection->server->handler;
    struct http_server_request *request = &connection->request;
    if (connection->head.length > options_of(connection)->body_bytes_max) {
        refuse(connection, 413);
        return 0;
    }
    if (!handler->begin(handler->arg, request, &connection->response)) {
        connection->is_unread = has_body(&connection->head);
        connection->is_last = connection->is_last || connection->is_unread;
        return 0;
    }
    int result = has_body(&connection->head) ? read_body(connection) : 1;
    if (result <= 0)
        return result;
    request->body = buf_view(&connection->body);
    task_stage("answering %.*s", STR_ARG(connection->head.method));
    handler->answer(handler->arg, request, &connection->response);
    return 0;
}

static int answer(struct http_connection *connection)
{
    const struct http_server_handler *handler = connection->server->handler;
    connection->is_last = connection->head.wants_close;
    connection->request =
        (struct http_server_request){.arena = connection->arena,
                                     .head = &connection->head,
                                     .peer = *net_stream_peer(connection->stream),
                                     .is_tls = connection->is_tls,
                                     .begun_ms = task_now_ms()};
    int result = decide(connection);
    handler->end(handler->arg, &connection->request,
                 result < 0 ? 0 : connection->response.status);
    return result;
}

/* --- the task --- */

static void begin_request(struct http_connection *connection)
{
    connection->arena = arena_new();
    connection->head = (struct http_head){0};
    connection->response = (struct http_server_response){0};
    connection->is_unread = false;
    buf_init(&connection->body, options_of(connection)->body_bytes_max);
}

static void end_request(struct http_connection *connection)
{
    connection->server->memory_bytes -= connection->held_bytes;
    connection->held_bytes = 0;
    buf_free(&connection->body);
    arena_free(connection->arena);
}

/* One request: false when the connection is at its end. */
static bool serve_request(struct http_connection *connection)
{
    ptrdiff_t length = read_head(connection);
    int result = length < 0 ? (int)length : 0;
    if (length > 0 && take_head(connection, (size_t)length))
        result = answer(connection);
    if (result == 0)
        result = send_response(connection);
    if (result == 0 && connection->is_unread)
        linger(connection);
    return result == 0 && !connection->is_last;
}

void http_connection_run(struct http_connection *connection)
{
    bool goes_on = wait_for_request(connection, options_of(connection)->header_timeout_ms);
    while (goes_on) {
        begin_request(connection);
        goes_on = serve_request(connection);
        end_request(connection);
        goes_on = goes_on &&
                  wait_for_request(connection, options_of(connection)->idle_timeout_ms);
    }
    if (connection->is_tls)
        net_stream_tls_close_notify(connection->stream);
}
