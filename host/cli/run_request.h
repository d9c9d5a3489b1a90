/* A trial of a worker's `fetch` handler: a request as a client would send it, and the response as he would get it. */
#pragma once

#include "cli/run_trial.h"
#include "net/http_head.h"

#define TRIAL_FIELDS_MAX 64

struct trial_request {
    struct str method,
        target; /* "/hooks/github?x=1" or a URL, whose scheme and host then count */
    struct http_field fields[TRIAL_FIELDS_MAX];
    size_t field_count;
    struct str body;
    struct str ip; /* empty: 127.0.0.1 */
};

/* "Name: value"; one more field. */
int trial_request_add_line(struct trial_request *request, struct str line,
                           struct arena *arena, struct err *err);
int trial_request_add_field(struct trial_request *request, struct str name,
                            struct str value, struct arena *arena, struct err *err);

/* Runs it, as trial_run_event; the report has `response: { status, headers, body }`: headers as a list of { name, value }.
 * NULL with the reason when nobody could send such a request. */
json_t *trial_run_request(struct trial *trial, const struct trial_request *request,
                          struct worker_outcome *outcome, struct err *err);
