/* A trial: one message through one worker, or another event of it, as in service, but that nothing leaves. What the worker sends is
 * captured and answered as the trial says; what was verified about the message is what the trial says. The
 * rest is the real thing: isolate, bindings, the host's rules for what a script asks. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "binding.h"
#include "config.h"

#include "auth/verdict.h"
#include "mail/message.h"
#include "rules/rule_set.h"
#include "smtp/reply.h"

/* What the next hop of one address says. */
struct trial_upstream {
    struct mailbox address;
    struct reply reply;
    bool is_ours; /* nobody was there: the reply is what we make of that */
};
/* Answers what is sent to it; NULL: to one that is not named, and takes it. */
const struct trial_upstream *trial_upstream_answer(const struct trial_upstream upstreams[],
                                                   size_t count,
                                                   const struct delivery_request *request,
                                                   struct delivery_result *result);

struct trial {
    struct config *config;
    const struct config_worker *worker; /* one of its workers */
    struct bindings *bindings;          /* what these keep */
    struct message *message;            /* with its envelope's sender and client */
    struct mailbox recipient;
    struct rule_capture *captures;
    size_t capture_count;
    struct auth_verdict verdict;
    bool is_verified;  /* else the message is let pass as one that nobody looked at */
    double spam_score; /* negative: nothing is scored */
    json_t *
        web; /* { BINDING: { "POST https://…" or "https://…": { status, headers, body } } }; may be NULL */
    struct batch *batch; /* whose event it is; NULL: none (run_batch.h) */
    struct trial_upstream *upstreams;
    size_t upstream_count; /* every other address takes what it is sent */
};

/* "dmarc=pass,spf=fail,dkim=none,arc=pass" as the verdict about the message; what is not named is "none". */
int trial_read_auth(struct trial *trial, struct str text, struct err *err);
/* "me@dest.test=550 5.1.1 no such user", "me@dest.test=451": one more upstream; `upstreams` has room. */
int trial_read_upstream(struct trial *trial, struct str text, struct err *err);
/* The envelope; "" is the null sender. */
int trial_read_envelope(struct trial *trial, struct str from, struct str to,
                        struct err *err);

/* A clock that stands still at this Unix time. In the arena; before the worker is made. */
void trial_set_clock(struct worker_options *options, double now_s, struct arena *arena);
/* "kv", "send" …; false for what is none. */
bool trial_binding_kind(struct str name, enum binding_kind *kind);
/* Instead of those that host.yaml describes; the array is kept. Before the worker is made. */
void trial_set_bindings(struct config_worker *worker, struct binding *bindings,
                        size_t count, struct arena *arena);
/* What is in the worker's KV: [{ binding, key, value, metadata?, expiration? }]. */
json_t *trial_kv(const struct config_worker *worker, struct bindings *bindings,
                 struct arena *arena);

/* A binding_fetch_fn that answers from `answers` (as trial->web) and keeps what was asked in the array. */
struct trial_web {
    const json_t *answers;
    json_t *fetches;
    size_t unanswered_count;
};
int trial_fetch(void *arg, const struct binding *binding,
                const struct http_request *request, struct arena *arena,
                struct http_response *response, struct err *err);

/* Runs it, in a task, and waits for waitUntil functions too. What came of it:
 *   { outcome, rejectReason?, error?, traceback?, cpuUs, smtpReply: { code, enhanced, text },
 *     forwards: [{ to, headers, upstream? }], replies: [{ to, raw, upstream? }],
 *     sends: [{ to, raw, upstream? }], fetches: [{ binding, method, url, headers, body }],
 *     queued: [{ binding, queue, body, delaySeconds }], log: [{ level, text }], kv: what trial_kv says afterwards }
 * where `upstream` is what the trial has one say. */
json_t *trial_run(struct trial *trial, enum worker_result *result);
/* The same for another handler, with an empty message in the trial: { outcome, error?, traceback?, cpuUs, sends, fetches, queued, log, kv };
 * what the handler returned is the outcome's, whose texts last as long as the message. */
json_t *trial_run_event(struct trial *trial, const struct worker_event *event,
                        struct worker_outcome *outcome);
