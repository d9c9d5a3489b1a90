/* The parts of host.yaml that are about the network and are more than a value: listeners, certificates, routes
 * and destinations. */
#include "config_internal.h"

#include "mail/domain.h"

static const struct option_choice listener_tls_choices[] = {{"starttls", SMTP_TLS_STARTTLS},
                                                            {"implicit", SMTP_TLS_IMPLICIT},
                                                            {"off", SMTP_TLS_OFF},
                                                            {NULL, 0}};
const struct option_choice config_delivery_tls_choices[] = {
    {"opportunistic", DELIVERY_TLS_OPPORTUNISTIC}, {"none", DELIVERY_TLS_NONE},
    {"required", DELIVERY_TLS_REQUIRED},           {"verified", DELIVERY_TLS_VERIFIED},
    {"implicit", DELIVERY_TLS_IMPLICIT},           {NULL, 0}};

/* --- listen: --- */

const struct node_key config_listener_keys[] = {
    {"address", "text", NULL, "0.0.0.0:25, \"[::]:25\""},
    {"tls", "starttls, implicit, off", "starttls", "once there is a certificate"},
    {"proxy", "list", NULL,
     "networks of load balancers that speak the PROXY protocol: 10.0.0.0/8"},
    {0},
};

static bool read_address(const struct node *node, struct net_address *address,
                         struct problem_list *problems)
{
    if (node && node->kind == NODE_TEXT &&
        net_address_parse_port(node->text, 25, address) == 0)
        return true;
    if (node)
        node_problem(node, problems,
                     "expected an address and port such as 0.0.0.0:25 or \"[::]:25\"");
    return false;
}

static void read_proxies(struct config *config, struct node *node,
                         struct smtp_listener_options *listener,
                         struct problem_list *problems)
{
    size_t count = node_item_count(node);
    listener->proxies = arena_array(config->arena, struct net_block, count);
    for (size_t i = 0; i < count; i++) {
        if (node_item(node, i)->kind == NODE_TEXT &&
            net_block_parse(node_item(node, i)->text,
                            &listener->proxies[listener->proxy_count]) == 0)
            listener->proxy_count++;
        else
            node_problem(node_item(node, i), problems,
                         "expected a network such as 10.0.0.0/8");
    }
}

static void read_listener(struct config *config, struct node *node,
                          struct smtp_listener_options *listener,
                          struct problem_list *problems)
{
    if (node->kind != NODE_MAP) {
        read_address(node, &listener->address, problems);
        return;
    }
    struct node *address = node_get(node, "address");
    if (!address)
        node_problem(node, problems, "a listener needs an `address:` such as 0.0.0.0:25");
    read_address(address, &listener->address, problems);
    listener->tls = (enum smtp_listener_tls)options_choice(
        node_get(node, "tls"), listener_tls_choices, SMTP_TLS_STARTTLS, problems);
    read_proxies(config, node_get(node, "proxy"), listener, problems);
    node_report_unused(node, config_listener_keys, problems);
}

void config_read_listeners(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    size_t count = node_item_count(node);
    config->smtp.listeners =
        arena_array(config->arena, struct smtp_listener_options, count + 2);
    config->smtp.listener_count = count;
    for (size_t i = 0; i < count; i++)
        read_listener(config, node_item(node, i), &config->smtp.listeners[i], problems);
    if (count == 0) {
        net_address_parse(STR("0.0.0.0"), 25, &config->smtp.listeners[0].address);
        net_address_parse(STR("::"), 25, &config->smtp.listeners[1].address);
        config->smtp.listener_count = 2;
    }
}

void config_listen_for_dev(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    config->smtp.listeners = arena_new_of(config->arena, struct smtp_listener_options);
    config->smtp.listener_count = 1;
    net_address_parse(STR("127.0.0.1"), 2525, &config->smtp.listeners[0].address);
    if (node)
        read_address(node, &config->smtp.listeners[0].address, problems);
}

/* --- tls: --- */

const struct node_key config_certificate_keys[] = {
    {"certificate", "file", NULL, "the chain, PEM, the host's own first"},
    {"key", "file", NULL, "its private key, PEM"},
    {0},
};

static void read_certificate(struct config *config, struct node *node,
                             struct tls_certificate *certificate,
                             struct problem_list *problems)
{
    struct node *chain = node_get(node, "certificate");
    struct node *key = node_get(node, "key");
    if (!chain || !key || chain->kind != NODE_TEXT || key->kind != NODE_TEXT) {
        node_problem(node, problems, "expected {certificate: chain.pem, key: key.pem}");
        return;
    }
    certificate->chain_file =
        config_path(config, config->directory, arena_text(config->arena, chain->text));
    certificate->key_file =
        config_path(config, config->directory, arena_text(config->arena, key->text));
    node_report_unused(node, config_certificate_keys, problems);
}

