/* env.API: HTTP for scripts, to the hosts that the binding names. So that a script, or whoever can put words into its
 * mouth, reaches nothing else:
 *
 *     URL --parsed as libcurl does--> host allowed? --our DNS--> all its addresses public? --> connected to one of those
 *      ^                                                                                          | 3xx, Location
 *      `------------------------------------------------------------------------------------------'
 *
 * Names are looked up once per request; what is connected to is the address that was looked at. */
#include <errno.h>
#include <string.h>

#include "binding_internal.h"

#include "base/task.h"
#include "mail/domain.h"
#include "net/address_scope.h"
#include "net/http_client.h"
#include "net/http_url.h"

#define RESPONSE_BYTES_MAX ((size_t)10 * 1024 * 1024)
#define BODY_BYTES_MAX     ((size_t)10 * 1024 * 1024)
#define TIMEOUT_MS_MAX     30000
#define REDIRECTS_MAX      10
#define HEADERS_MAX        64
#define NAME_BYTES_MAX     128
#define VALUE_BYTES_MAX    8000
#define ADDRESSES_TRIED    3

enum redirect { REDIRECT_FOLLOW, REDIRECT_MANUAL, REDIRECT_ERROR };

struct exchange {
    struct binding_request *request;
    struct http_url url;
    const char *method;
    struct http_field *fields;
    size_t field_count;
    struct str body;
    enum redirect redirect;
    unsigned redirect_count;
    uint64_t deadline_ms;
    struct net_address *addresses; /* of the URL's host, all looked at */
    size_t address_count;
    struct http_response response;
};

/* --- arguments --- */

static const char *known_word(struct str given, const char *const words[])
{
    for (size_t i = 0; words[i]; i++)
        if (str_equal(given, str_of(words[i])))
            return words[i];
    return NULL;
}

static bool take_method(struct exchange *exchange)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                          "PATCH", "DELETE", "OPTIONS", NULL};
    struct binding_request *request = exchange->request;
    exchange->method =
        known_word(value_get_string(request->arguments, "method", STR("GET")), methods);
    if (!exchange->method) {
        binding_refuse(request, "E_VALIDATION_ERROR",
                       "the method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
        return false;
    }
    bool has_none = str_equal(str_of(exchange->method), STR("GET")) ||
                    str_equal(str_of(exchange->method), STR("HEAD"));
    if (!value_get(request->arguments, "body"))
        return true;
    if (has_none) {
        binding_refuse(request, "E_VALIDATION_ERROR", "%s has no body", exchange->method);
        return false;
    }
    return binding_take_text(request, "body", 0, BODY_BYTES_MAX, &exchange->body);
}

static bool take_redirect(struct exchange *exchange)
{
    static const char *const words[] = {"follow", "manual", "error", NULL};
    struct str given =
        value_get_string(exchange->request->arguments, "redirect", STR("follow"));
    for (size_t i = 0; words[i]; i++)
        if (str_equal(given, str_of(words[i]))) {
            exchange->redirect = (enum redirect)i;
            return true;
        }
    binding_refuse(exchange->request, "E_VALIDATION_ERROR",
                   "redirect is \"follow\", \"manual\" or \"error\"");
    return false;
}

/* What the transport says itself, or what would change who is asked. */
static bool is_ours(struct str name)
{
    static const char *const ours[] = {
        "host", "content-length", "connection", "expect",  "transfer-encoding",
        "te",   "keep-alive",     "upgrade",    "trailer", NULL};
    for (size_t i = 0; ours[i]; i++)
        if (str_equal_nocase(name, str_of(ours[i])))
            return true;
    return str_starts_nocase(name, STR("proxy-"));
}

/* A token (RFC 9110 section 5.6.2) that we leave to the script. */
static bool is_field_name(struct str name)
{
    bool is_good = name.length > 0 && name.length <= NAME_BYTES_MAX && !is_ours(name);
    for (size_t i = 0; i < name.length; i++)
        is_good = is_good && name.at[i] &&
                  (ascii_alnum(name.at[i]) || strchr("!#$%&'*+-.^_`|~", name.at[i]));
    return is_good;
}

