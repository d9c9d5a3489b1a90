/* The trace field. */
#include "test.h"

#include "smtp/received.h"

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct message_client client_at(const char *ip, const char *helo)
{
    struct message_client client = {.helo = str_of(helo)};
    assert_int_equal(net_address_parse(str_of(ip), 4000, &client.address), 0);
    return client;
}

static void assert_field(const struct smtp_received *received, const char *expected)
{
    struct str field = smtp_received_field(received, arena);
    assert_string_equal(field.at, expected);
    assert_int_equal(field.length, strlen(expected));
}

static void a_plain_trace_has_client_host_id_and_date(void **state)
{
    (void)state;
    struct message_client client = client_at("192.0.2.1", "client.test");
    struct smtp_received received = {.client = &client,
                                     .host_name = "mx.dest.test",
                                     .id = STR("abc123"),
                                     .at_ms = 1000,
                                     .is_extended = true};
    assert_field(&received, "Received: from client.test ([192.0.2.1])\r\n"
                            "\tby mx.dest.test (Postern) with ESMTP\r\n"
                            "\tid abc123;\r\n"
                            "\tThu, 01 Jan 1970 00:00:01 +0000\r\n");
}

static void a_full_trace_has_tls_name_and_recipient(void **state)
{
    (void)state;
    struct message_client client = client_at("2001:db8::1", "[IPv6:2001:db8::1]");
    client.hostname = STR("client.test");
    client.tls_version = STR("TLSv1.3");
    client.tls_cipher = STR("TLS_AES_256_GCM_SHA384");
    struct smtp_received received = {.client = &client,
                                     .host_name = "mx.dest.test",
                                     .id = STR("abc123"),
                                     .recipient = STR("anna@dest.test"),
                                     .is_extended = true};
    assert_field(&received,
                 "Received: from [IPv6:2001:db8::1] (client.test [IPv6:2001:db8::1])\r\n"
                 "\tby mx.dest.test (Postern) with ESMTPS\r\n"
                 "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
                 "\tid abc123\r\n"
                 "\tfor <anna@dest.test>;\r\n"
                 "\tThu, 01 Jan 1970 00:00:00 +0000\r\n");
}

static void a_clients_name_cannot_look_like_syntax(void **state)
{
    (void)state;
    struct message_client client = client_at("192.0.2.1", "a(b)\"c;<d>,e\\f.test");
    struct smtp_received received = {.client = &client, .host_name = "mx.dest.test"};
    struct str field = smtp_received_field(&received, arena);
    assert_true(str_starts(field, STR("Received: from a?b??c??d??e?f.test ([")));
}

static void the_protocol_has_the_name_of_its_extensions(void **state)
{
    (void)state;
    static const struct {
        bool is_extended, is_tls, is_authenticated, is_utf8;
        const char *name;
    } rows[] = {
        {false, false, false, false, "SMTP"},   {false, true, false, false, "SMTP"},
        {true, false, false, false, "ESMTP"},   {true, true, false, false, "ESMTPS"},
        {true, false, true, false, "ESMTPA"},   {true, true, true, false, "ESMTPSA"},
        {true, false, false, true, "UTF8SMTP"}, {true, true, false, true, "UTF8SMTPS"},
        {true, false, true, true, "UTF8SMTPA"}, {true, true, true, true, "UTF8SMTPSA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_client client = {0};
        if (rows[i].is_tls)
            client.tls_version = STR("TLSv1.3");
        struct smtp_received received = {.client = &client,
                                         .is_extended = rows[i].is_extended,
                                         .is_authenticated = rows[i].is_authenticated,
                                         .is_utf8 = rows[i].is_utf8};
        assert_string_equal(smtp_protocol_name(&received), rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_trace_has_client_host_id_and_date),
        cmocka_unit_test(a_full_trace_has_tls_name_and_recipient),
        cmocka_unit_test(a_clients_name_cannot_look_like_syntax),
        cmocka_unit_test(the_protocol_has_the_name_of_its_extensions),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
