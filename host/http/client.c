#include "http/client.h"

static bool is_proxy(const struct http_server_options *options,
                     const struct net_address *address)
{
    for (size_t i = 0; i < options->proxy_count; i++)
        if (net_block_contains(&options->proxies[i], address))
            return true;
    return false;
}

static struct str last_item(struct str *list)
{
    ptrdiff_t comma = str_last_index(*list, ',');
    struct str item = str_from(*list, (size_t)(comma + 1));
    list->length = comma < 0 ? 0 : (size_t)comma;
    return str_trim(item);
}

/* False at the first item that is no address: nothing before it is to be believed. */
static bool follow(const struct http_server_options *options, struct str list,
                   struct net_address *address)
{
    while (list.length && is_proxy(options, address)) {
        struct net_address before;
        struct str item = last_item(&list);
        if (net_address_parse(item, 0, &before) < 0 &&
            net_address_parse_port(item, 1, &before) < 0)
            return false;
        *address = before;
    }
    return true;
}

struct http_client_view http_client_view(const struct http_server_options *options,
                                         const struct http_server_request *request)
{
    struct http_client_view client = {.address = request->peer};
    if (!is_proxy(options, &request->peer))
        return client;
    for (size_t i = request->field_count; i > 0; i--) {
        const struct http_field *field = &request->fields[i - 1];
        if (str_equal_nocase(str_of(field->name), STR("x-forwarded-for")) &&
            !follow(options, field->value, &client.address))
            break;
    }
    const struct http_field *scheme = http_server_field(request, STR("x-forwarded-proto"));
    client.is_https = scheme && str_equal_nocase(str_trim(scheme->value), STR("https"));
    return client;
}
