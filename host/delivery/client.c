/* One transaction after another on an open connection (RFC 5321 section 3.3; PIPELINING: RFC 2920; DSN: RFC 3461).
 *
 *     [RSET] MAIL RCPT DATA --> content, final dot --> the verdict
 *
 * With PIPELINING the commands of the first line go out in one write and their replies are heard in
 * order, whatever they are; without, one after the other until one is refused. With CHUNKING the content
 * follows MAIL and RCPT as BDAT.
 *
 * Until the final dot (or the end of BDAT's bytes) has been sent the peer does not have the message, and
 * another host may be asked; from there on only its reply tells. */
#include "client.h"

#include <stdio.h>

#include "base/task.h"
#include "delivery/internal.h"
#include "delivery/transmit.h"

enum verb { RSET, MAIL, RCPT, DATA };
#define VERBS_MAX 4

static const char *const verb_names[] = {"RSET", "MAIL FROM", "RCPT TO", "DATA"};

struct transaction {
    struct client *client;
    const struct delivery_request *request;
    const struct delivery_options *options;
    struct str reverse_path, recipient; /* as to be said to this peer */
    const char *mail_dsn, *rcpt_dsn;    /* behind them: DSN's parameters, or empty */
    size_t content_length;
    bool says_smtputf8;
    bool is_decided;   /* the verdict stands; what is heard later does not change it */
    bool data_started; /* 354: the peer waits for content */
    struct client_verdict *verdict;
};

/* --- verdicts --- */

static void decide_ours(struct transaction *transaction, enum client_end end,
                        struct reply reply)
{
    transaction->is_decided = true;
    *transaction->verdict = (struct client_verdict){.end = end, .reply = reply};
}

static void decide(struct transaction *transaction, enum client_end end)
{
    const struct dialogue *dialogue = &transaction->client->dialogue;
    transaction->is_decided = true;
    *transaction->verdict = (struct client_verdict){
        .end = end,
        .reply = dialogue->reply,
        .is_from_peer = dialogue->is_from_peer,
    };
}

/* --- before the first command --- */

/* What is known without asking: false when the peer cannot take this message. */
static bool suits_peer(struct transaction *transaction)
{
    const struct client *client = transaction->client;
    const struct delivery_request *request = transaction->request;
    bool has_utf8_address = request->reverse_path->is_utf8 || request->recipient->is_utf8;
    if (has_utf8_address && !client->has_smtputf8)
        decide_ours(transaction, CLIENT_REFUSED,
                    reply_make(550, "5.6.7", "%s knows no internationalized addresses",
                               client->dialogue.peer));
    else if (client->size_max > 0 && transaction->content_length > client->size_max)
        decide_ours(transaction, CLIENT_REFUSED,
                    reply_make(552, "5.3.4", "%s takes messages of at most %llu bytes",
                               client->dialogue.peer, client->size_max));
    return !transaction->is_decided;
}

/* For a peer without SMTPUTF8 a domain has its A-labels. */
static void choose_addresses(struct transaction *transaction, struct arena *arena)
{
    const struct delivery_request *request = transaction->request;
    transaction->says_smtputf8 =
        transaction->client->has_smtputf8 &&
        (request->is_utf8 || request->reverse_path->is_utf8 || request->recipient->is_utf8);
    if (transaction->says_smtputf8) {
        transaction->reverse_path = request->reverse_path->text;
        transaction->recipient = request->recipient->text;
        return;
    }
    transaction->recipient = mailbox_ascii_text(request->recipient, arena);
    if (!request->reverse_path->is_null)
        transaction->reverse_path = mailbox_ascii_text(request->reverse_path, arena);
}

/* A peer without DSN is told nothing of it (RFC 3461 section 5.2.2): what the sender wants to know is then the
 * caller's to say. */
static void choose_dsn(struct transaction *transaction, struct arena *arena)
{
    const struct delivery_request *request = transaction->request;
    bool has_dsn = transaction->client->has_dsn;
    transaction->mail_dsn =
        has_dsn && request->dsn ? dsn_mail_parameters(request->dsn, arena) : "";
    transaction->rcpt_dsn = has_dsn && request->dsn_recipient
                                ? dsn_rcpt_parameters(request->dsn_recipient, arena)
                                : "";
}

/* --- commands --- */

static void say_mail(const struct transaction *transaction)
{
    const struct client *client = transaction->client;
    char size[32] = "";
    if (client->has_size)
        snprintf(size, sizeof size, " SIZE=%zu", transaction->content_length);
    /* A peer without 8BITMIME gets the bytes as they are, as every MTA does today: converting would
     * break the signatures of the message. */
    bool says_8bit = transaction->request->is_8bit && client->has_8bitmime;
    dialogue_say(&transaction->client->dialogue, "MAIL FROM:<%.*s>%s%s%s%s",
                 STR_ARG(transaction->reverse_path), size,
                 says_8bit ? " BODY=8BITMIME" : "",
                 transaction->says_smtputf8 ? " SMTPUTF8" : "", transaction->mail_dsn);
}

static void say_verb(const struct transaction *transaction, enum verb verb)
{
    struct dialogue *dialogue = &transaction->client->dialogue;
    switch (verb) {
    case RSET:
        dialogue_say(dialogue, "RSET");
        break;
    case MAIL:
        say_mail(transaction);
        break;
    case RCPT:
        dialogue_say(dialogue, "RCPT TO:<%.*s>%s", STR_ARG(transaction->recipient),
                     transaction->rcpt_dsn);
        break;
    case DATA:
        dialogue_say(dialogue, "DATA");
        break;
    }
}

/* --- their replies --- */

/* A kept connection that fails before MAIL has been answered was closed, or about to be, while it was
 * idle: that says nothing about the message. */
