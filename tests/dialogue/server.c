/* A server for the dialogues: the SMTP receiver with a handler that knows the domain dest.test and prints what it
 * takes. `dialogue_server name=value …` sets options, prints "listening <port> <tls port>", and runs until
 * SIGTERM (which shuts it down as an administrator would). */
#include "smtp/server.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/task.h"
#include "smtp/replies.h"

static struct smtp_listener_options listeners[2];
static struct net_block proxies[1];
static struct smtp_options options = {
    .host_name = "mx.dest.test",
    .listeners = listeners,
    .listener_count = 2,
    .message_bytes_max = 100000,
    .memory_bytes_max = 1000000,
    .recipients_max = 100,
    .command_bytes_max = 2048,
    .line_bytes_max = 8192,
    .header_bytes_max = 20000,
    .hops_max = 50,
    .errors_max = 10,
    .transactions_max = 1000,
    .connections_max = 1000,
    .connections_per_address_max = 50,
    .command_timeout_ms = 10000,
    .data_timeout_ms = 10000,
    .message_timeout_ms = 20000,
    .data_rate_min = 100,
    .tls_handshake_timeout_ms = 5000,
};
static uint64_t early, has_tls = 1, has_proxy, is_v6, decide_ms;
static uint64_t shutdown_ms = 1000;
static uint64_t space_bytes = UINT64_MAX; /* MAIL with a larger SIZE gets 452 */

static const struct {
    const char *name;
    uint64_t *wide;
    uint32_t *narrow;
} settings[] = {
    {"message_bytes_max", &options.message_bytes_max, NULL},
    {"memory_bytes_max", &options.memory_bytes_max, NULL},
    {"recipients_max", NULL, &options.recipients_max},
    {"command_bytes_max", NULL, &options.command_bytes_max},
    {"line_bytes_max", NULL, &options.line_bytes_max},
    {"header_bytes_max", NULL, &options.header_bytes_max},
    {"hops_max", NULL, &options.hops_max},
    {"errors_max", NULL, &options.errors_max},
    {"transactions_max", NULL, &options.transactions_max},
    {"connections_max", NULL, &options.connections_max},
    {"connections_per_address_max", NULL, &options.connections_per_address_max},
    {"command_timeout_ms", NULL, &options.command_timeout_ms},
    {"data_timeout_ms", NULL, &options.data_timeout_ms},
    {"message_timeout_ms", NULL, &options.message_timeout_ms},
    {"data_rate_min", NULL, &options.data_rate_min},
    {"tls_handshake_timeout_ms", NULL, &options.tls_handshake_timeout_ms},
    {"reject_early_talkers", &early, NULL},
    {"tls", &has_tls, NULL},
    {"proxy", &has_proxy, NULL},
    {"v6", &is_v6, NULL},
    {"decide_ms", &decide_ms, NULL},
    {"shutdown_ms", &shutdown_ms, NULL},
    {"space_bytes", &space_bytes, NULL},
};

static int set_option(const char *text)
{
    struct str value = str_of(text);
    struct str name = str_cut(&value, '=');
    unsigned long long number;
    if (!str_to_number(value, &number))
        return -1;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!str_equal(name, str_of(settings[i].name)))
            continue;
        if (settings[i].wide)
            *settings[i].wide = number;
        else
            *settings[i].narrow = (uint32_t)number;
        return 0;
    }
    return -1;
}

/* --- the handler: what the addresses at dest.test do is told by their names --- */

static struct reply begin(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    struct str sender = transaction->message->reverse_path.local;
    if (str_equal(sender, STR("blocked")))
        return reply_make(550, "5.7.1", "We do not want your mail");
    if (transaction->announced_bytes > space_bytes)
        return reply_low_space();
    return reply_sender_ok();
}

static struct reply recipient(void *arg, struct smtp_transaction *transaction,
                              struct smtp_recipient *recipient)
{
    static const char *const users[] = {"anna",    "ben",    "carla", "postmaster",
                                        "rejects", "defers", "a b",   "jürgen"};
    (void)arg;
    (void)transaction;
    struct str domain = recipient->mailbox.domain;
    if (domain.length && !str_equal(domain, STR("dest.test")))
        return reply_relay_denied();
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        if (str_equal_nocase(recipient->mailbox.local, str_of(users[i])))
            return reply_recipient_ok();
    return reply_unknown_recipient();
}

