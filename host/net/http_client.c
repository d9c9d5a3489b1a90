/* libcurl says which sockets to watch and when to be called again; it works in the loop's stack, since it
 * needs more of one than a task has.
 *
 *     under way --libcurl is done--> finished --its task wakes--> removed
 *         `--the task's deadline, cancellation--> removed
 *
 * Invariants: libcurl's callbacks only file what has happened; tasks wake after the call into libcurl has
 * returned, so that none of them runs within it. A transfer's memory is its task's, which removes it from
 * libcurl before it goes on. */
#include "http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/task.h"

#define CONNECTIONS_HOST_MAX 64L /* further requests wait for one of them */
/* Those in use count too: were there fewer, a busy host's would be closed after each request. */
#define CONNECTIONS_KEPT_MAX (2 * CONNECTIONS_HOST_MAX)
#define HEADER_BYTES_MAX     ((size_t)64 * 1024)

struct http_client {
    CURLM *multi;
    uv_timer_t timer;
    struct list finished; /* of struct transfer, whose tasks are to wake */
    size_t transfer_count;
};

/* A socket of libcurl's. */
struct watched {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t socket;
};

struct transfer {
    struct list node;
    struct task_wait wait;
    CURL *easy;
    struct curl_slist *fields, *connect_to;
    const struct net_address *address; /* the only one to connect to; NULL: any */
    struct buf body, header;
    bool is_too_long;
    CURLcode code;
    char reason[CURL_ERROR_SIZE];
};

/* --- transfers end --- */

static void file_finished(struct http_client *client)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct transfer *transfer = (void *)private;
        transfer->code = message->data.result;
        list_append(&client->finished, &transfer->node);
    }
}

/* A task may close the client here; it is freed in a later turn of the loop. */
static void wake_finished(struct http_client *client)
{
    file_finished(client);
    while (!list_empty(&client->finished)) {
        struct transfer *transfer =
            list_entry(client->finished.next, struct transfer, node);
        list_remove(&transfer->node);
        task_wake(&transfer->wait, 0);
    }
}

/* --- sockets and time --- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watched *watched = poll->data;
    struct http_client *client = watched->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    int running;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(client->multi, watched->socket, flags, &running);
    wake_finished(client);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    wake_finished(client);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&client->timer);
    else
        uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void free_handle_data(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watched *watch(struct http_client *client, curl_socket_t socket)
{
    struct watched *watched = mem_zero(1, sizeof *watched);
    if (uv_poll_init_socket(task_loop(), &watched->poll, socket) != 0) {
        free(watched);
        return NULL;
    }
    watched->poll.data = watched;
    watched->client = client;
    watched->socket = socket;
    curl_multi_assign(client->multi, socket, watched);
    return watched;
}

/* `socket_arg` is what was assigned to the socket: NULL at first. */
static int set_socket(CURL *easy, curl_socket_t socket, int what, void *arg,
                      void *socket_arg)
{
    struct http_client *client = arg;
    struct watched *watched = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            uv_close((uv_handle_t *)&watched->poll, free_handle_data);
        curl_multi_assign(client->multi, socket, NULL);
        return 0;
    }
    if (!watched)
        watched = watch(client, socket);
    if (!watched)
        return -1;
    int events =
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watched->poll, events, on_poll) == 0 ? 0 : -1;
}

/* --- opening and closing --- */

struct http_client *http_client_open(struct err *err)
{
    CURLM *multi =
        curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (!multi) {
        err_set(err, -ENOMEM, "libcurl does not start");
        return NULL;
    }
    struct http_client *client = mem_zero(1, sizeof *client);
    client->multi = multi;
    list_init(&client->finished);
    uv_timer_init(task_loop(), &client->timer);
    client->timer.data = client;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_HOST_MAX);
    return client;
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    invariant(client->transfer_count == 0, "http: a client closed in use");
    curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)&client->timer, free_handle_data);
    curl_global_cleanup();
}

/* --- one transfer --- */

/* The parameters are as libcurl has them. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct str line = {bytes, size * count};
    if (str_starts(line, STR("HTTP/"))) { /* an interim answer may have come before */
        buf_clear(&transfer->header);
        return line.length;
    }
    if (buf_append(&transfer->header, line) == 0)
        return line.length;
    transfer->is_too_long = true;
    return 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    if (buf_append(&transfer->body, (struct str){bytes, size * count}) == 0)
        return size * count;
    transfer->is_too_long = true;
    return 0;
}

/* Libcurl was told where to connect; should it come upon another address all the same, there is no socket. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
                                 struct curl_sockaddr *asked)
{
    const struct transfer *transfer = arg;
    struct net_address address;
    (void)purpose;
    net_address_from_socket(&asked->addr, &address);
    if (!net_address_same_ip(&address, transfer->address))
        return CURL_SOCKET_BAD;
    return socket(asked->family, asked->socktype | SOCK_CLOEXEC, asked->protocol);
}

static void set_address(struct transfer *transfer, const struct net_address *address)
{
    char ip[NET_ADDRESS_TEXT_BYTES], where[NET_ADDRESS_TEXT_BYTES + 8];
    bool is_v6 = net_address_is_v6(address);
    /* For any host and port; the port stays the URL's. */
    snprintf(where, sizeof where, "::%s%s%s:", is_v6 ? "[" : "",
             net_address_ip_text(address, ip), is_v6 ? "]" : "");
    transfer->address = address;
    transfer->connect_to = curl_slist_append(NULL, where);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer);
}

