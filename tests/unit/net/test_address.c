/* Addresses: parsing, writing, comparing, networks. */
#include <errno.h>
#include <string.h>

#include "test.h"

#include "net/address.h"

static void parsed_addresses_are_written_in_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t default_port;
        const char *written; /* NULL: refused */
    } table[] = {
        {"192.0.2.1:25", 0, "192.0.2.1:25"},
        {"192.0.2.1", 25, "192.0.2.1:25"},
        {"[2001:DB8::0:1]:587", 0, "[2001:db8::1]:587"},
        {"[::1]", 25, "[::1]:25"},
        {"::1", 25, "[::1]:25"},
        {"::ffff:192.0.2.1", 25, "192.0.2.1:25"},
        {"[::ffff:192.0.2.1]:465", 0, "192.0.2.1:465"},
        {"0.0.0.0:0", 25, "0.0.0.0:0"},
        {"192.0.2.1", 0, NULL},
        {"::1", 0, NULL},
        {"192.0.2.1:", 25, NULL},
        {"192.0.2.1:65536", 25, NULL},
        {"192.0.2.1:-1", 25, NULL},
        {"192.0.2.1: 25", 25, NULL},
        {"192.0.2.256", 25, NULL},
        {"192.0.2", 25, NULL},
        {"192.0.02.1", 25, NULL},
        {"[192.0.2.1]:25", 25, NULL},
        {"[::1:25", 25, NULL},
        {"::1]:25", 25, NULL},
        {"[::1]25", 25, NULL},
        {"[::1%lo]:25", 25, NULL},
        {"mx.example.com:25", 25, NULL},
        {"", 25, NULL},
        {":25", 25, NULL},
        {"[]:25", 25, NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", 25, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct net_address address;
        int result =
            net_address_parse_port(str_of(table[i].text), table[i].default_port, &address);
        char text[NET_ADDRESS_TEXT_BYTES];
        if (!table[i].written && result != -EINVAL)
            fail_msg("%s is taken", table[i].text);
        if (table[i].written) {
            assert_int_equal(result, 0);
            assert_string_equal(net_address_text(&address, text), table[i].written);
        }
    }
    struct net_address address;
    assert_int_equal(net_address_parse(STR("::1\0x"), 0, &address), -EINVAL);
}

static void addresses_tell_what_they_are(void **state)
{
    (void)state;
    struct net_address v4, v6, mapped, far, none = {0};
    char text[NET_ADDRESS_TEXT_BYTES];
    net_address_parse(STR("127.9.9.9"), 1, &v4);
    net_address_parse(STR("::1"), 2, &v6);
    net_address_parse(STR("::ffff:127.9.9.9"), 3, &mapped);
    net_address_parse(STR("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 65535, &far);
    assert_true(net_address_is_loopback(&v4) && net_address_is_loopback(&v6));
    assert_false(net_address_is_loopback(&far) || net_address_is_loopback(&none));
    assert_false(net_address_is_v6(&v4) || net_address_is_v6(&mapped));
    assert_true(net_address_is_v6(&v6));
    assert_true(net_address_same_ip(&v4, &mapped));
    assert_false(net_address_same_ip(&v4, &v6));
    assert_int_equal(net_address_port(&mapped), 3);
    assert_int_equal(net_address_port(&far), 65535);
    assert_int_equal(net_address_bytes(&v6).length, 16);
    assert_string_equal(net_address_ip_text(&v4, text), "127.9.9.9");
    assert_string_equal(net_address_text(&far, text),
                        "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_string_equal(net_address_text(&none, text), "local");
}

static void a_socket_address_is_taken_over(void **state)
{
    (void)state;
    struct net_address v6, taken;
    struct sockaddr unspecified = {.sa_family = AF_UNIX};
    net_address_parse(STR("fe80::1"), 25, &v6);
    v6.socket.v6.sin6_scope_id = 2;
    net_address_from_socket(&v6.socket.any, &taken);
    assert_memory_equal(&taken, &v6, sizeof v6);
    net_address_from_socket(&unspecified, &taken);
    assert_int_equal(net_address_bytes(&taken).length, 0);
}

static void a_block_contains_its_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *block, *address;
        bool is_in;
    } table[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.77/24", "192.0.2.1", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.129", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1/32", "192.0.2.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "203.0.113.9", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1/128", "::1", true},
        {"::ffff:192.0.2.0/120", "192.0.2.9", true},
        {"::ffff:192.0.2.0/120", "192.0.3.9", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct net_block block;
        struct net_address address;
        assert_int_equal(net_block_parse(str_of(table[i].block), &block), 0);
        assert_int_equal(net_address_parse(str_of(table[i].address), 0, &address), 0);
        if (net_block_contains(&block, &address) != table[i].is_in)
            fail_msg("%s, %s", table[i].block, table[i].address);
    }
}

static void a_malformed_block_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "192.0.2.0/33",  "::/129", "192.0.2.0/",     "192.0.2.0/-1",  "192.0.2.0/24/8",
        "/24",           "",       "example.com/24", "192.0.2.0/ 24", "::ffff:192.0.2.0/24",
        "192.0.2.0/0x8",
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct net_block block;
        if (net_block_parse(str_of(table[i]), &block) != -EINVAL)
            fail_msg("\"%s\" is taken", table[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed_addresses_are_written_in_one_form),
        cmocka_unit_test(addresses_tell_what_they_are),
        cmocka_unit_test(a_socket_address_is_taken_over),
        cmocka_unit_test(a_block_contains_its_addresses),
        cmocka_unit_test(a_malformed_block_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