static void print_message(const struct smtp_transaction *transaction)
{
    const struct message *message = transaction->message;
    printf("MAIL FROM:<%.*s>%s%s%s\n", STR_ARG(message->reverse_path.text),
           message->is_8bit ? " 8bit" : "", message->is_utf8 ? " utf8" : "",
           dsn_mail_parameters(&message->dsn, message->arena));
    for (size_t i = 0; i < transaction->recipient_count; i++)
        printf("RCPT TO:<%.*s>%s\n", STR_ARG(transaction->recipients[i].mailbox.text),
               dsn_rcpt_parameters(&transaction->recipients[i].dsn, message->arena));
    fwrite(message->trace.at, 1, message->trace.length, stdout);
    fwrite(message->raw->bytes, 1, message->raw->length, stdout);
    printf("END of %zu bytes\n", message->raw->length);
    fflush(stdout);
}

/* A recipient's own reply; code 0 for one who takes the message. */
static struct reply recipient_reply(const struct smtp_recipient *recipient)
{
    struct str user = recipient->mailbox.local;
    if (str_equal(user, STR("rejects")))
        return reply_rejected(STR("no thanks"));
    if (str_equal(user, STR("defers")))
        return reply_worker_failed();
    return (struct reply){0};
}

/* With PRDR each recipient gets what he says, and one who takes the message suffices; without, all must. */
static struct reply decide(void *arg, struct smtp_transaction *transaction)
{
    struct reply refusal = {0};
    size_t refused_count = 0;
    (void)arg;
    if (decide_ms && task_sleep(decide_ms) < 0)
        return reply_local_error();
    for (size_t i = 0; i < transaction->recipient_count; i++) {
        struct smtp_recipient *recipient = &transaction->recipients[i];
        recipient->reply = recipient_reply(recipient);
        if (recipient->reply.code) {
            refusal = recipient->reply;
            refused_count++;
        }
    }
    bool needs_all = !transaction->wants_prdr;
    if (refused_count >= (needs_all ? 1 : transaction->recipient_count))
        return refusal;
    print_message(transaction);
    return reply_message_accepted(transaction->message->id);
}

static void end(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    (void)transaction;
}

static void note(void *arg, const char *what, const struct net_address *peer,
                 const char *detail)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    (void)arg;
    fprintf(stderr, "%s %s: %s\n", what, net_address_ip_text(peer, text), detail);
}

static const struct smtp_handler handler = {
    .begin = begin, .recipient = recipient, .message = decide, .end = end, .note = note};

/* --- the process --- */

static struct smtp_server *server;

static int shut_down(void *arg)
{
    uv_signal_t *signal = arg;
    smtp_server_shut_down(server, task_in_ms(shutdown_ms));
    smtp_server_close(server);
    uv_close((uv_handle_t *)signal, NULL);
    return 0;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_signal_stop(signal);
    task_detach(task_start("shut down", shut_down, signal));
}

static int open_server(struct tls_server *tls)
{
    struct err err = {0};
    net_address_parse(is_v6 ? STR("::1") : STR("127.0.0.1"), 0, &listeners[0].address);
    listeners[1].address = listeners[0].address;
    listeners[1].tls = SMTP_TLS_IMPLICIT;
    options.listener_count = tls ? 2 : 1;
    options.reject_early_talkers = early;
    net_block_parse(STR("127.0.0.1"), &proxies[0]);
    listeners[0].proxies = proxies;
    listeners[0].proxy_count = has_proxy ? 1 : 0;
    server = smtp_server_open(&options, tls, &handler, &err);
    if (!server) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    printf("listening %u", net_address_port(smtp_server_address(server, 0)));
    if (tls)
        printf(" %u", net_address_port(smtp_server_address(server, 1)));
    printf("\n");
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static uv_loop_t loop;
    static uv_signal_t terminate;
    struct err err = {0};
    for (int i = 1; i < argc; i++) {
        if (set_option(argv[i]) < 0) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
    }
    uv_loop_init(&loop);
    task_runtime_open(&loop);
    uv_signal_init(&loop, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);
    struct tls_server *tls =
        has_tls ? tls_server_new_self_signed("mx.dest.test", &err) : NULL;
    if (open_server(tls) < 0)
        return 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    if (tls)
        tls_server_release(tls);
    task_runtime_close();
    return uv_loop_close(&loop) == 0 ? 0 : 3;
}
