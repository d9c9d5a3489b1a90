/* What a response looks like on the wire (RFC 9112 section 4). */
#include <time.h>

#include "net/http_server_internal.h"

bool http_server_may_send(struct str name, struct str value)
{
    static const char *const ours[] = {
        "connection", "content-length",    "date",    "keep-alive", "te",
        "trailer",    "transfer-encoding", "upgrade", NULL};
    for (size_t i = 0; ours[i]; i++)
        if (str_equal_nocase(name, str_of(ours[i])))
            return false;
    return http_is_token(name) && http_is_value(value) &&
           !str_starts_nocase(name, STR("proxy-"));
}

/* Of those that we say ourselves, and scripts like to say; the phrase may be empty. */
static const char *phrase_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

/* RFC 9110 section 5.6.7. */
static void write_date(struct buf *out)
{
    char text[64];
    struct tm parts;
    time_t now = time(NULL);
    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buf_printf(out, "Date: %s\r\n", text);
}

static bool has_length(unsigned status)
{
    return status != 204 && status != 304;
}

void http_response_write_head(const struct http_connection *connection, struct buf *out)
{
    const struct http_server_response *response = &connection->response;
    buf_printf(out, "HTTP/1.1 %u %s\r\n", response->status, phrase_of(response->status));
    write_date(out);
    for (size_t i = 0; i < response->field_count; i++)
        buf_printf(out, "%s: %.*s\r\n", response->fields[i].name,
                   STR_ARG(response->fields[i].value));
    if (has_length(response->status))
        buf_printf(out, "Content-Length: %zu\r\n", response->body.length);
    if (connection->is_last)
        buf_printf(out, "Connection: close\r\n");
    else if (connection->head.is_http10)
        buf_printf(out, "Connection: keep-alive\r\n");
    buf_append(out, STR("\r\n"));
}
