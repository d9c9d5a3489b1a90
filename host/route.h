/* The way of one message through Postern: what smtp/ asks, answered from rules/, worker/ and delivery/. */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "rollout.h"

#include "auth/verdict.h"
#include "base/list.h"
#include "base/space.h"
#include "delivery/delivery.h"
#include "delivery/queue.h"
#include "delivery/rate.h"
#include "mail/message.h"
#include "mail/secret.h"
#include "smtp/reply.h"
#include "smtp/server.h"
#include "status/event.h"

/* What messages are routed with now; a reload replaces `config`. */
struct router {
    struct config *config;
    struct delivery *delivery;
    struct dns *dns; /* NULL: nothing is verified */
    struct http_client *http;
    /* NULL with `postern run`, which keeps nothing: then a soft failure is its sender's to try again. */
    struct store *store;
    struct queue *queue;
    struct space *space;      /* of the store's disk */
    struct space *keep_space; /* of the same: while it is low, no messages are kept */
    uint32_t keep_share;      /* in percent: of the messages to be kept, what is due */
    struct secret *secret;    /* NULL: no SRS, no hop fields, no ledger */
    struct rate
        *bounces; /* that go back through SRS addresses, by the address they go to */
    struct durable *durable;     /* durable.c's */
    struct bindings *bindings;   /* binding.h */
    struct consumers *consumers; /* consumers.h; NULL: nothing is handed out here */
    /* `postern run` and `test`, where nothing leaves: what would be queued counts as queued. */
    bool is_trial;
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
    bool is_verdict_given;        /* in a replay: found out when the message came */
    struct rule_auth auth;        /* the same for rules, once the message is verified */
    struct str *content;          /* raw without forged fields, once the message is in */
    size_t content_count;
    bool may_be_refused;      /* for what was verified: it is not for postmaster alone */
    unsigned recipients_max;  /* of the domains named so far */
    unsigned own_hops;        /* how often it has been through here before */
    struct outcome *outcomes; /* one for each recipient, once the message is in */
    size_t outcome_count;
    bool
        is_sender_known; /* SPF or DKIM says that the reverse-path is no lie: it may be written to */
    struct list legs;    /* all that was sent for it, in order */
    struct list actions; /* what was to be sent: route_actions.c's */
    struct seal *seals;  /* made so far */
    struct str name;     /* route_ledger.c's; empty until it is asked for */
};

/* What becomes of the message for one recipient. */
struct outcome {
    const struct smtp_recipient *recipient;
    struct reply reply; /* that is due for this recipient, whatever the others get */
    bool
        is_for_rule; /* its refused legs are the rule's, and nobody else has been told of them */
    /* for the activity log */
    struct str rule, worker, worker_version, worker_outcome, action;
    struct str worker_error;             /* why it has failed */
    const struct config_worker *decider; /* the version of it; NULL: none */
    const char *status;
    enum rule_soft_failure on_soft_failure;
};

/* One message to one destination. */
enum leg_fate {
    LEG_DELIVERED, /* a next hop has it */
    LEG_QUEUED,    /* on stable storage here */
    LEG_DEFERRED,  /* nobody has it: the sender must come again */
    LEG_REFUSED,   /* for good */
};
struct leg {
    struct list node; /* in its passage */
    struct outcome *outcome;
    struct mailbox destination;
    enum leg_fate fate;
    struct reply reply; /* the upstream's or ours, as delivery gave it */
    bool is_from_peer, peer_has_dsn;
    bool is_reply; /* a worker's, to the sender */
    struct str peer;
};

struct passage *passage_new(struct router *router, struct message *message);
struct passage *passage_keep(struct passage *passage);
void passage_release(struct passage *passage);

/* What is sent: the message itself, or a worker's reply to it. */
struct outgoing {
    struct outcome *outcome;
    const struct mailbox *reverse_path, *destination;
    const struct str *parts;
    size_t part_count;
    bool is_8bit, is_utf8;
    bool is_reply;
    struct str id; /* Postern's name for what is sent */
};

/* The first of the parts of the message itself, then come those of its content; and the parts of a reply. */
enum forward_part {
    FORWARD_SEAL,
    FORWARD_HOP,
    FORWARD_TRACE,
    FORWARD_HEADERS,
    FORWARD_TOP_COUNT
};
enum reply_part { REPLY_SIGNATURES, REPLY_CONTENT, REPLY_PART_COUNT };

/* Sends now; what cannot be delivered for now goes to the queue, where the rule allows that. Always answers; the leg
 * is in the message's arena, `arena` is for what is needed on the way. */
struct leg *route_send(struct passage *passage, const struct outgoing *outgoing,
                       struct arena *arena);
