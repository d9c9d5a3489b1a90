#include "http_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The part in the arena; a NULL address when there is none. */
static struct str take_part(CURLU *parser, CURLUPart part, unsigned flags,
                            struct arena *arena)
{
    char *text = NULL;
    struct str taken = {0};
    if (curl_url_get(parser, part, &text, flags) == CURLUE_OK)
        taken = arena_str(arena, str_of(text));
    curl_free(text);
    return taken;
}

static bool has_part(CURLU *parser, CURLUPart part)
{
    char *text = NULL;
    bool is_there = curl_url_get(parser, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return is_there;
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 127)
            return false;
    return text.length > 0 && text.length <= HTTP_URL_BYTES_MAX;
}

static struct str host_of(CURLU *parser, struct arena *arena)
{
    struct str host = take_part(parser, CURLUPART_HOST, 0, arena);
    char *lower = arena_text(arena, host);
    for (char *c = lower; *c; c++)
        *c = ascii_lower(*c);
    host = str_of(lower);
    if (host.length > 2 && host.at[0] == '[' && host.at[host.length - 1] == ']')
        host = str_part(host, 1, host.length - 2);
    return host;
}

static int read_parts(CURLU *parser, struct arena *arena, struct http_url *url,
                      struct err *err)
{
    unsigned long long port = 0;
    struct str scheme = take_part(parser, CURLUPART_SCHEME, 0, arena);
    url->is_https = str_equal_nocase(scheme, STR("https"));
    if (!url->is_https && !str_equal_nocase(scheme, STR("http")))
        return err_set(err, -EINVAL, "its scheme is neither http nor https");
    if (has_part(parser, CURLUPART_USER) || has_part(parser, CURLUPART_PASSWORD))
        return err_set(err, -EINVAL,
                       "it has a user or a password in it: use an Authorization header");
    url->host = host_of(parser, arena);
    if (url->host.length == 0 || str_has_8bit(url->host))
        return err_set(err, -EINVAL, "its host must be ASCII: write xn--… for other names");
    if (!str_to_number(take_part(parser, CURLUPART_PORT, CURLU_DEFAULT_PORT, arena),
                       &port) ||
        port == 0 || port > 65535)
        return err_set(err, -EINVAL, "its port is none");
    url->port = (uint16_t)port;
    curl_url_set(parser, CURLUPART_FRAGMENT, NULL, 0);
    url->text = take_part(parser, CURLUPART_URL, 0, arena);
    return url->text.length ? 0 : err_set(err, -EINVAL, "it is malformed");
}

int http_url_parse(struct str text, const struct http_url *base, struct arena *arena,
                   struct http_url *url, struct err *err)
{
    *url = (struct http_url){0};
    if (!is_plain(text))
        return err_set(err, -EINVAL,
                       "it is empty, longer than %d bytes, or has blanks or control "
                       "characters in it",
                       HTTP_URL_BYTES_MAX);
    CURLU *parser = curl_url();
    if (!parser)
        return err_set(err, -ENOMEM, "no memory");
    CURLUcode code = CURLUE_OK;
    if (base)
        code = curl_url_set(parser, CURLUPART_URL, base->text.at, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parser, CURLUPART_URL, arena_text(arena, text),
                            CURLU_NON_SUPPORT_SCHEME);
    int result = code == CURLUE_OK ? read_parts(parser, arena, url, err)
                                   : err_set(err, -EINVAL, "%s", curl_url_strerror(code));
    curl_url_cleanup(parser);
    return result;
}

bool http_url_same_origin(const struct http_url *a, const struct http_url *b)
{
    return a->is_https == b->is_https && a->port == b->port && str_equal(a->host, b->host);
}