void config_read_certificates(struct config *config, struct node *node,
                              struct problem_list *problems)
{
    size_t count = node_item_count(node);
    config->certificates = arena_array(config->arena, struct tls_certificate, count);
    config->certificate_count = count;
    size_t before = problems->count;
    for (size_t i = 0; i < count; i++)
        read_certificate(config, node_item(node, i), &config->certificates[i], problems);
    if (count == 0 || problems->count > before)
        return;
    struct err err = {0};
    struct tls_server *server = tls_server_new(config->certificates, count, &err);
    if (server)
        tls_server_release(server);
    else
        node_problem(node, problems, "%s", err.text);
}

/* --- routes: --- */

const struct node_key config_route_keys[] = {
    {"host", "text", NULL, "a name or an address, also as host:port"},
    {"port", "number 1 to 65535", "25", ""},
    {"tls", CONFIG_DELIVERY_TLS_WORDS, "opportunistic",
     "verified: with a certificate for this name; implicit: from the first byte"},
    {0},
};

/* "host", "host:port", "[::1]:port" */
static bool read_route_host(struct config *config, struct str text,
                            struct delivery_route *route)
{
    struct net_address address;
    char ip[NET_ADDRESS_TEXT_BYTES];
    if (net_address_parse_port(text, route->port, &address) == 0) {
        route->port = net_address_port(&address);
        route->host = arena_str(config->arena, str_of(net_address_ip_text(&address, ip)));
        return true;
    }
    struct str port = text;
    struct str host = str_cut(&port, ':');
    unsigned long long number = route->port;
    if (host.length != text.length &&
        (!str_to_number(port, &number) || number < 1 || number > 65535))
        return false;
    route->port = (uint16_t)number;
    return domain_normalize(host, config->arena, &route->host) == 0;
}

static void read_route_map(struct config *config, struct node *node,
                           struct delivery_route *route, struct problem_list *problems)
{
    struct node *host = node_get(node, "host");
    struct node *port = node_get(node, "port");
    unsigned long long number;
    if (port && node_to_number(port, 1, 65535, problems, &number))
        route->port = (uint16_t)number;
    if (!host || host->kind != NODE_TEXT || !read_route_host(config, host->text, route))
        node_problem(host ? host : node, problems,
                     "a route needs `host:`, a name or an address");
    route->tls = (enum delivery_tls)options_choice(node_get(node, "tls"),
                                                   config_delivery_tls_choices,
                                                   DELIVERY_TLS_OPPORTUNISTIC, problems);
    node_report_unused(node, config_route_keys, problems);
}

static bool read_route_domain(struct config *config, struct str text, struct str *domain)
{
    *domain = STR("*");
    if (str_equal(text, STR("*")))
        return true;
    bool is_suffix = text.length > 1 && text.at[0] == '.';
    struct str normal;
    if (domain_normalize(is_suffix ? str_from(text, 1) : text, config->arena, &normal) < 0)
        return false;
    *domain =
        is_suffix ? str_of(arena_printf(config->arena, ".%.*s", STR_ARG(normal))) : normal;
    return true;
}

void config_read_routes(struct config *config, struct node *node,
                        struct problem_list *problems)
{
    if (!node || node->kind == NODE_NULL)
        return;
    if (node->kind != NODE_MAP) {
        node_problem(node, problems, "expected `domain: host:port` lines");
        return;
    }
    config->delivery.routes =
        arena_array(config->arena, struct delivery_route, node->count);
    config->delivery.route_count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        struct delivery_route *route = &config->delivery.routes[i];
        struct node *value = node->items[i];
        route->port = 25;
        route->tls = DELIVERY_TLS_OPPORTUNISTIC;
        if (!read_route_domain(config, node->keys[i]->text, &route->domain))
            node_problem(node->keys[i], problems,
                         "expected a domain, .domain (all below it) or \"*\"");
        if (value->kind == NODE_MAP)
            read_route_map(config, value, route, problems);
        else if (value->kind != NODE_TEXT || !read_route_host(config, value->text, route))
            node_problem(value, problems, "expected host:port or {host:, port:, tls:}");
    }
}

/* --- destinations: --- */

void config_read_destinations(struct config *config, struct node *node,
                              struct problem_list *problems)
{
    size_t count = node_item_count(node);
    config->has_destinations = node != NULL;
    config->destinations = arena_array(config->arena, struct mailbox, count);
    for (size_t i = 0; i < count; i++) {
        struct mailbox *mailbox = &config->destinations[config->destination_count];
        if (node_item(node, i)->kind == NODE_TEXT &&
            mailbox_parse(node_item(node, i)->text, config->arena, mailbox) == 0)
            config->destination_count++;
        else
            node_problem(node_item(node, i), problems,
                         "expected an address such as me@mail.test");
    }
}

bool config_is_destination(const struct config *config, const struct mailbox *address)
{
    if (!config->has_destinations)
        return true;
    for (size_t i = 0; i < config->destination_count; i++)
        if (mailbox_same(&config->destinations[i], address))
            return true;
    return false;
}
