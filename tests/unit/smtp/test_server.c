/* The server as a whole, on loopback: what a reload changes and what it leaves, and listeners that cannot be. The
 * dialogues (tests/dialogue) hold all the rest. */
#include <errno.h>

#include "test.h"

#include "net/stream.h"
#include "smtp/replies.h"
#include "smtp/server.h"

#define PATIENCE_MS 60000

static int begun, ended;

static struct reply begin(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    (void)transaction;
    begun++;
    return reply_sender_ok();
}

static struct reply recipient(void *arg, struct smtp_transaction *transaction,
                              struct smtp_recipient *recipient)
{
    (void)arg;
    (void)transaction;
    (void)recipient;
    return reply_recipient_ok();
}

static struct reply message(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    return reply_message_accepted(transaction->message->id);
}

static void end(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    (void)transaction;
    ended++;
}

static void note(void *arg, const char *what, const struct net_address *peer,
                 const char *detail)
{
    (void)arg;
    (void)what;
    (void)peer;
    (void)detail;
}

static const struct smtp_handler handler = {
    .begin = begin, .recipient = recipient, .message = message, .end = end, .note = note};

static struct smtp_listener_options listener;

static struct smtp_options options_for(const char *host_name)
{
    net_address_parse(STR("127.0.0.1"), 0, &listener.address);
    listener.tls = SMTP_TLS_STARTTLS;
    return (struct smtp_options){.host_name = host_name,
                                 .listeners = &listener,
                                 .listener_count = 1,
                                 .message_bytes_max = 10000,
                                 .memory_bytes_max = 100000,
                                 .recipients_max = 10,
                                 .command_bytes_max = 512,
                                 .line_bytes_max = 1000,
                                 .header_bytes_max = 1000,
                                 .hops_max = 10,
                                 .errors_max = 10,
                                 .transactions_max = 10,
                                 .connections_max = 10,
                                 .connections_per_address_max = 10,
                                 .command_timeout_ms = PATIENCE_MS,
                                 .data_timeout_ms = PATIENCE_MS,
                                 .message_timeout_ms = PATIENCE_MS,
                                 .tls_handshake_timeout_ms = PATIENCE_MS};
}

/* Says a line (NULL: nothing) and expects what is said next to begin with `expected`. */
static void say(struct net_stream *stream, const char *line, const char *expected)
{
    if (line) {
        struct str parts[] = {str_of(line), STR("\r\n")};
        assert_int_equal(net_stream_write(stream, parts, 2, task_in_ms(PATIENCE_MS)), 0);
    }
    while (str_index(net_stream_input(stream), '\n') < 0)
        assert_true(net_stream_fill(stream, task_in_ms(PATIENCE_MS)) > 0);
    assert_true(str_starts(net_stream_input(stream), str_of(expected)));
    net_stream_consume(stream, net_stream_input(stream).length);
}

static struct net_stream *connect_to(const struct smtp_server *server)
{
    struct net_stream *stream;
    assert_int_equal(net_stream_connect(smtp_server_address(server, 0), NULL,
                                        task_in_ms(PATIENCE_MS), &stream),
                     0);
    return stream;
}

static int reload_with_a_session_open(void *arg)
{
    (void)arg;
    struct smtp_options options = options_for("old.test");
    struct smtp_server *server = smtp_server_open(&options, NULL, &handler, NULL);
    struct net_stream *before = connect_to(server);
    say(before, NULL, "220 old.test ");

    char name[] = "new.test"; /* copied: gone after the reload */
    struct smtp_options changed = options_for(name);
    smtp_server_reconfigure(server, &changed, NULL);
    name[0] = '?';
    struct net_stream *after = connect_to(server);
    say(after, NULL, "220 new.test ");
    say(before, "QUIT", "221 2.0.0 old.test ");
    assert_null(smtp_server_address(server, 1));

    net_stream_close(before);
    net_stream_close(after);
    smtp_server_shut_down(server, task_in_ms(PATIENCE_MS));
    assert_int_equal(smtp_server_session_count(server), 0);
    smtp_server_close(server);
    return 0;
}

static void a_reload_is_for_new_sessions(void **state)
{
    (void)state;
    assert_int_equal(test_run(reload_with_a_session_open, NULL), 0);
}

static int lose_certificates(void *arg)
{
    (void)arg;
    struct smtp_options options = options_for("mx.test");
    struct err err = {0};
    struct tls_server *tls = tls_server_new_self_signed("mx.test", &err);
    listener.tls = SMTP_TLS_IMPLICIT;
    struct smtp_server *server = smtp_server_open(&options, tls, &handler, &err);
    smtp_server_reconfigure(server, &options, NULL);
    tls_server_release(tls);
    struct net_stream *stream = connect_to(server);
    assert_int_equal(net_stream_fill(stream, task_in_ms(PATIENCE_MS)), 0);
    net_stream_close(stream);
    smtp_server_shut_down(server, task_in_ms(PATIENCE_MS));
    smtp_server_close(server);
    return 0;
}

static void a_listener_that_lost_its_certificates_turns_clients_away(void **state)
{
    (void)state;
    assert_int_equal(test_run(lose_certificates, NULL), 0);
}

static void implicit_tls_needs_a_certificate(void **state)
{
    (void)state;
    struct smtp_options options = options_for("mx.test");
    struct err err = {0};
    listener.tls = SMTP_TLS_IMPLICIT;
    assert_null(smtp_server_open(&options, NULL, &handler, &err));
    assert_int_equal(err.code, -EINVAL);
    assert_non_null(strstr(err.text, "certificate"));
}

static int leave_in_a_transaction(void *arg)
{
    (void)arg;
    struct smtp_options options = options_for("mx.test");
    struct smtp_server *server = smtp_server_open(&options, NULL, &handler, NULL);
    struct net_stream *stream = connect_to(server);
    say(stream, NULL, "220 ");
    say(stream, "EHLO client.test", "250");
    say(stream, "MAIL FROM:<>", "250");
    say(stream, "RSET", "250");
    say(stream, "MAIL FROM:<>", "250");
    say(stream, "RCPT TO:<a@b.test>", "250");
    say(stream, "DATA", "354");
    say(stream, ".", "250");
    say(stream, "MAIL FROM:<>", "250");
    net_stream_close(stream);
    smtp_server_shut_down(server, task_in_ms(PATIENCE_MS));
    smtp_server_close(server);
    return 0;
}

static void every_transaction_that_began_ends_once(void **state)
{
    (void)state;
    begun = ended = 0;
    assert_int_equal(test_run(leave_in_a_transaction, NULL), 0);
    assert_int_equal(begun, 3);
    assert_int_equal(ended, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_reload_is_for_new_sessions),
        loop_test(a_listener_that_lost_its_certificates_turns_clients_away),
        loop_test(implicit_tls_needs_a_certificate),
        loop_test(every_transaction_that_began_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
