#include "net/http_head.h"

#include <errno.h>

#define METHOD_BYTES_MAX 32

ptrdiff_t http_head_length(struct str input, size_t *line)
{
    for (size_t i = *line; i < input.length; i++) {
        if (input.at[i] != '\n')
            continue;
        if (i == *line || input.at[i - 1] != '\r')
            return -EBADMSG;
        if (i == *line + 1)
            return (ptrdiff_t)i + 1;
        *line = i + 1;
    }
    return 0;
}

/* --- characters --- */

bool http_is_token(struct str text)
{
    bool is_good = text.length > 0;
    for (size_t i = 0; i < text.length; i++)
        is_good = is_good && text.at[i] &&
                  (ascii_alnum(text.at[i]) || strchr("!#$%&'*+-.^_`|~", text.at[i]));
    return is_good;
}

bool http_is_value(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

/* The absolute form (RFC 9112 section 3.2.2) is for the host that it names: put into the origin form; false when the field
 * Host names another. */
static bool make_origin_form(struct http_head *head)
{
    struct str rest = head->target;
    size_t scheme = str_starts_nocase(rest, STR("http://"))    ? strlen("http://")
                    : str_starts_nocase(rest, STR("https://")) ? strlen("https://")
                                                               : 0;
    if (scheme == 0)
        return true;
    rest = str_from(rest, scheme);
    ptrdiff_t slash = str_index(rest, '/');
    struct str host = str_part(rest, 0, slash < 0 ? rest.length : (size_t)slash);
    head->target = slash < 0 ? STR("/") : str_from(rest, (size_t)slash);
    return str_equal_nocase(host, head->host);
}

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

/* --- lines --- */

static struct str cut_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    line.length--; /* its CR, as http_head_length has seen */
    return line;
}

/* method SP target SP version */
static unsigned read_request_line(struct str line, struct arena *arena,
                                  struct http_head *head)
{
    struct str method = str_cut(&line, ' '), target = str_cut(&line, ' ');
    if (!http_is_token(method) || method.length > METHOD_BYTES_MAX)
        return 400;
    if (!str_starts(line, STR("HTTP/")) || str_index(line, ' ') >= 0)
        return 400;
    head->is_http10 = str_equal(line, STR("HTTP/1.0"));
    if (!head->is_http10 && !str_equal(line, STR("HTTP/1.1")))
        return 505;
    head->method = arena_str(arena, method);
    head->target = arena_str(arena, target);
    return 0;
}

static unsigned read_field(struct str line, struct arena *arena, struct http_field *field)
{
    ptrdiff_t colon = str_index(line, ':');
    struct str name = str_part(line, 0, colon < 0 ? 0 : (size_t)colon);
    if (!http_is_token(name))
        return 400;
    struct str value = str_from(line, (size_t)colon + 1);
    if (!http_is_value(value))
        return 400;
    field->name = arena_text(arena, name);
    field->value = arena_str(arena, str_trim(value));
    return 0;
}

static unsigned read_fields(struct str rest, struct arena *arena, struct http_head *head)
{
    unsigned status = 0;
    head->fields = arena_array(arena, struct http_field, HTTP_FIELDS_MAX);
    while (rest.length && status == 0) {
        struct str line = cut_line(&rest);
        if (line.length == 0)
            return 0;
        if (head->field_count == HTTP_FIELDS_MAX)
            return 431;
        status = read_field(line, arena, &head->fields[head->field_count++]);
    }
    return status;
}

/* --- what the fields say about the request --- */

struct found {
    size_t count;
    struct str value; /* of the last */
};

static struct found find(const struct http_head *head, struct str name)
{
    struct found found = {0};
    for (size_t i = 0; i < head->field_count; i++)
        if (str_equal_nocase(str_of(head->fields[i].name), name)) {
            found.count++;
            found.value = head->fields[i].value;
        }
    return found;
}

const struct http_field *http_field_find(const struct http_field *fields, size_t count,
                                         struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_nocase(str_of(fields[i].name), name))
            return &fields[i];
    return NULL;
}

static unsigned read_body_framing(struct http_head *head)
{
    struct found length = find(head, STR("content-length"));
    struct found coding = find(head, STR("transfer-encoding"));
    if (length.count > 1 || coding.count > 1 || (length.count && coding.count) ||
        (coding.count && head->is_http10))
        return 400;
    if (length.count && !str_to_number(length.value, &head->length))
        return 400;
    head->is_chunked = coding.count > 0;
    return coding.count && !str_equal_nocase(coding.value, STR("chunked")) ? 501 : 0;
}

static bool has_connection_option(const struct http_head *head, struct str option)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct str rest = head->fields[i].value;
        if (!str_equal_nocase(str_of(head->fields[i].name), STR("connection")))
            continue;
        while (rest.length)
            if (str_equal_nocase(str_trim(str_cut(&rest, ',')), option))
                return true;
    }
    return false;
}

static unsigned read_expectation(struct http_head *head)
{
    struct found expect = find(head, STR("expect"));
    if (expect.count == 0 || head->is_http10)
        return 0;
    head->wants_continue = str_equal_nocase(expect.value, STR("100-continue"));
    return head->wants_continue ? 0 : 417;
}

unsigned http_head_parse(struct str text, struct arena *arena, struct http_head *head)
{
    *head = (struct http_head){.wants_close = true};
    struct str rest = text, line = cut_line(&rest);
    unsigned status = read_request_line(line, arena, head);
    if (status == 0)
        status = read_fields(rest, arena, head);
    if (status)
        return status;
    struct found host = find(head, STR("host"));
    head->host = host.value;
    if (host.count > 1 || (host.count == 0 && !head->is_http10) || !is_host(host.value) ||
        !make_origin_form(head) || !is_target(head->target))
        return 400;
    head->wants_close =
        has_connection_option(head, STR("close")) ||
        (head->is_http10 && !has_connection_option(head, STR("keep-alive")));
    status = read_body_framing(head);
    return status ? status : read_expectation(head);
}
