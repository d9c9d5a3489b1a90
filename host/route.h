/* The way of one message through Postern: what smtp/ asks, answered from rules/, worker/ and delivery/. */
#pragma once

#include <stdbool.h>

#include "config.h"

#include "auth/verdict.h"
#include "delivery/delivery.h"
#include "mail/message.h"
#include "smtp/reply.h"
#include "smtp/server.h"
#include "status/event.h"

/* What messages are routed with now; a reload replaces `config`. */
struct router {
    struct config *config;
    struct delivery *delivery;
    struct dns *dns; /* NULL: nothing is verified */
    struct http_client *http;
    /* `postern dev` and `run`: nothing is verified, so reply() is let through without it. */
    bool is_reply_unchecked;
};

/* The answers for the SMTP server; `router` is borrowed. */
struct smtp_handler route_handler(struct router *router);

/* --- one message on its way --- */

/* Counted: a worker's waitUntil functions may outlive the session that brought the message. */
struct passage {
    size_t references;
    struct router *router;
    struct config *config; /* the snapshot it started with */
    struct message *message;
    struct trail *trail;
    struct auth_verdict *verdict; /* NULL: nothing is verified */
    struct rule_auth auth;        /* the same for rules, once the message is verified */
    struct str *content;          /* raw without forged fields, once the message is in */
    size_t content_count;
    bool may_be_refused;     /* for what was verified: it is not for postmaster alone */
    unsigned recipients_max; /* of the domains named so far */
    unsigned sent_count;     /* what its workers have forwarded or replied */
};

struct passage *passage_new(struct router *router, struct message *message);
struct passage *passage_keep(struct passage *passage);
void passage_release(struct passage *passage);

/* Sends the message on to one destination: `headers` ("X-…: …\r\n" lines, may be empty) go on top of it. */
void route_send(struct passage *passage, const struct mailbox *destination,
                struct str headers, struct arena *arena, struct delivery_result *result);

/* Whoever is on a block list may still write there about it: mail for nobody else is not verified. */
bool route_is_postmaster(const struct mailbox *recipient);

/* Each asks what is to be asked (of the client once) and gives the refusal that follows, or a reply of code 0
 * to go on. After the second the message's trace and content are what is sent on. */
struct reply route_verify_client(struct passage *passage);
struct reply route_verify_message(struct passage *passage);
/* The verdict as rules see it. */
struct rule_auth route_rule_auth(const struct auth_verdict *verdict);
/* The verdict as a worker sees it (worker/wire.h); empty when nothing was verified. */
struct str route_auth_value(const struct passage *passage, struct arena *arena);

/* What an upstream refused with, as the sender is told: its own words. */
struct reply route_upstream_refusal(const struct reply *upstream);

/* Lets a worker decide and gives the sender's reply; the outcome too. */
struct reply route_through_worker(struct passage *passage, const struct mailbox *recipient,
                                  const struct rule_match *match, struct worker *worker,
                                  struct worker_outcome *outcome);

/* The sender's reply to one delivery: the upstream's own words where it said any. */
struct reply route_delivery_reply(const struct passage *passage,
                                  const struct delivery_result *result);
