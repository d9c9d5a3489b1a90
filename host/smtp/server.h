/* The SMTP receiver: listeners, sessions, and what it asks of the rest of Postern. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "mail/delivery_notice.h"
#include "mail/message.h"
#include "net/address.h"
#include "net/tls.h"
#include "smtp/options.h"
#include "smtp/reply.h"

/* --- a transaction, from MAIL to the reply to DATA --- */

struct smtp_recipient {
    struct mailbox mailbox;
    struct dsn_recipient dsn; /* NOTIFY and ORCPT */
    void *route;              /* the handler's own: what it found for this recipient */
    struct reply reply;       /* the handler's, with PRDR: see `message` below */
};

struct smtp_transaction {
    struct message *message;  /* reverse_path, dsn and client from MAIL on; the content once
                                 it is in */
    uint64_t announced_bytes; /* SIZE=, 0 if not said */
    bool wants_prdr; /* the client takes a reply for each recipient: known from MAIL on */
    struct smtp_recipient *recipients;
    size_t recipient_count;
    void *handler_state; /* the handler's own, set at `begin` */
};

/* What the receiver asks; route.c answers. All run in the session's task and may wait. */
struct smtp_handler {
    void *arg;
    /* MAIL is well formed: 250, or a refusal (452 when there is no room for `announced_bytes`), after which the
     * session goes on. After a 250, `end` is called exactly once. */
    struct reply (*begin)(void *arg, struct smtp_transaction *transaction);
    /* RCPT is well formed: 250 takes the recipient (with its `route` set), all else refuses it. The
     * recipient is copied on success: keep no pointer to it. `<postmaster>` comes with an empty domain. */
    struct reply (*recipient)(void *arg, struct smtp_transaction *transaction,
                              struct smtp_recipient *recipient);
    /* The whole message is in: the reply to DATA or to BDAT LAST.
     *
     * With `wants_prdr` (draft-hall-prdr-00) and several recipients the client has just heard 353, and hears now,
     * in the order of `recipients`, the `reply` that this call has set for each (or this one, where none is
     * set), and this one as the last, which holds for the message as a whole:
     *   2xx     at least one recipient was accepted: the client forgets the message but for those recipients
     *           whose own reply is a 4xx (it comes again for them alone) or a 5xx (it tells its sender);
     *   4xx/5xx nobody was: whatever the others say, the client still owns the message for all of them.
     * A recipient's reply is 2xx, 4xx or 5xx as for RCPT, never 421. With one recipient, or without PRDR, the
     * recipients' replies are not looked at. */
    struct reply (*message)(void *arg, struct smtp_transaction *transaction);
    /* The transaction is over, for whatever reason. */
    void (*end)(void *arg, struct smtp_transaction *transaction);
    /* For the log: "session.opened", "session.refused" (connection limits), "session.error" (a 5xx, or the
     * protocol violated in a way that has no reply), "session.ended". `detail` is one line; it may hold
     * bytes of the client's. */
    void (*note)(void *arg, const char *what, const struct net_address *peer,
                 const char *detail);
};

/* --- the server --- */

struct smtp_server;

/* `options` are copied, `handler` is borrowed until the server is closed; `tls` may be NULL (no STARTTLS, and
 * implicit-TLS listeners are an error) and is kept. Opens every listener of the options. */
struct smtp_server *smtp_server_open(const struct smtp_options *options,
                                     struct tls_server *tls,
                                     const struct smtp_handler *handler, struct err *err);
/* New options and new certificates, for new sessions; listeners stay as they are. */
void smtp_server_reconfigure(struct smtp_server *server, const struct smtp_options *options,
                             struct tls_server *tls);
/* The address of the n-th listener; NULL past the last. */
const struct net_address *smtp_server_address(const struct smtp_server *server, size_t n);
size_t smtp_server_session_count(const struct smtp_server *server);
/* Accepts no more, ends idle sessions with 421 and lets those in a transaction finish it: waits (in a
 * task that is not cancelled) until `deadline_ms`, then ends the rest with 421. */
void smtp_server_shut_down(struct smtp_server *server, uint64_t deadline_ms);
/* During smtp_server_shut_down: ends all sessions now, with 421. */
void smtp_server_hasten(struct smtp_server *server);
/* After smtp_server_shut_down. */
void smtp_server_close(struct smtp_server *server);
