#include "http/url_map.h"

#include <stdio.h>

#define METHOD_COUNT 6

static const struct {
    const char *name, *shown;
} methods[METHOD_COUNT] = {{"GET", "GET, HEAD"}, {"POST", "POST"},
                           {"PUT", "PUT"},       {"PATCH", "PATCH"},
                           {"DELETE", "DELETE"}, {"OPTIONS", "OPTIONS"}};

unsigned http_method_of(struct str name)
{
    if (str_equal(name, STR("HEAD")))
        return HTTP_GET;
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (str_equal(name, str_of(methods[i].name)))
            return 1U << i;
    return 0;
}

const char *http_url_allow(unsigned allowed, char text[HTTP_ALLOW_BYTES])
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (allowed & 1U << i)
            length += (size_t)snprintf(text + length, HTTP_ALLOW_BYTES - length, "%s%s",
                                       length ? ", " : "", methods[i].shown);
    return text;
}

/* --- paths --- */

static struct str path_of(struct str target)
{
    struct str rest = target;
    return str_cut(&rest, '?');
}

/* "." is also written %2e. */
static bool is_dots(struct str segment)
{
    size_t dots = 0;
    while (segment.length) {
        size_t length = segment.at[0] == '.'                     ? 1
                        : str_starts_nocase(segment, STR("%2e")) ? 3
                                                                 : 0;
        if (length == 0)
            return false;
        dots++;
        segment = str_from(segment, length);
    }
    return dots == 1 || dots == 2;
}

bool http_url_has_dots(struct str target)
{
    struct str rest = path_of(target);
    while (rest.length)
        if (is_dots(str_cut(&rest, '/')))
            return true;
    return false;
}

bool http_url_path_read(struct str text, struct str *path)
{
    bool is_good = text.length > 0 && text.at[0] == '/' && !http_url_has_dots(text);
    for (size_t i = 0; i < text.length; i++)
        is_good = is_good && text.at[i] > ' ' && text.at[i] < 127 &&
                  !strchr("?#\"<>\\^`{|}", text.at[i]);
    while (text.length > 1 && text.at[text.length - 1] == '/')
        text.length--;
    *path = text;
    return is_good;
}

static bool is_within(struct str path, struct str rule_path)
{
    if (rule_path.length == 1)
        return true;
    return str_starts(path, rule_path) &&
           (path.length == rule_path.length || path.at[rule_path.length] == '/');
}

/* --- the map --- */

const struct http_url_rule *http_url_map_clash(const struct http_url_map *map,
                                               const struct http_url_rule *rule)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct http_url_rule *other = &map->rules[i];
        if (str_equal(other->host, rule->host) && str_equal(other->path, rule->path) &&
            other->methods & rule->methods)
            return other;
    }
    return NULL;
}

static struct str without_port(struct str host)
{
    ptrdiff_t colon = str_last_index(host, ':');
    if (colon >= 0 && str_index(str_from(host, (size_t)colon), ']') < 0)
        host.length = (size_t)colon;
    if (host.length && host.at[host.length - 1] == '.')
        host.length--;
    return host;
}

static bool is_nearer(const struct http_url_rule *rule, const struct http_url_rule *than)
{
    if (!than || (rule->host.length > 0) != (than->host.length > 0))
        return !than || rule->host.length > 0;
    return rule->path.length > than->path.length;
}

struct http_url_match http_url_map_find(const struct http_url_map *map, struct str host,
                                        struct str target, struct str method)
{
    struct http_url_match match = {0};
    const struct http_url_rule *nearest = NULL;
    struct str path = path_of(target), name = without_port(host);
    for (size_t i = 0; i < map->count; i++) {
        const struct http_url_rule *rule = &map->rules[i];
        if ((rule->host.length && !str_equal_nocase(rule->host, name)) ||
            !is_within(path, rule->path))
            continue;
        if (is_nearer(rule, nearest)) {
            nearest = rule;
            match = (struct http_url_match){0};
        } else if (is_nearer(nearest, rule)) {
            continue;
        }
        match.allowed |= rule->methods;
        if (rule->methods & http_method_of(method))
            match.rule = rule;
    }
    return match;
}
