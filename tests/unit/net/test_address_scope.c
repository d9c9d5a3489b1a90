/* Which addresses are everybody's. */
#include <stdio.h>

#include "test.h"

#include "net/address_scope.h"

static bool is_public(const char *text)
{
    struct net_address address;
    if (net_address_parse(str_of(text), 0, &address) < 0)
        fail_msg("no address: %s", text);
    return net_address_is_public(&address);
}

static void addresses_of_the_internet_are_public(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.1.1.1",     "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.0.1",  "100.128.0.0",     "126.0.0.1",       "128.0.0.1",
        "169.253.0.1", "172.15.255.255",  "172.32.0.0",      "192.167.0.1",
        "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!is_public(texts[i]))
            fail_msg("not public: %s", texts[i]);
}

static void all_others_are_not(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456:789a::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "4000::1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (is_public(texts[i]))
            fail_msg("public: %s", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_internet_are_public),
        cmocka_unit_test(all_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
