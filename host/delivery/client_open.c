/* The beginning of a connection: greeting, EHLO or HELO, STARTTLS (RFC 5321 section 3.1 and 3.2, RFC 3207,
 * RFC 7435). A host that is not fit for use here may still be one for another day: all failures are
 * CLIENT_TRY_OTHER. */
#include <errno.h>
#include <stdlib.h>

#include "client.h"

#include "base/mem.h"
#include "base/task.h"
#include "delivery/internal.h"

/* What one try to open ends with; a handshake that failed leaves the chance of a clear connection. */
enum opening { OPENED, NOT_OPENED, HANDSHAKE_FAILED };

static enum opening heard_no(const struct client *client, struct client_verdict *verdict)
{
    *verdict = (struct client_verdict){
        .end = CLIENT_TRY_OTHER,
        .reply = client->dialogue.reply,
        .is_from_peer = client->dialogue.is_from_peer,
    };
    return NOT_OPENED;
}

static void tell(struct client_verdict *verdict, struct reply reply)
{
    *verdict = (struct client_verdict){.end = CLIENT_TRY_OTHER, .reply = reply};
}

/* --- EHLO --- */

static void learn_keyword(struct client *client, struct str line)
{
    struct str rest = line;
    struct str keyword = str_cut(&rest, ' ');
    if (str_equal_nocase(keyword, STR("PIPELINING")))
        client->has_pipelining = true;
    else if (str_equal_nocase(keyword, STR("8BITMIME")))
        client->has_8bitmime = true;
    else if (str_equal_nocase(keyword, STR("SMTPUTF8")))
        client->has_smtputf8 = true;
    else if (str_equal_nocase(keyword, STR("CHUNKING")))
        client->has_chunking = true;
    else if (str_equal_nocase(keyword, STR("STARTTLS")))
        client->has_starttls = true;
    else if (str_equal_nocase(keyword, STR("DSN")))
        client->has_dsn = true;
    else if (str_equal_nocase(keyword, STR("SIZE"))) {
        client->has_size = true;
        if (!str_to_number(str_trim(rest), &client->size_max))
            client->size_max = 0;
    }
}

/* The first line of the reply is the peer's name. */
static void learn_keywords(struct client *client, bool is_extended)
{
    client->has_pipelining = client->has_size = client->has_8bitmime = false;
    client->has_smtputf8 = client->has_chunking = client->has_starttls = false;
    client->has_dsn = false;
    client->size_max = 0;
    struct str rest = str_of(client->dialogue.reply.text);
    str_cut(&rest, '\n');
    while (is_extended && rest.length > 0)
        learn_keyword(client, str_cut(&rest, '\n'));
}

static bool say_hello(struct client *client, const struct delivery_options *options)
{
    struct dialogue *dialogue = &client->dialogue;
    task_stage("sending EHLO to %s", dialogue->peer);
    dialogue_say(dialogue, "EHLO %s", options->host_name);
    bool is_extended = dialogue_hear(dialogue, options->command_timeout_ms, "EHLO", 2);
    if (!is_extended && !reply_is_permanent(&dialogue->reply))
        return false;
    if (!is_extended) {
        dialogue_say(dialogue, "HELO %s", options->host_name);
        if (!dialogue_hear(dialogue, options->command_timeout_ms, "HELO", 2))
            return false;
    }
    learn_keywords(client, is_extended);
    return true;
}

/* --- TLS --- */

static enum opening shake_hands(struct client *client, const struct client_target *target,
                                struct client_verdict *verdict)
{
    struct dialogue *dialogue = &client->dialogue;
    bool is_verified =
        target->tls == DELIVERY_TLS_VERIFIED || target->tls == DELIVERY_TLS_IMPLICIT;
    char *name = mem_copy_text(target->name.at, target->name.length);
    struct err err = {0};
    task_stage("starting TLS with %s", dialogue->peer);
    int result = net_stream_tls_connect(
        dialogue->stream, target->trust, is_verified ? TLS_VERIFY_PEER : TLS_ANY_PEER, name,
        task_in_ms(target->options->command_timeout_ms), &err);
    free(name);
    if (result == 0)
        return OPENED;
    dialogue->is_over = true;
    tell(verdict, reply_make(451, "4.7.5", "no TLS with %s: %s", dialogue->peer,
                             err.text[0] ? err.text : strerror(-result)));
    return HANDSHAKE_FAILED;
}

