#include "http/client.h"

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
    while (list.length && http_server_is_proxy(options, address)) {
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
    struct http_client_view client = {.address = request->peer,
                                      .is_https = request->is_tls};
    if (!http_server_is_proxy(options, &request->peer))
        return client;
    const struct http_head *head = request->head;
    for (size_t i = head->field_count; i > 0; i--) {
        const struct http_field *field = &head->fields[i - 1];
        if (str_equal_nocase(str_of(field->name), STR("x-forwarded-for")) &&
            !follow(options, field->value, &client.address))
            break;
    }
    const struct http_field *scheme =
        http_field_find(head->fields, head->field_count, STR("x-forwarded-proto"));
    if (scheme)
        client.is_https = str_equal_nocase(scheme->value, STR("https"));
    return client;
}
