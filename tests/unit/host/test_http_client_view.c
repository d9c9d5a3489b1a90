/* Who has sent a request that came through proxies. */
#include <string.h>

#include "test.h"

#include "http/client.h"

static struct net_block proxies[2];
static struct http_server_options options = {.proxies = proxies, .proxy_count = 2};

static const char *view(const char *peer, const char *first, const char *second)
{
    static char text[NET_ADDRESS_TEXT_BYTES];
    struct http_field fields[] = {{"X-Forwarded-For", str_of(first)},
                                  {"x-forwarded-for", str_of(second ? second : "")}};
    const struct http_head head = {.fields = fields, .field_count = second ? 2 : 1};
    struct http_server_request request = {.head = &head};
    assert_int_equal(net_address_parse(str_of(peer), 0, &request.peer), 0);
    struct http_client_view client = http_client_view(&options, &request);
    return net_address_ip_text(&client.address, text);
}

static void what_a_stranger_says_is_not_believed(void **state)
{
    (void)state;
    assert_string_equal(view("203.0.113.1", "198.51.100.1", NULL), "203.0.113.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1, 203.0.113.1", NULL), "203.0.113.1");
}

static void proxies_are_followed_from_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(view("10.0.0.1", "198.51.100.1", NULL), "198.51.100.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1, 10.0.0.2 , 10.0.0.3", NULL),
                        "198.51.100.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1", "10.0.0.2"), "198.51.100.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1:4711", NULL), "198.51.100.1");
    assert_string_equal(view("10.0.0.1", "[2001:db8::1]:4711", NULL), "2001:db8::1");
    assert_string_equal(view("2001:db8::5", "2001:db8::6", NULL), "2001:db8::6");
}

static void nonsense_ends_the_way(void **state)
{
    (void)state;
    assert_string_equal(view("10.0.0.1", "198.51.100.1, unknown", NULL), "10.0.0.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", NULL),
                        "10.0.0.2");
    assert_string_equal(view("10.0.0.1", "", NULL), "10.0.0.1");
    assert_string_equal(view("10.0.0.1", ",,", NULL), "10.0.0.1");
    assert_string_equal(view("10.0.0.1", "198.51.100.1", "unknown"), "10.0.0.1");
}

static void the_scheme_is_a_trusted_proxys_to_say(void **state)
{
    (void)state;
    struct http_field field = {"X-Forwarded-Proto", STR("HTTPS")};
    const struct http_head head = {.fields = &field, .field_count = 1};
    struct http_server_request request = {.head = &head};
    net_address_parse(STR("10.0.0.1"), 0, &request.peer);
    assert_true(http_client_view(&options, &request).is_https);
    net_address_parse(STR("203.0.113.1"), 0, &request.peer);
    assert_false(http_client_view(&options, &request).is_https);
    request.is_tls = true;
    assert_true(http_client_view(&options, &request).is_https);
}

int main(void)
{
    net_block_parse(STR("10.0.0.0/8"), &proxies[0]);
    net_block_parse(STR("2001:db8::5"), &proxies[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_stranger_says_is_not_believed),
        cmocka_unit_test(proxies_are_followed_from_the_nearest),
        cmocka_unit_test(nonsense_ends_the_way),
        cmocka_unit_test(the_scheme_is_a_trusted_proxys_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