static enum opening start_tls(struct client *client, const struct client_target *target,
                              struct client_verdict *verdict)
{
    struct dialogue *dialogue = &client->dialogue;
    bool is_opportunistic = target->tls == DELIVERY_TLS_OPPORTUNISTIC;
    if (!client->has_starttls && is_opportunistic)
        return OPENED;
    if (!client->has_starttls) {
        tell(verdict, reply_make(451, "4.7.4", "%s offers no TLS, which is required here",
                                 dialogue->peer));
        return NOT_OPENED;
    }
    dialogue_say(dialogue, "STARTTLS");
    if (!dialogue_hear(dialogue, target->options->command_timeout_ms, "STARTTLS", 2)) {
        if (is_opportunistic && !dialogue->is_over)
            return OPENED;
        heard_no(client, verdict);
        return HANDSHAKE_FAILED;
    }
    if (net_stream_input(dialogue->stream).length > 0) {
        /* Sent in the clear, to be taken for a reply under TLS. */
        dialogue->is_over = true;
        tell(verdict, reply_make(451, "4.7.5", "%s has spoken between STARTTLS and TLS",
                                 dialogue->peer));
        return HANDSHAKE_FAILED;
    }
    enum opening opening = shake_hands(client, target, verdict);
    if (opening == OPENED && !say_hello(client, target->options))
        return heard_no(client, verdict);
    return opening;
}

/* --- opening --- */

static struct client *connect_to(const struct client_target *target,
                                 struct client_verdict *verdict)
{
    struct net_stream *stream = NULL;
    struct err err = {0};
    task_stage("connecting to %.*s", STR_ARG(target->name));
    int result = net_stream_connect_first(target->addresses, target->address_count,
                                          task_in_ms(target->options->connect_timeout_ms),
                                          &stream, NULL, &err);
    if (result < 0) {
        tell(verdict,
             reply_make(451, "4.4.1", "no connection to %.*s: %s", STR_ARG(target->name),
                        err.text[0] ? err.text : strerror(-result)));
        return NULL;
    }
    struct client *client = mem_zero(1, sizeof *client);
    list_init(&client->pool.node);
    list_init(&client->pool.by_age);
    dialogue_open(&client->dialogue, stream, target->name);
    return client;
}

static enum opening introduce(struct client *client, const struct client_target *target,
                              struct client_verdict *verdict)
{
    struct dialogue *dialogue = &client->dialogue;
    if (target->tls == DELIVERY_TLS_IMPLICIT) {
        enum opening opening = shake_hands(client, target, verdict);
        if (opening != OPENED)
            return opening;
    }
    task_stage("waiting for the greeting of %s", dialogue->peer);
    if (!dialogue_hear(dialogue, target->options->greeting_timeout_ms, "connecting", 2) ||
        !say_hello(client, target->options))
        return heard_no(client, verdict);
    if (target->tls == DELIVERY_TLS_NONE || target->tls == DELIVERY_TLS_IMPLICIT)
        return OPENED;
    return start_tls(client, target, verdict);
}

static struct client *open_once(const struct client_target *target, enum opening *opening,
                                struct client_verdict *verdict)
{
    *opening = NOT_OPENED;
    struct client *client = connect_to(target, verdict);
    if (!client)
        return NULL;
    *opening = introduce(client, target, verdict);
    if (*opening == OPENED)
        return client;
    client_close(client);
    return NULL;
}

struct client *client_open(const struct client_target *target,
                           struct client_verdict *verdict)
{
    enum opening opening;
    struct client *client = open_once(target, &opening, verdict);
    if (opening != HANDSHAKE_FAILED || target->tls != DELIVERY_TLS_OPPORTUNISTIC)
        return client;
    /* RFC 7435: protection against listeners where it works; mail that goes through where not. */
    struct client_target in_clear = *target;
    in_clear.tls = DELIVERY_TLS_NONE;
    return open_once(&in_clear, &opening, verdict);
}

void client_close(struct client *client)
{
    if (!client)
        return;
    dialogue_close(&client->dialogue);
    free(client);
}
