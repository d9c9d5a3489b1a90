/* PROXY headers: both versions, whole and in pieces, good and bad. */
#include "loopback.h"

#include "net/proxy.h"

/* As STR, for an initialiser. */
#define BYTES(literal)                                                                     \
    {                                                                                      \
        literal, sizeof(literal) - 1                                                       \
    }
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IP6_1     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define IP6_2     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define TCP4_BODY "\xc0\0\x02\x01\xc0\0\x02\x02\x10\x92\0\x19"

/* --- good headers --- */

static const struct {
    struct str input;
    size_t length;
    const char *source, *destination; /* NULL: is_local */
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 4242 25\r\nEHLO"), 40, "192.0.2.1:4242",
     "192.0.2.2:25"},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 56,
     "255.255.255.255:65535", "255.255.255.255:65535"},
    {BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 0 25\r\n"), 41, "[2001:db8::1]:0",
     "[2001:db8::2]:25"},
    {BYTES("PROXY UNKNOWN\r\n"), 15, NULL, NULL},
    {BYTES("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), 59, NULL,
     NULL},
    {BYTES(SIGNATURE "\x21\x11\0\x0c" TCP4_BODY "EHLO"), 28, "192.0.2.1:4242",
     "192.0.2.2:25"},
    {BYTES(SIGNATURE "\x21\x11\0\x10" TCP4_BODY "\x04\0\x01x"), 32, "192.0.2.1:4242",
     "192.0.2.2:25"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" IP6_1 IP6_2 "\x10\x92\0\x19"), 52,
     "[2001:db8::1]:4242", "[2001:db8::2]:25"},
    {BYTES(SIGNATURE "\x20\0\0\0"), 16, NULL, NULL},
    {BYTES(SIGNATURE "\x20\x11\0\x0c" TCP4_BODY), 28, NULL, NULL},
    {BYTES(SIGNATURE "\x21\0\0\x03xyz"), 19, NULL, NULL},
};

static void check_good(size_t i, const struct proxy_header *header)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    assert_int_equal(header->length, good[i].length);
    assert_int_equal(header->is_local, good[i].source == NULL);
    if (header->is_local)
        return;
    assert_string_equal(net_address_text(&header->source, text), good[i].source);
    assert_string_equal(net_address_text(&header->destination, text), good[i].destination);
}

static void a_header_is_understood_once_it_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct proxy_header header;
        struct err err = {0};
        for (size_t length = 0; length < good[i].length; length++)
            assert_int_equal(
                proxy_header_parse(str_part(good[i].input, 0, length), &header, &err), 0);
        assert_int_equal(proxy_header_parse(good[i].input, &header, &err), 1);
        check_good(i, &header);
        assert_int_equal(err.code, 0);
    }
}

/* --- bad ones --- */

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct str bad[] = {
    BYTES("EHLO client.test\r\n"),
    BYTES("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    BYTES("P\n"),
    BYTES("PROXY\r\n"),
    BYTES("PROXY \r\n"),
    BYTES("PROXY TCP4\r\n"),
    BYTES("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"),
    BYTES("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"),
    BYTES("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.256 1 2\r\n"),
    BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
    BYTES("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
    BYTES("PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n"),
    BYTES("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
    BYTES("PROXY UNKNOWN\n"),
    BYTES("PROXY UNKNOWN " HUNDRED),
    BYTES("PROXY UNKNOWN " HUNDRED "\r\n"),
    BYTES("\r\n\r\n\r\n"),
    BYTES(SIGNATURE "\x11"),                       /* version 1 */
    BYTES(SIGNATURE "\x22"),                       /* unknown command */
    BYTES(SIGNATURE "\x21\x12\0\x0c" TCP4_BODY),   /* UDP */
    BYTES(SIGNATURE "\x21\x31\0\x0c" TCP4_BODY),   /* a local socket */
    BYTES(SIGNATURE "\x21\x11\0\x0b" TCP4_BODY),   /* too short for IPv4 */
    BYTES(SIGNATURE "\x21\x21\0\x0c" TCP4_BODY),   /* too short for IPv6 */
    BYTES(SIGNATURE "\x21\x11\x02\x09" TCP4_BODY), /* longer than we read */
    BYTES(SIGNATURE "\x20\0\xff\xff"),
};

static void a_malformed_header_is_refused_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proxy_header header;
        struct err err = {0};
        if (proxy_header_parse(bad[i], &header, &err) != -EPROTO)
            fail_msg("%zu is taken: %s", i, bad[i].at);
        assert_int_equal(err.code, -EPROTO);
        assert_non_null(strstr(err.text, "PROXY header: "));
    }
}

/* --- on a stream --- */

static int read_headers(void *arg)
{
    (void)arg;
    struct pair pair;
    struct err err = {0};
    char text[NET_ADDRESS_TEXT_BYTES];
    pair_open(&pair);
    write_text(pair.client, "PROXY TCP4 192.0.2.1 192.0.2.2 4242 25\r\nEHLO");
    assert_int_equal(proxy_header_read(pair.server, task_in_ms(5000), &err), 0);
    assert_string_equal(net_address_text(net_stream_peer(pair.server), text),
                        "192.0.2.1:4242");
    assert_string_equal(net_address_text(net_stream_local(pair.server), text),
                        "192.0.2.2:25");
    expect_text(pair.server, "EHLO");
    write_text(pair.client, "PROXY UNKNOWN\r\n");
    assert_int_equal(proxy_header_read(pair.server, task_in_ms(5000), &err), 0);
    assert_string_equal(net_address_text(net_stream_peer(pair.server), text),
                        "192.0.2.1:4242");
    assert_int_equal(proxy_header_read(pair.server, task_in_ms(5), &err), -ETIMEDOUT);
    write_text(pair.client, "PROXY TCP4");
    net_stream_close(pair.client);
    assert_int_equal(proxy_header_read(pair.server, task_in_ms(5000), &err), -EPROTO);
    net_stream_close(pair.server);
    return 0;
}

static void a_header_replaces_the_streams_addresses(void **state)
{
    (void)state;
    test_run(read_headers, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_understood_once_it_is_whole),
        cmocka_unit_test(a_malformed_header_is_refused_at_once),
        loop_test(a_header_replaces_the_streams_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
