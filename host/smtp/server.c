/* The server: settings, listeners, and the way out. */
#include "smtp/server.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "smtp/internal.h"

/* --- settings --- */

static struct smtp_settings *settings_new(const struct smtp_options *options,
                                          struct tls_server *tls)
{
    struct smtp_settings *settings = mem_zero(1, sizeof *settings);
    settings->references = 1;
    settings->options = *options;
    settings->options.host_name =
        mem_copy_text(options->host_name, strlen(options->host_name));
    settings->options.listeners = NULL;
    settings->options.listener_count = 0;
    settings->tls = tls ? tls_server_keep(tls) : NULL;
    return settings;
}

struct smtp_settings *smtp_settings_keep(struct smtp_settings *settings)
{
    settings->references++;
    return settings;
}

void smtp_settings_release(struct smtp_settings *settings)
{
    if (--settings->references)
        return;
    if (settings->tls)
        tls_server_release(settings->tls);
    free((char *)(uintptr_t)settings->options.host_name);
    free(settings);
}

/* --- listeners --- */

static void on_connection(struct net_stream *stream, void *arg)
{
    smtp_session_run(arg, stream);
}

static int listener_open(struct smtp_server *server, struct smtp_listener *listener,
                         const struct smtp_listener_options *options, struct err *err)
{
    if (options->tls == SMTP_TLS_IMPLICIT && !server->settings->tls) {
        char text[NET_ADDRESS_TEXT_BYTES];
        return err_set(err, -EINVAL, "listener %s: implicit TLS needs a certificate",
                       net_address_text(&options->address, text));
    }
    listener->server = server;
    listener->tls = options->tls;
    listener->proxy_count = options->proxy_count;
    listener->proxies = mem_zero(options->proxy_count, sizeof *listener->proxies);
    for (size_t i = 0; i < options->proxy_count; i++)
        listener->proxies[i] = options->proxies[i];
    listener->socket = options->inherited_socket
                           ? net_listener_adopt(options->inherited_socket, "smtp session",
                                                on_connection, listener, err)
                           : net_listener_open(&options->address, "smtp session",
                                               on_connection, listener, err);
    return listener->socket ? 0 : err->code;
}

static void close_listeners(struct smtp_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].socket)
            net_listener_close(server->listeners[i].socket);
        server->listeners[i].socket = NULL;
    }
}

/* --- the server --- */

struct smtp_server *smtp_server_open(const struct smtp_options *options,
                                     struct tls_server *tls,
                                     const struct smtp_handler *handler, struct err *err)
{
    struct smtp_server *server = mem_zero(1, sizeof *server);
    server->handler = handler;
    server->settings = settings_new(options, tls);
    server->limits = smtp_limits_new();
    server->listeners = mem_zero(options->listener_count, sizeof *server->listeners);
    server->listener_count = options->listener_count;
    list_init(&server->sessions);
    for (size_t i = 0; i < options->listener_count; i++) {
        if (listener_open(server, &server->listeners[i], &options->listeners[i], err) < 0) {
            close_listeners(server);
            smtp_server_close(server);
            return NULL;
        }
    }
    return server;
}

void smtp_server_reconfigure(struct smtp_server *server, const struct smtp_options *options,
                             struct tls_server *tls)
{
    smtp_settings_release(server->settings);
    server->settings = settings_new(options, tls);
}

const struct net_address *smtp_server_address(const struct smtp_server *server, size_t n)
{
    if (n >= server->listener_count || !server->listeners[n].socket)
        return NULL;
    return net_listener_address(server->listeners[n].socket);
}

size_t smtp_server_session_count(const struct smtp_server *server)
{
    return server->session_count;
}

static void cancel_sessions(struct smtp_server *server, bool also_in_transaction)
{
    list_foreach (node, &server->sessions) {
        struct smtp_session *session = list_entry(node, struct smtp_session, in_server);
        if (also_in_transaction || !session->transaction)
            task_cancel(session->task);
    }
}

void smtp_server_hasten(struct smtp_server *server)
{
    cancel_sessions(server, true);
}

void smtp_server_shut_down(struct smtp_server *server, uint64_t deadline_ms)
{
    int result = 0;
    server->is_shutting_down = true;
    close_listeners(server);
    cancel_sessions(server, false);
    while (server->session_count && result == 0)
        result = task_signal_wait(&server->session_ended, deadline_ms);
    cancel_sessions(server, true);
    while (server->session_count) {
        result = task_signal_wait(&server->session_ended, TASK_FOREVER);
        invariant(result == 0, "smtp: a shut-down was cancelled");
    }
}

void smtp_server_close(struct smtp_server *server)
{
    invariant(server->session_count == 0, "smtp: server closed with sessions");
    for (size_t i = 0; i < server->listener_count; i++)
        free(server->listeners[i].proxies);
    free(server->listeners);
    smtp_limits_free(server->limits);
    smtp_settings_release(server->settings);
    free(server);
}