/* The same for the message itself, with the envelope's sender rewritten and sealed; `form` NULL: as it came. */
struct forward_form {
    struct str headers; /* "X-…: …\r\n" lines that go on top; may be empty */
    struct str edited;  /* the header section instead of the message's own; or empty */
    struct str
        wrapped;     /* a whole message of ours instead, which has it attached; or empty */
    struct str told; /* the same for the activity log: "X-Ticket: 7; rewriteFrom" */
};
struct leg *route_forward(struct passage *passage, struct outcome *outcome,
                          const struct mailbox *destination,
                          const struct forward_form *form, struct arena *arena);
/* A domain whose mail comes here. */
bool route_is_ours(const struct passage *passage, struct str domain);
/* The domain in whose name `recipient`'s mail is sent on. */
struct str route_forwarding_domain(const struct passage *passage,
                                   const struct mailbox *recipient);
/* Whether a next hop or the queue has it. */
bool leg_is_sent(const struct leg *leg);
/* What was sent for this recipient so far, replies too. */
size_t route_sent_count(const struct passage *passage, const struct outcome *outcome);

/* Fields that sign (DKIM) what is sent in the name of `recipient`'s domain, and, for the message itself, seal it (ARC);
 * empty without keys. 0; or -ECANCELED, -ETIMEDOUT, -EIO (a key cannot sign, which has been told). */
int route_seal(struct passage *passage, const struct mailbox *recipient,
               struct str *fields);
/* The same for the message with another header. */
int route_seal_edited(struct passage *passage, const struct mailbox *recipient,
                      const struct header *header, struct arena *arena, struct str *fields);
int route_sign(struct passage *passage, const struct mailbox *recipient, struct str content,
               struct arena *arena, struct str *fields);

/* Whether an earlier transaction, whose sender was told to come again, has sent this leg already. */
bool route_was_sent(struct passage *passage, const struct leg *leg);
/* Writes down what was sent, since its sender is being told to come again. */
void route_remember_sent(struct passage *passage);

/* The replies of all recipients as one, with the notices queued that it makes necessary, or the ledger written. With
 * PRDR each recipient gets its own as well. */
struct reply route_answer(struct passage *passage, struct smtp_transaction *transaction);

/* Something is to be sent for this recipient: `what` ("forward", "reply", "send", "queue"), to whom, and what tells it from
 * others, or nothing. Copied. */
void route_note_action(struct passage *passage, const struct outcome *outcome,
                       const char *what, struct str to, struct str detail);
/* All of them, in their order: [{"do": "reply", "to": "anna@sender.test", "detail": "Re: Lunch"}, …], in the message's
 * arena; later ones are left out past what the activity log keeps. The worker's secrets are not in it. */
struct str route_actions_json(const struct passage *passage, const struct outcome *outcome);

/* What the activity log says of a recipient, but for the trail; the texts are the message's and its config's. */
struct store_activity route_activity(const struct passage *passage,
                                     const struct outcome *outcome,
                                     const struct reply *answer);
/* A row of the activity log for each recipient. */
void route_record(struct passage *passage, const struct reply *answer);
/* Keeps the message as it came, where host.yaml says so (`keep_messages`). Does not wait. */
void route_keep(struct passage *passage);
/* What the queue tells, for the log and the activity log. */
struct queue_observer route_queue_observer(struct router *router);

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

/* The message for the queue: all but an envelope of its own. */
struct store_message route_stored_message(const struct passage *passage);

/* Several replies as one (route_answer.c). */
struct route_tally {
    const struct reply *temporary, *permanent, *ok; /* the first of each kind */
    size_t count, ok_count;
};
void route_tally_add(struct route_tally *tally, const struct reply *reply);
const struct reply *route_tally_answer(const struct route_tally *tally);

/* What an upstream refused with, as the sender is told: its own words. */
struct reply route_upstream_refusal(const struct reply *upstream);

/* The version of this worker that decides about the message for one recipient. */
struct rollout_choice route_choose_version(const struct passage *passage,
                                           const struct outcome *outcome,
                                           struct str worker);

/* Lets a worker decide and gives the sender's reply; the outcome too. */
struct reply route_through_worker(struct passage *passage, struct outcome *outcome,
                                  const struct rule_match *match,
                                  const struct rollout_choice *version,
                                  struct worker_outcome *ended);

/* The same once the worker has failed or pauses: defers, forwards or rejects, as `on_error` says. */
struct reply route_on_worker_error(struct passage *passage, struct outcome *outcome,
                                   const struct config_on_error *on_error);

/* The sender's reply to one leg: the upstream's own words where it said any. */
struct reply route_leg_reply(const struct passage *passage, const struct leg *leg);
