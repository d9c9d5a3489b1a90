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
/* The response to a run that has ended so, in the arena: what the handler has returned, or a failure, of which clients are
 * not told why. `*why` says what is wrong with what it has returned, else it stays. */
void http_worker_respond(const struct worker_outcome *outcome, struct arena *arena,
                         struct http_server_response *response, const char **why);

/* In a task: runs it and answers, whatever becomes of it. */
void http_worker_answer(const struct http_worker_request *request,
                        struct http_server_response *response);
/* A response of our own: a line of text. */
void http_plain_response(struct http_server_response *response, unsigned status,
                         struct str text);
