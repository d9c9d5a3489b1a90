/* Which URL a request is for. */
#include <string.h>

#include "test.h"

#include "http/url_map.h"

static struct http_url_rule rules[] = {
    {.path = {"/", 1}, .methods = HTTP_GET, .target = "root"},
    {.path = {"/hooks", 6}, .methods = HTTP_METHODS_ALL, .target = "hooks"},
    {.path = {"/hooks/github", 13}, .methods = HTTP_POST, .target = "github"},
    {.path = {"/hooks/github", 13}, .methods = HTTP_DELETE, .target = "delete"},
    {.host = {"a.test", 6}, .path = {"/", 1}, .methods = HTTP_METHODS_ALL, .target = "a"},
};
static const struct http_url_map map = {rules, sizeof rules / sizeof *rules};

static const char *find(const char *host, const char *target, const char *method)
{
    struct http_url_match match =
        http_url_map_find(&map, str_of(host), str_of(target), str_of(method));
    static char text[HTTP_ALLOW_BYTES];
    if (match.rule)
        return match.rule->target;
    return match.allowed ? http_url_allow(match.allowed, text) : "none";
}

static void the_most_particular_url_counts(void **state)
{
    (void)state;
    assert_string_equal(find("b.test", "/hooks", "GET"), "hooks");
    assert_string_equal(find("b.test", "/hooks/", "GET"), "hooks");
    assert_string_equal(find("b.test", "/hooks?x=/hooks/github", "PUT"), "hooks");
    assert_string_equal(find("b.test", "/hooks/github", "POST"), "github");
    assert_string_equal(find("b.test", "/hooks/github/x", "DELETE"), "delete");
    assert_string_equal(find("b.test", "/hooks/githubs", "POST"), "hooks");
    assert_string_equal(find("b.test", "/hooksx", "HEAD"), "root");
    assert_string_equal(find("", "/", "GET"), "root");
    assert_string_equal(find("A.test:8080", "/hooks/github", "POST"), "a");
    assert_string_equal(find("a.test.", "/", "PUT"), "a");
    assert_string_equal(find("xa.test", "/", "GET"), "root");
}

static void another_method_is_told_which_there_are(void **state)
{
    (void)state;
    assert_string_equal(find("b.test", "/hooks/github", "GET"), "POST, DELETE");
    assert_string_equal(find("b.test", "/x", "POST"), "GET, HEAD");
    assert_string_equal(find("b.test", "/hooks", "BREW"),
                        "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    const struct http_url_map nothing = {0};
    struct http_url_match match =
        http_url_map_find(&nothing, STR("a"), STR("/"), STR("GET"));
    assert_null(match.rule);
    assert_int_equal(match.allowed, 0);
}

static void paths_that_could_mean_another_are_found(void **state)
{
    (void)state;
    static const char *const bad[] = {"/..",  "/a/../b", "/a/.",    "/a/%2e%2E/b", "/.%2e",
                                      "/%2E", "/./",     "/a/..?x", "/%2e."};
    static const char *const good[] = {"/",    "/a",    "/a/...",   "/a.b/..c",
                                       "/a..", "/%2ex", "/?x=/../", "/a/%2e%2e%2e"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!http_url_has_dots(str_of(bad[i])))
            fail_msg("%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (http_url_has_dots(str_of(good[i])))
            fail_msg("%s", good[i]);
}

static void a_path_of_host_yaml_is_put_into_one_form(void **state)
{
    (void)state;
    struct str path;
    assert_true(http_url_path_read(STR("/a/b/"), &path));
    assert_true(str_equal(path, STR("/a/b")));
    assert_true(http_url_path_read(STR("//"), &path));
    assert_true(str_equal(path, STR("/")));
    static const char *const bad[] = {"",   "a",    "/a b", "/a?b", "/a#b",
                                      "/ä", "/a\n", "/..",  "/a\"", "http://a.test/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (http_url_path_read(str_of(bad[i]), &path))
            fail_msg("%s", bad[i]);
}

static void two_rules_clash_in_a_method_only(void **state)
{
    (void)state;
    struct http_url_rule rule = {.path = STR("/hooks/github"), .methods = HTTP_GET};
    assert_null(http_url_map_clash(&map, &rule));
    rule.methods |= HTTP_DELETE;
    assert_string_equal(http_url_map_clash(&map, &rule)->target, "delete");
    rule.host = STR("a.test");
    assert_null(http_url_map_clash(&map, &rule));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_particular_url_counts),
        cmocka_unit_test(another_method_is_told_which_there_are),
        cmocka_unit_test(paths_that_could_mean_another_are_found),
        cmocka_unit_test(a_path_of_host_yaml_is_put_into_one_form),
        cmocka_unit_test(two_rules_clash_in_a_method_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
