#include "net/http_framing.h"

#define METHOD_BYTES_MAX 32

bool http_framing_is_token(struct str text)
{
    bool is_good = text.length > 0;
    for (size_t i = 0; i < text.length; i++)
        is_good = is_good && text.at[i] &&
                  (ascii_alnum(text.at[i]) || strchr("!#$%&'*+-.^_`|~", text.at[i]));
    return is_good;
}

bool http_framing_is_value(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

/* The origin form only (RFC 9112 section 3.2.1): this is no proxy. */
static bool is_target(struct str target)
{
    bool is_good = target.length > 0 && target.at[0] == '/';
    for (size_t i = 0; i < target.length; i++)
        is_good =
            is_good && target.at[i] > ' ' && target.at[i] < 127 && target.at[i] != '#';
    return is_good;
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.length; i++)
        if (!host.at[i] || (!ascii_alnum(host.at[i]) && !strchr("-._~:[]", host.at[i])))
            return false;
    return true;
}

struct found {
    size_t count;
    struct str value; /* of the last */
};

static struct found find(const struct http_field *fields, size_t field_count,
                         struct str name)
{
    struct found found = {0};
    for (size_t i = 0; i < field_count; i++)
        if (str_equal_nocase(str_of(fields[i].name), name)) {
            found.count++;
            found.value = str_trim(fields[i].value);
        }
    return found;
}

static bool are_fields(const struct http_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++)
        if (!http_framing_is_token(str_of(fields[i].name)) ||
            !http_framing_is_value(fields[i].value))
            return false;
    return true;
}

static unsigned check_body(struct found length, struct found coding, bool is_http10)
{
    unsigned long long bytes;
    if (length.count > 1 || coding.count > 1 || (length.count && coding.count) ||
        (coding.count && is_http10))
        return 400;
    if (length.count && !str_to_number(length.value, &bytes))
        return 400;
    return coding.count && !str_equal_nocase(coding.value, STR("chunked")) ? 501 : 0;
}

unsigned http_framing_check(struct str method, struct str target, struct str version,
                            const struct http_field *fields, size_t field_count)
{
    bool is_http10 = str_equal(version, STR("HTTP/1.0"));
    if (!is_http10 && !str_equal(version, STR("HTTP/1.1")))
        return 505;
    struct found host = find(fields, field_count, STR("host"));
    if (!http_framing_is_token(method) || method.length > METHOD_BYTES_MAX ||
        !is_target(target) || !are_fields(fields, field_count) || host.count > 1 ||
        (host.count == 0 && !is_http10) || !is_host(host.value))
        return 400;
    return check_body(find(fields, field_count, STR("content-length")),
                      find(fields, field_count, STR("transfer-encoding")), is_http10);
}

unsigned long long http_framing_length(const struct http_field *fields, size_t field_count)
{
    unsigned long long bytes = 0;
    struct found length = find(fields, field_count, STR("content-length"));
    return length.count && str_to_number(length.value, &bytes) ? bytes : 0;
}

bool http_framing_has_body(const struct http_field *fields, size_t field_count)
{
    return http_framing_length(fields, field_count) ||
           find(fields, field_count, STR("transfer-encoding")).count;
}
