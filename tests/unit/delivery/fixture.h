/* What the tests of delivery by SMTP share: a peer with a script, an engine with a route to it, a message
 * to send. `run(body)` runs a test's body as a task, with all of it open. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/mem.h"
#include "delivery/delivery.h"
/* after test.h: they assert */
#include "delivery/fake_peer.h"

#define GREETING                                                                           \
    {                                                                                      \
        NULL, "220 mx.test ESMTP"                                                          \
    }
#define EHLO_PLAIN                                                                         \
    {                                                                                      \
        "EHLO gw.test", "250 mx.test"                                                      \
    }
#define EHLO_PIPELINING                                                                    \
    {                                                                                      \
        "EHLO gw.test", "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250 8BITMIME" \
    }
#define EHLO_CHUNKING                                                                      \
    {                                                                                      \
        "EHLO gw.test", "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING"                    \
    }
#define MAIL_OK                                                                            \
    {                                                                                      \
        "MAIL FROM:<from@src.test>", "250 2.1.0 fine"                                      \
    }
#define RCPT_OK                                                                            \
    {                                                                                      \
        "RCPT TO:<to@dest.test>", "250 2.1.5 fine"                                         \
    }
#define DATA_OK                                                                            \
    {                                                                                      \
        "DATA", "354 go on"                                                                \
    }
#define TAKEN                                                                              \
    {                                                                                      \
        FAKE_CONTENT, "250 2.0.0 queued as 42"                                             \
    }
#define UNTIL_END                                                                          \
    {                                                                                      \
        FAKE_END, NULL                                                                     \
    }

static const struct str plain_message = {"Subject: x\r\n\r\nbody\r\n", 20};

static struct fixture {
    struct fake_peer peer;
    struct delivery_options options;
    struct delivery_route route;
    struct delivery *delivery;
    struct arena *arena;
} fixture;

static struct delivery_options test_options(void)
{
    return (struct delivery_options){
        .host_name = "gw.test",
        .routes = &fixture.route,
        .route_count = 1,
        .connections_per_destination_max = 20,
        .messages_per_connection_max = 1000,
        .idle_ms = 10000,
        .mx_hosts_max = 5,
        .connect_timeout_ms = 30000,
        .greeting_timeout_ms = 30000,
        .command_timeout_ms = 30000,
        .data_start_timeout_ms = 30000,
        .data_block_timeout_ms = 30000,
        .data_end_timeout_ms = 30000,
        .total_timeout_ms = 60000,
        .ipv6 = true,
    };
}

static int run_open(void *arg)
{
    struct err err = {0};
    fake_peer_open(&fixture.peer, "127.0.0.1:0");
    fixture.route.domain = STR("*");
    fixture.route.host = STR("127.0.0.1");
    fixture.route.port = fake_peer_port(&fixture.peer);
    fixture.delivery = delivery_open(&fixture.options, NULL, &err);
    assert_string_equal(err.text, "");
    fixture.arena = arena_new();
    (*(void (**)(void))arg)();
    delivery_close(fixture.delivery);
    fake_peer_close(&fixture.peer);
    return 0;
}

/* The peer's scripts, the options and the route's TLS are set before. */
static inline void run(void (*body)(void))
{
    assert_int_equal(test_run(run_open, &body), 0);
    fake_peer_free(&fixture.peer);
    arena_free(fixture.arena);
    tls_server_release(fixture.peer.tls);
}

static int fixture_reset(void **state)
{
    memset(&fixture, 0, sizeof fixture);
    fixture.options = test_options();
    return test_loop_open(state);
}

#define peer_test(name)                                                                    \
    cmocka_unit_test_setup_teardown(name, fixture_reset, test_loop_close)

static struct mailbox mailbox_of(const char *text)
{
    struct mailbox mailbox = {.is_null = true};
    if (text[0])
        assert_int_equal(mailbox_parse(str_of(text), fixture.arena, &mailbox), 0);
    return mailbox;
}

static struct delivery_result send_as(const char *from, const char *to,
                                      struct delivery_request request)
{
    struct mailbox reverse_path = mailbox_of(from), recipient = mailbox_of(to);
    struct delivery_result result;
    request.reverse_path = &reverse_path;
    request.recipient = &recipient;
    request.message_id = STR("test");
    if (!request.parts) {
        request.parts = &plain_message;
        request.part_count = 1;
    }
    delivery_send(fixture.delivery, &request, fixture.arena, &result);
    return result;
}

static inline struct delivery_result send_plain(void)
{
    return send_as("from@src.test", "to@dest.test", (struct delivery_request){0});
}

static inline void assert_heard(const char *expected)
{
    struct str heard = buf_view(&fixture.peer.heard);
    char *text = mem_copy_text(heard.at, heard.length);
    assert_string_equal(text, expected);
    free(text);
}

static inline void assert_content(const char *expected)
{
    struct str content = buf_view(&fixture.peer.content);
    assert_int_equal(content.length, strlen(expected));
    assert_memory_equal(content.at, expected, content.length);
}
