#include "http/front.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"
#include "http/url_map.h"
#include "http/worker_request.h"

#define RETRY_AFTER_S   "1"
#define PATH_BYTES_TOLD ((size_t)256)

struct http_front {
    struct router *router;
    struct http_server *server;
    struct http_server_handler handler;
    struct table *loads; /* of struct load, by worker; never 0 */
};

/* The requests that a worker answers now. */
struct load {
    size_t requests;
};

/* --- one request --- */

static bool refuse(struct http_server_response *response, unsigned status, struct str text)
{
    http_plain_response(response, status, text);
    return false;
}

static void add_field(struct http_server_response *response, struct arena *arena,
                      const char *name, const char *value)
{
    struct http_field *fields =
        arena_array(arena, struct http_field, response->field_count + 1);
    for (size_t i = 0; i < response->field_count; i++)
        fields[i] = response->fields[i];
    fields[response->field_count++] = (struct http_field){name, str_of(value)};
    response->fields = fields;
}

static bool refuse_method(struct http_server_request *request, unsigned allowed,
                          struct http_server_response *response)
{
    char text[HTTP_ALLOW_BYTES];
    http_plain_response(response, 405, STR("Method not allowed.\n"));
    add_field(response, request->arena, "Allow",
              arena_text(request->arena, str_of(http_url_allow(allowed, text))));
    return false;
}

static bool begin(void *arg, struct http_server_request *request,
                  struct http_server_response *response)
{
    struct http_front *front = arg;
    struct config *config = front->router->config;
    if (http_url_has_dots(request->head->target))
        return refuse(response, 400, STR("The path is malformed.\n"));
    struct http_url_match match = http_url_map_find(
        &config->urls, request->head->host, request->head->target, request->head->method);
    if (!match.rule)
        return match.allowed ? refuse_method(request, match.allowed, response)
                             : refuse(response, 404, STR("Not found.\n"));
    struct http_worker_request *asked =
        arena_new_of(request->arena, struct http_worker_request);
    *asked = (struct http_worker_request){
        .router = front->router,
        .config = config_keep(config),
        .worker = match.rule->target,
        .client = http_client_view(&config->http.server, request),
        .http = request,
    };
    request->handler_state = asked;
    return true;
}

/* Mail must find a place in the isolate: at least half of them are not for requests. */
static size_t room_for(const struct http_worker_request *asked)
{
    size_t half = asked->worker->options.limits.messages_max / 2;
    size_t most = asked->config->http.requests_per_worker_max;
    return half == 0 ? 1 : half < most ? half : most;
}

static bool enter(struct http_front *front, const struct http_worker_request *asked)
{
    struct str name = asked->worker->options.name;
    struct load *load = table_get(front->loads, name);
    if (load && load->requests >= room_for(asked))
        return false;
    if (!load) {
        load = mem_zero(1, sizeof *load);
        table_set(front->loads, name, load);
    }
    load->requests++;
    return true;
}

static void leave(struct http_front *front, const struct http_worker_request *asked)
{
    struct str name = asked->worker->options.name;
    struct load *load = table_get(front->loads, name);
    if (--load->requests == 0)
        free(table_remove(front->loads, name));
}

static void answer(void *arg, struct http_server_request *request,
                   struct http_server_response *response)
{
    struct http_front *front = arg;
    const struct http_worker_request *asked = request->handler_state;
    if (enter(front, asked)) {
        http_worker_answer(asked, response);
        leave(front, asked);
        return;
    }
    http_plain_response(response, 503, STR("Too many requests at once.\n"));
    add_field(response, request->arena, "Retry-After", RETRY_AFTER_S);
}

/* The query is not told: it may hold what is nobody else's. */
static void end(void *arg, const struct http_server_request *request, unsigned status)
{
    const struct http_front *front = arg;
    const struct http_worker_request *asked = request->handler_state;
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct str rest = request->head->target, path = str_cut(&rest, '?');
    if (path.length > PATH_BYTES_TOLD)
        path.length = PATH_BYTES_TOLD;
    struct http_client_view client =
        http_client_view(&front->router->config->http.server, request);
    net_address_ip_text(&client.address, ip);
    EVENT(NULL, STATUS_HTTP_REQUEST, FIELD("method", request->head->method),
          FIELD("path", path), FIELD_NUMBER("status", status),
          FIELD_NUMBER("ms", task_now_ms() - request->begun_ms),
          FIELD("worker", asked ? asked->worker->options.name : STR("")),
          FIELD("client", str_of(ip)));
    if (asked)
        config_release(asked->config);
}

/* --- the server --- */

static int listen_at(struct http_server *server, const struct http_options *options,
                     const struct http_listener_options *listener, struct err *err)
{
    if (listener->inherited_socket)
        return http_server_adopt(server, listener->inherited_socket, listener->is_tls, err);
    int result = http_server_listen(server, &listener->address, listener->is_tls, err);
    if (result != -EADDRINUSE || !options->may_listen_elsewhere)
        return result;
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct net_address elsewhere;
    net_address_ip_text(&listener->address, ip);
    net_address_parse(str_of(ip), 0, &elsewhere);
    *err = (struct err){0};
    return http_server_listen(server, &elsewhere, listener->is_tls, err);
}

struct http_front *http_front_open(struct router *router, struct tls_server *tls,
                                   struct err *err)
{
    const struct http_options *options = &router->config->http;
    struct http_front *front = mem_zero(1, sizeof *front);
    front->router = router;
    front->loads = table_new();
    front->handler = (struct http_server_handler){front, begin, answer, end};
    front->server = http_server_open(&options->server, tls, &front->handler);
    for (size_t i = 0; i < options->listener_count; i++) {
        if (listen_at(front->server, options, &options->listeners[i], err) < 0) {
            http_front_close(front);
            return NULL;
        }
    }
    return front;
}

void http_front_reconfigure(struct http_front *front, struct tls_server *tls)
{
    http_server_reconfigure(front->server, &front->router->config->http.server, tls);
}

const struct net_address *http_front_address(const struct http_front *front, size_t n)
{
    return http_server_address(front->server, n);
}

void http_front_shut_down(struct http_front *front, uint64_t deadline_ms)
{
    http_server_shut_down(front->server, deadline_ms);
}

void http_front_hasten(struct http_front *front)
{
    http_server_hasten(front->server);
}

void http_front_close(struct http_front *front)
{
    if (!front)
        return;
    http_server_close(front->server);
    table_free(front->loads);
    free(front);
}