static bool has_field(const struct exchange *exchange, struct str name)
{
    for (size_t i = 0; i < exchange->field_count; i++)
        if (str_equal_nocase(str_of(exchange->fields[i].name), name))
            return true;
    return false;
}

static bool take_field(struct exchange *exchange, const struct value *given)
{
    struct binding_request *request = exchange->request;
    struct str name = value_get_string(given, "name", STR(""));
    struct str value = value_get_string(given, "value", STR(""));
    if (!is_field_name(name) || value.length > VALUE_BYTES_MAX) {
        binding_refuse(request, "E_HEADER_NOT_ALLOWED",
                       "the header %.*s cannot be set, or is too long", STR_ARG(name));
        return false;
    }
    exchange->fields[exchange->field_count++] =
        (struct http_field){arena_text(request->arena, name), value};
    return true;
}

static bool take_fields(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    const struct value *list = value_get(request->arguments, "headers");
    size_t count = list && list->kind == VALUE_TABLE ? list->count : 0;
    if (count > HEADERS_MAX) {
        binding_refuse(request, "E_VALIDATION_ERROR", "more than %d headers", HEADERS_MAX);
        return false;
    }
    exchange->fields = arena_array(request->arena, struct http_field, count + 1);
    for (size_t i = 0; i < count; i++)
        if (!take_field(exchange, &list->items[i]))
            return false;
    if (value_get(request->arguments, "body") && !has_field(exchange, STR("content-type")))
        exchange->fields[exchange->field_count++] =
            (struct http_field){"Content-Type", STR("text/plain;charset=UTF-8")};
    return true;
}

static bool take_arguments(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    int64_t timeout_ms;
    if (!take_method(exchange) || !take_redirect(exchange) || !take_fields(exchange) ||
        !binding_take_number(request, "timeoutMs", 1, TIMEOUT_MS_MAX, TIMEOUT_MS_MAX,
                             &timeout_ms))
        return false;
    exchange->deadline_ms = task_in_ms((uint64_t)timeout_ms);
    return true;
}

/* --- whom to ask --- */

static bool is_host_allowed(const struct binding *binding, struct str host)
{
    for (size_t i = 0; i < binding->host_count; i++) {
        struct str allowed = binding->hosts[i];
        if (str_equal(allowed, STR("*")) || str_equal(allowed, host))
            return true;
        if (str_starts(allowed, STR("*.")) && !str_equal(host, str_from(allowed, 2)) &&
            domain_is_within(host, str_from(allowed, 2)))
            return true;
    }
    return false;
}

static int add_addresses(struct exchange *exchange, struct str name, enum dns_type type)
{
    struct binding_request *request = exchange->request;
    struct dns_answer answer;
    int result = dns_ask(request->place->router->dns, name, type, request->arena, &answer);
    if (result < 0 || answer.status != DNS_OK)
        return result;
    for (size_t i = 0; i < answer.count && exchange->address_count < DNS_RECORDS_MAX; i++)
        exchange->addresses[exchange->address_count++] = answer.records[i].address;
    return 0;
}

/* False with the failure. */
static bool find_addresses(struct exchange *exchange, struct str name)
{
    struct binding_request *request = exchange->request;
    exchange->addresses = arena_array(request->arena, struct net_address, DNS_RECORDS_MAX);
    exchange->address_count = 0;
    if (net_address_parse(name, 0, &exchange->addresses[0]) == 0) {
        exchange->address_count = 1;
        return true;
    }
    if (add_addresses(exchange, name, DNS_A) < 0 ||
        add_addresses(exchange, name, DNS_AAAA) < 0 || exchange->address_count == 0)
        binding_fail(request, "E_FETCH_FAILED", "no address of %.*s was found",
                     STR_ARG(name));
    return !request->has_failed;
}