static bool is_field_value(struct str value)
{
    for (size_t i = 0; i < value.length; i++)
        if ((unsigned char)value.at[i] < ' ' || value.at[i] == 127)
            return false;
    return true;
}

static bool add_field(struct transfer *transfer, const struct http_field *field)
{
    struct buf line;
    buf_init(&line, HEADER_BYTES_MAX);
    bool is_good = is_field_value(field->value) &&
                   buf_printf(&line, field->value.length ? "%s: %.*s" : "%s;%.*s",
                              field->name, STR_ARG(field->value)) == 0 &&
                   buf_append(&line, (struct str){"", 1}) == 0;
    if (is_good)
        transfer->fields = curl_slist_append(transfer->fields, buf_view(&line).at);
    buf_free(&line);
    return is_good;
}

static int set_fields(struct transfer *transfer, const struct http_request *request,
                      struct err *err)
{
    /* Libcurl would hold a long body back for a second, until the server asks for it. */
    transfer->fields = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < request->field_count; i++)
        if (!add_field(transfer, &request->fields[i]))
            return err_set(err, -EINVAL, "%s has a value that no field may have",
                           request->fields[i].name);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
    return 0;
}

static void set_request(struct transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)request->response_bytes_max);
    if (request->address)
        set_address(transfer, request->address);
    if (request->roots.length) {
        struct curl_blob roots = {(void *)(uintptr_t)request->roots.at,
                                  request->roots.length, CURL_BLOB_NOCOPY};
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &roots);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (request->allows_http2)
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    if (strcmp(request->method, "GET") == 0)
        return;
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                     request->body.length ? request->body.at : "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
}

static void set_rules(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A name that is still being looked up, in a thread, is left behind, not waited for. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Postern/" POSTERN_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

static int transfer_run(struct http_client *client, struct transfer *transfer,
                        uint64_t deadline_ms)
{
    task_wait_init(&transfer->wait);
    if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
        return -EIO;
    client->transfer_count++;
    int result = task_wait(&transfer->wait, deadline_ms);
    list_remove(&transfer->node);
    curl_multi_remove_handle(client->multi, transfer->easy);
    client->transfer_count--;
    return result;
}

static bool is_request_sent(const struct transfer *transfer)
{
    long bytes = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

static int failure_of(const struct transfer *transfer)
{
    switch (transfer->code) {
    case CURLE_OK:
        return 0;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL; or, later, of the answer */
        return is_request_sent(transfer) ? -EIO : -EINVAL;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return -ECONNREFUSED;
    case CURLE_PEER_FAILED_VERIFICATION:
        return -EACCES;
    case CURLE_FILESIZE_EXCEEDED: /* as announced */
        return -EMSGSIZE;
    default:
        return transfer->is_too_long ? -EMSGSIZE : -EIO;
    }
}

static int explain(const struct transfer *transfer, int result, struct err *err)
{
    if (result == 0)
        result = failure_of(transfer);
    else
        return err_set(err, result, "%s",
                       result == -ETIMEDOUT ? "no answer in time" : uv_strerror(result));
    if (result == -EMSGSIZE)
        return err_set(err, result, "the answer is too long");
    if (result < 0)
        return err_set(err, result, "%s",
                       *transfer->reason ? transfer->reason
                                         : curl_easy_strerror(transfer->code));
    return 0;
}

static void take_response(const struct transfer *transfer, struct arena *arena,
                          struct http_response *response)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    response->status = (unsigned)status;
    response->body = arena_str(arena, buf_view(&transfer->body));
    response->fields = arena_str(arena, buf_view(&transfer->header));
}

int http_client_request(struct http_client *client, const struct http_request *request,
                        uint64_t deadline_ms, struct arena *arena,
                        struct http_response *response, struct err *err)
{
    struct transfer *transfer = mem_zero(1, sizeof *transfer);
    list_init(&transfer->node);
    buf_init(&transfer->body, request->response_bytes_max);
    buf_init(&transfer->header, HEADER_BYTES_MAX);
    transfer->easy = curl_easy_init();
    invariant(transfer->easy, "http: libcurl is out of memory");
    set_rules(transfer);
    set_request(transfer, request);
    int result = set_fields(transfer, request, err);
    if (result == 0) {
        result = transfer_run(client, transfer, deadline_ms);
        result = explain(transfer, result, err);
    }
    if (result == 0)
        take_response(transfer, arena, response);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->fields);
    curl_slist_free_all(transfer->connect_to);
    buf_free(&transfer->body);
    buf_free(&transfer->header);
    free(transfer);
    return result;
}
