/* What the files of smtp/ share: a server, its sessions, and the transaction of a session.
 *
 *     server -> settings (counted: a session keeps those it began with)
 *            -> listeners
 *            -> sessions -> at most one transaction -> message, content
 *
 * A session is a task; everything here belongs to the process's one thread. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/task.h"
#include "net/listener.h"
#include "smtp/command.h"
#include "smtp/content.h"
#include "smtp/limits.h"
#include "smtp/pace.h"
#include "smtp/parameter.h"
#include "smtp/replies.h"
#include "smtp/server.h"

/* --- server --- */

struct smtp_settings {
    size_t references;
    struct smtp_options options; /* without listeners; the texts are our own */
    struct tls_server *tls;      /* NULL: none */
};
struct smtp_settings *smtp_settings_keep(struct smtp_settings *settings);
void smtp_settings_release(struct smtp_settings *settings);

struct smtp_listener {
    struct smtp_server *server;
    struct net_listener *socket;
    enum smtp_listener_tls tls;
    struct net_block *proxies;
    size_t proxy_count;
};

struct smtp_server {
    const struct smtp_handler *handler;
    struct smtp_settings *settings;
    struct smtp_limits *limits;
    struct smtp_listener *listeners;
    size_t listener_count;
    struct list sessions;
    size_t session_count;
    struct task_signal session_ended;
    bool is_shutting_down;
};

/* --- transaction --- */

/* From MAIL to the reply to DATA or BDAT LAST, RSET, EHLO or the end of the session. */
struct transaction {
    struct smtp_transaction shared; /* what the handler sees */
    struct arena *arena;            /* its message's */
    size_t recipient_room;
    uint32_t recipient_attempts; /* RCPT commands, refused ones too */
    bool has_begun;              /* the handler took MAIL: it is owed `end` */
    bool has_content;            /* `content` is open: DATA, or a BDAT, was said */
    uint64_t held_bytes;         /* of the memory all sessions may take */
    struct smtp_content content;
    struct smtp_pace pace;
};

/* --- session --- */

struct smtp_session {
    struct list in_server;
    struct smtp_server *server;
    const struct smtp_listener *listener;
    struct smtp_settings *settings;
    struct net_stream *stream;
    struct task *task;
    struct transaction *transaction; /* NULL outside one */
    char *helo;                      /* NULL before HELO or EHLO */
    bool is_extended;                /* EHLO was said */
    bool is_admitted;                /* counted by the limits */
    bool has_quit;                   /* QUIT was said */
    bool is_ending;                  /* no more commands are read; any 421 sees to it */
    bool is_lost;                    /* nothing can be said any more */
    uint32_t error_count;
    uint32_t transaction_count;
    uint32_t message_count;      /* answered with 2xx */
    uint32_t idle_command_count; /* since the last message: commands that lead nowhere */
    size_t command_bytes;        /* of the command being answered, still in the input */
    struct buf output;           /* replies not sent yet */
};

/* Before the greeting: PROXY header, limits, implicit TLS, early talkers. False when the session is to be closed,
 * with what is to be said queued. */
bool smtp_session_open(struct smtp_session *session);
/* Runs a session on the stream, which it closes. */
void smtp_session_run(const struct smtp_listener *listener, struct net_stream *stream);

const struct smtp_options *smtp_session_options(const struct smtp_session *session);
const struct smtp_handler *smtp_session_handler(const struct smtp_session *session);
bool smtp_session_offers_tls(const struct smtp_session *session);
/* Tells the log; one line in printf form. */
void smtp_session_note(const struct smtp_session *session, const char *what,
                       const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The bytes that follow the present command. */
struct str smtp_session_input(struct smtp_session *session);
/* Queues a reply (none if its code is 0); what is queued goes out when the input has no further command. */
void smtp_session_say(struct smtp_session *session, const struct reply *reply);
/* Sends what is queued; a failure ends the session. */
int smtp_session_flush(struct smtp_session *session);
/* The TLS handshake (opening.c), after which the client must introduce itself again. A failure ends the session. */
int smtp_session_start_tls(struct smtp_session *session);
/* Ends the session for a failed read: the last words, with code 0 where nobody would hear them. */
struct reply smtp_session_fail(struct smtp_session *session, int result);

/* --- transaction.c --- */

struct transaction *smtp_transaction_new(struct smtp_session *session);
/* Ends the session's transaction, if it has one. */
void smtp_transaction_end(struct smtp_session *session);
bool smtp_transaction_has_recipients(const struct smtp_session *session);
/* Why the content may not come now (DATA, BDAT); code 0 if it may. */
struct reply smtp_transaction_refusal(const struct smtp_session *session);
/* Why the parameters of MAIL or RCPT are refused, as they were read: code 0 if they are not. */
struct reply smtp_transaction_parameter_refusal(const struct smtp_session *session,
                                                enum smtp_parameter_problem problem,
                                                struct str keyword, const char *usage);
/* The place of the next recipient, zeroed; it counts once recipient_count is raised. */
struct smtp_recipient *smtp_transaction_next_recipient(struct transaction *transaction);

/* --- intake.c: the content of a message, from the stream --- */

/* Opens the transaction's content, once. */
void smtp_intake_open(struct smtp_session *session, bool is_dotted);
/* Read up to and with the final dot; a chunk; a chunk that is thrown away. Return 0, or what
 * smtp_session_fail takes. */
int smtp_intake_data(struct smtp_session *session);
int smtp_intake_chunk(struct smtp_session *session, uint64_t bytes);
int smtp_intake_skip(struct smtp_session *session, uint64_t bytes);
/* Why the content is refused for its fault; code 0 if it has none. */
struct reply smtp_intake_refusal(const struct smtp_session *session);
/* All content is in: refuses it, or makes it a message and asks the handler. */
struct reply smtp_intake_finish(struct smtp_session *session);

/* --- verbs, a file each --- */

/* The answer to a command line, given without its CRLF; code 0 when all has been said. */
struct reply smtp_verb_reply(struct smtp_session *session, struct str line);

/* A reply is a KiB, and a session's stack is to be small: functions return one made in the return itself, or the
 * only one they hold.
 *
 * `check`: may it be said now? Code 0 if so. `proceed` does it; code 0: all has been said. */
struct smtp_verb_steps {
    struct reply (*check)(const struct smtp_session *session);
    struct reply (*proceed)(struct smtp_session *session,
                            const struct smtp_command *command);
};
extern const struct smtp_verb_steps smtp_helo_steps;
extern const struct smtp_verb_steps smtp_ehlo_steps;
extern const struct smtp_verb_steps smtp_mail_steps;
extern const struct smtp_verb_steps smtp_rcpt_steps;
extern const struct smtp_verb_steps smtp_data_steps;
extern const struct smtp_verb_steps smtp_bdat_steps;
extern const struct smtp_verb_steps smtp_rset_steps;
extern const struct smtp_verb_steps smtp_noop_steps;
extern const struct smtp_verb_steps smtp_vrfy_steps;
extern const struct smtp_verb_steps smtp_help_steps;
extern const struct smtp_verb_steps smtp_quit_steps;
extern const struct smtp_verb_steps smtp_starttls_steps;
extern const struct smtp_verb_steps smtp_not_implemented_steps;
extern const struct smtp_verb_steps smtp_http_steps;
extern const struct smtp_verb_steps smtp_unknown_steps;

static inline struct reply smtp_no_reply(void)
{
    return (struct reply){0};
}