static bool check_addresses(const struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    for (size_t i = 0; i < exchange->address_count && !request->binding->is_private; i++)
        if (!net_address_is_public(&exchange->addresses[i])) {
            binding_refuse(request, "E_FETCH_NOT_ALLOWED",
                           "%.*s has an address that is not public: `private: true` of "
                           "this binding in host.yaml would allow it",
                           STR_ARG(exchange->url.host));
            return false;
        }
    return true;
}

/* Of the URL that is to be asked next. */
static bool check_url(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    struct net_address address;
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct str name = exchange->url.host;
    if (net_address_parse(name, 0, &address) == 0)
        name = arena_str(request->arena, str_of(net_address_ip_text(&address, ip)));
    else if (domain_normalize(name, request->arena, &name) < 0)
        name = STR("");
    if (name.length == 0 || !is_host_allowed(request->binding, name)) {
        binding_refuse(request, "E_FETCH_NOT_ALLOWED",
                       "%.*s is not in `hosts:` of this binding in host.yaml",
                       STR_ARG(exchange->url.host));
        return false;
    }
    return find_addresses(exchange, name) && check_addresses(exchange);
}

static bool take_url(struct exchange *exchange, struct str text,
                     const struct http_url *base)
{
    struct err err = {0};
    struct binding_request *request = exchange->request;
    if (http_url_parse(text, base, request->arena, &exchange->url, &err) < 0) {
        binding_refuse(request, base ? "E_FETCH_FAILED" : "E_VALIDATION_ERROR",
                       base ? "redirected to a URL that is none: %s" : "the URL: %s",
                       err.text);
        return false;
    }
    return check_url(exchange);
}

/* --- asking --- */

static void tell_failure(struct binding_request *request, int result, const struct err *err)
{
    if (result == -EINVAL)
        binding_refuse(request, "E_VALIDATION_ERROR", "%s", err->text);
    else if (result == -EMSGSIZE)
        binding_refuse(request, "E_FETCH_TOO_LARGE", "the answer is larger than %zu MiB",
                       RESPONSE_BYTES_MAX >> 20);
    else
        binding_fail(request, result == -ETIMEDOUT ? "E_FETCH_TIMEOUT" : "E_FETCH_FAILED",
                     "%s", err->text);
}

/* One address after the other while none can be connected to. */
static bool ask(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    struct http_request http = {
        .method = exchange->method,
        .url = exchange->url.text.at,
        .fields = exchange->fields,
        .field_count = exchange->field_count,
        .body = exchange->body,
        .response_bytes_max = RESPONSE_BYTES_MAX,
        .roots = request->binding->roots,
        .allows_http2 = true,
    };
    int result = -ECONNREFUSED;
    struct err err = {0};
    for (size_t i = 0;
         result == -ECONNREFUSED && i < exchange->address_count && i < ADDRESSES_TRIED;
         i++) {
        http.address = &exchange->addresses[i];
        result =
            http_client_request(request->place->router->http, &http, exchange->deadline_ms,
                                request->arena, &exchange->response, &err);
    }
    if (result < 0)
        tell_failure(request, result, &err);
    return result == 0;
}

/* --- redirects --- */

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static void drop_field(struct exchange *exchange, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < exchange->field_count; i++)
        if (!str_equal_nocase(str_of(exchange->fields[i].name), name))
            exchange->fields[kept++] = exchange->fields[i];
    exchange->field_count = kept;
}

/* The Fetch standard, section 4.4: what was posted is not posted again unless the server asks for that, and
 * credentials stay with those they were meant for. */
static void change_request(struct exchange *exchange, const struct http_url *before)
{
    unsigned status = exchange->response.status;
    bool is_post = strcmp(exchange->method, "POST") == 0;
    if ((status == 303 && strcmp(exchange->method, "HEAD") != 0) ||
        (is_post && (status == 301 || status == 302))) {
        exchange->method = "GET";
        exchange->body = STR("");
        drop_field(exchange, STR("content-type"));
    }
    if (!http_url_same_origin(before, &exchange->url)) {
        drop_field(exchange, STR("authorization"));
        drop_field(exchange, STR("cookie"));
    }
}