static bool was_dead(const struct transaction *transaction, enum verb verb)
{
    const struct dialogue *dialogue = &transaction->client->dialogue;
    return transaction->client->message_count > 0 && verb <= MAIL &&
           (dialogue->is_over || verb == RSET);
}

static void decide_refusal(struct transaction *transaction, enum verb verb)
{
    struct dialogue *dialogue = &transaction->client->dialogue;
    if (was_dead(transaction, verb)) {
        dialogue->is_over = true;
        decide(transaction, CLIENT_WAS_DEAD);
        return;
    }
    decide(transaction,
           reply_is_permanent(&dialogue->reply) ? CLIENT_REFUSED : CLIENT_TRY_OTHER);
}

static void hear_verb(struct transaction *transaction, enum verb verb)
{
    struct dialogue *dialogue = &transaction->client->dialogue;
    uint32_t timeout_ms = verb == DATA ? transaction->options->data_start_timeout_ms
                                       : transaction->options->command_timeout_ms;
    task_stage("waiting for the answer to %s from %s", verb_names[verb], dialogue->peer);
    if (dialogue_hear(dialogue, timeout_ms, verb_names[verb], verb == DATA ? 3 : 2))
        transaction->data_started = verb == DATA;
    else if (!transaction->is_decided)
        decide_refusal(transaction, verb);
}

static void begin(struct transaction *transaction)
{
    struct client *client = transaction->client;
    enum verb verbs[VERBS_MAX];
    size_t count = 0;
    if (client->needs_reset)
        verbs[count++] = RSET;
    verbs[count++] = MAIL;
    verbs[count++] = RCPT;
    if (!client->has_chunking)
        verbs[count++] = DATA;
    client->needs_reset = true;
    for (size_t i = 0; i < count && !transaction->is_decided; i++) {
        say_verb(transaction, verbs[i]);
        if (!client->has_pipelining)
            hear_verb(transaction, verbs[i]);
    }
    for (size_t i = 0; client->has_pipelining && i < count; i++)
        if (!client->dialogue.is_over)
            hear_verb(transaction, verbs[i]);
}

/* RFC 2920 section 3.1: a peer may answer DATA with 354 though it has refused the recipient. It gets the
 * end of an empty message, and what it says to that is of no interest. */
static void end_unwanted_data(struct transaction *transaction)
{
    struct dialogue *dialogue = &transaction->client->dialogue;
    dialogue_say(dialogue, ".");
    dialogue_hear(dialogue, transaction->options->command_timeout_ms,
                  "the end of an empty message", 2);
}

/* --- content --- */

static int send_content(const struct transaction *transaction)
{
    const struct delivery_request *request = transaction->request;
    struct client *client = transaction->client;
    uint32_t timeout_ms = transaction->options->data_block_timeout_ms;
    task_stage("sending %zu bytes to %s", transaction->content_length,
               client->dialogue.peer);
    return client->has_chunking ? transmit_bdat(client->dialogue.stream, request->parts,
                                                request->part_count, timeout_ms)
                                : transmit_data(client->dialogue.stream, request->parts,
                                                request->part_count, timeout_ms);
}

/* The content is with the peer: no other host is asked after this, so that nobody gets it twice. */
static void hear_end(struct transaction *transaction)
{
    struct client *client = transaction->client;
    struct dialogue *dialogue = &client->dialogue;
    task_stage("waiting for the answer to the message from %s", dialogue->peer);
    bool is_delivered = dialogue_hear(dialogue, transaction->options->data_end_timeout_ms,
                                      "the end of the message (it may have it)", 2);
    /* After a refused BDAT the transaction goes on (RFC 3030 section 2). */
    client->needs_reset = client->has_chunking && !is_delivered;
    decide(transaction, is_delivered ? CLIENT_DELIVERED : CLIENT_REFUSED);
}

static void hear_why_content_failed(struct transaction *transaction, int failure)
{
    struct dialogue *dialogue = &transaction->client->dialogue;
    dialogue_hear_last_words(dialogue, failure, "a part of the message");
    decide(transaction,
           reply_is_permanent(&dialogue->reply) ? CLIENT_REFUSED : CLIENT_TRY_OTHER);
}

void client_send(struct client *client, const struct delivery_request *request,
                 const struct delivery_options *options, struct arena *arena,
                 struct client_verdict *verdict)
{
    struct transaction transaction = {
        .client = client,
        .request = request,
        .options = options,
        .content_length = transmit_length(request->parts, request->part_count),
        .verdict = verdict,
    };
    if (!suits_peer(&transaction))
        return;
    choose_addresses(&transaction, arena);
    choose_dsn(&transaction, arena);
    begin(&transaction);
    client->message_count++;
    if (transaction.is_decided) {
        if (transaction.data_started && !client->dialogue.is_over)
            end_unwanted_data(&transaction);
        return;
    }
    int result = send_content(&transaction);
    if (result < 0)
        hear_why_content_failed(&transaction, result);
    else
        hear_end(&transaction);
}

/* --- what others see --- */

bool client_is_usable(const struct client *client)
{
    return !client->dialogue.is_over && !net_stream_is_dead(client->dialogue.stream);
}

bool client_has_dsn(const struct client *client)
{
    return client->has_dsn;
}

size_t client_message_count(const struct client *client)
{
    return client->message_count;
}

struct str client_peer(const struct client *client)
{
    return str_of(client->dialogue.peer);
}

struct str client_tls(const struct client *client, struct arena *arena)
{
    const char *version = net_stream_tls_version(client->dialogue.stream);
    if (!version)
        return STR("");
    return str_of(arena_printf(arena, "%s %s", version,
                               net_stream_tls_cipher(client->dialogue.stream)));
}
