/* A request through a worker's `fetch` handler. */
#pragma once

#include "config.h"
#include "route.h"

#include "http/client.h"

struct http_worker_request {
    struct router *router;
    struct config *config;              /* the snapshot that it came with */
    const struct config_worker *worker; /* of that snapshot */
    struct http_client_view client;
    const struct http_server_request *http;
};

/* The event of the handler (isolate/events.lua), in the arena. */
struct str http_worker_event(const struct http_worker_request *request,
                             struct arena *arena);
/* What the handler has returned, made into a response in the arena: false, with why, when it cannot be one. */
bool http_worker_response(const struct value *value, struct arena *arena,
                          struct http_server_response *response, const char **why);

/* In a task: runs it and answers, whatever becomes of it. Clients are not told why it failed; the log is. */
void http_worker_answer(const struct http_worker_request *request,
                        struct http_server_response *response);
/* A response of our own: a line of text. */
void http_plain_response(struct http_server_response *response, unsigned status,
                         struct str text);