/* Whether to ask once more; false as well when it has failed. */
static bool go_on(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    const struct http_url before = exchange->url;
    struct header header;
    header_parse(exchange->response.fields, request->arena, &header);
    struct str location = header_value(&header, STR("Location"), request->arena);
    if (!is_redirect(exchange->response.status) || location.length == 0 ||
        exchange->redirect == REDIRECT_MANUAL)
        return false;
    if (exchange->redirect == REDIRECT_ERROR ||
        ++exchange->redirect_count > REDIRECTS_MAX) {
        binding_refuse(request, "E_FETCH_FAILED",
                       exchange->redirect == REDIRECT_ERROR ? "it was redirected"
                                                            : "more than %d redirects",
                       REDIRECTS_MAX);
        return false;
    }
    if (!take_url(exchange, location, &before))
        return false;
    if (before.is_https && !exchange->url.is_https) {
        binding_refuse(request, "E_FETCH_FAILED", "redirected from https to http");
        return false;
    }
    change_request(exchange, &before);
    return true;
}

/* --- the answer --- */

static int write_field(struct buf *out, size_t number, const struct header_field *field,
                       struct arena *arena)
{
    char *name = arena_text(arena, field->name);
    for (char *c = name; *c; c++)
        *c = ascii_lower(*c);
    int failed = value_write_number(out, (double)number);
    failed |= value_begin_table(out);
    failed |= value_put_string(out, "name", str_of(name));
    failed |= value_put_string(out, "value", header_unfold(field->value, arena));
    return failed | value_end_table(out);
}

static void write_response(struct exchange *exchange)
{
    struct binding_request *request = exchange->request;
    struct buf *out = &request->result;
    struct header header;
    header_parse(exchange->response.fields, request->arena, &header);
    value_begin_table(out);
    value_put_number(out, "status", exchange->response.status);
    value_put_string(out, "url", exchange->url.text);
    value_put_bool(out, "redirected", exchange->redirect_count > 0);
    value_put_string(out, "body", exchange->response.body);
    value_put_table(out, "headers");
    for (size_t i = 0; i < header.count; i++)
        write_field(out, i + 1, &header.fields[i], request->arena);
    value_end_table(out);
    value_end_table(out);
}

/* --- a trial --- */

static void ask_trial(struct exchange *exchange, struct str url)
{
    struct binding_request *request = exchange->request;
    const struct bindings *bindings = request->place->router->bindings;
    struct err err = {0};
    exchange->url.text = arena_str(request->arena, url);
    const struct http_request http = {
        .method = exchange->method,
        .url = exchange->url.text.at,
        .fields = exchange->fields,
        .field_count = exchange->field_count,
        .body = exchange->body,
    };
    int result = bindings->fetch(bindings->fetch_arg, request->binding, &http,
                                 request->arena, &exchange->response, &err);
    if (result < 0)
        tell_failure(request, result, &err);
    else
        write_response(exchange);
}

void binding_fetch_fetch(struct binding_request *request)
{
    struct exchange exchange = {.request = request};
    struct str url;
    const struct bindings *bindings = request->place->router->bindings;
    if (bindings && bindings->fetch) {
        if (binding_take_text(request, "url", 1, HTTP_URL_BYTES_MAX, &url) &&
            take_arguments(&exchange))
            ask_trial(&exchange, url);
        return;
    }
    if (!request->place->router->http || !request->place->router->dns) {
        binding_refuse(request, "E_FETCH_NOT_ALLOWED",
                       "nothing leaves here: this is a trial, or `postern dev`");
        return;
    }
    if (!binding_take_text(request, "url", 1, HTTP_URL_BYTES_MAX, &url) ||
        !take_arguments(&exchange) || !take_url(&exchange, url, NULL))
        return;
    bool is_redirected = true;
    while (is_redirected)
        is_redirected = ask(&exchange) && go_on(&exchange);
    if (!request->has_failed)
        write_response(&exchange);
}
