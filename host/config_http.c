/* HTTP in host.yaml: where the host listens, and the workers' URLs.
 *
 *     http: {listen: [{address: "127.0.0.1:8080"}], trusted_proxies: [127.0.0.1]}
 *     workers:
 *       hooks: {url: /hooks/github}
 *       forms: {url: [{path: /contact, host: www.example.com, methods: [POST]}]} */
#include "config_internal.h"

#include "mail/domain.h"

#define ROW(member) offsetof(struct config, http.member)
static const struct option_row http_rows[] = {
    {"body_size", OPTION_BYTES32, ROW(server.body_bytes_max), "1MiB", 0, 32 << 20,
     "of a request"},
    {"body_memory", OPTION_BYTES64, ROW(server.memory_bytes_max), "64MiB", 1024, 1ULL << 40,
     "of the bodies of all requests together, of each host process"},
    {"header_size", OPTION_BYTES32, ROW(server.header_bytes_max), "16KiB", 1024,
     HTTP_SERVER_HEADER_BYTES_MAX, "of a request"},
    {"connections", OPTION_COUNT, ROW(server.connections_max), "1000", 1, 100000,
     "of each host process; more are told so and closed"},
    {"connections_per_address", OPTION_COUNT, ROW(server.connections_per_address_max), "50",
     1, 100000, "from one IPv4 address or IPv6 /64 that is no trusted proxy"},
    {"requests_per_worker", OPTION_COUNT, ROW(requests_per_worker_max), "16", 1, 10000,
     "answered at once, of each host process; never more than half of the worker's "
     "`messages`, so that mail finds a place"},
    {"header_timeout", OPTION_DURATION32, ROW(server.header_timeout_ms), "10s", 100,
     3600000, "for a request's header in all"},
    {"body_timeout", OPTION_DURATION32, ROW(server.body_timeout_ms), "30s", 100, 3600000,
     "for a request's body in all"},
    {"idle", OPTION_DURATION32, ROW(server.idle_timeout_ms), "30s", 100, 3600000,
     "for the next request of a connection"},
};
#undef ROW
const struct option_table config_http_options = OPTION_TABLE(http_rows);

const struct node_key config_http_keys[] = {
    {"listen", "list", "nowhere",
     "where HTTP is offered: addresses such as 127.0.0.1:8080, or maps"},
    {"dev_listen", "text", "127.0.0.1:8025",
     "the same for `postern dev`: one address; when it is not said and taken, a free port"},
    {"trusted_proxies", "list", NULL,
     "networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: "
     "127.0.0.1"},
    {0},
};
const struct node_key config_http_listener_keys[] = {
    {"address", "text", NULL, "127.0.0.1:8080, \"[::1]:8080\""},
    {"tls", "true, false", "false", "HTTPS, with the certificates of `tls`"},
    {0},
};
const struct node_key config_url_keys[] = {
    {"path", "text", NULL, "with all that is below it: /hooks/github"},
    {"host", "text", "any", "the name that is asked for: hooks.example.com"},
    {"methods", "list", "all", "GET, POST, PUT, PATCH, DELETE, OPTIONS; GET is HEAD, too"},
    {0},
};

/* --- http: --- */

static void read_address(struct node *node, struct http_listener_options *listener,
                         struct problem_list *problems)
{
    if (!node || node->kind != NODE_TEXT ||
        net_address_parse_port(node->text, 0, &listener->address) < 0)
        node_problem(node, problems, "expected an address and port such as 127.0.0.1:8080");
}

static void read_listener(const struct config *config, struct node *node,
                          struct http_listener_options *listener,
                          struct problem_list *problems)
{
    if (node->kind != NODE_MAP) {
        read_address(node, listener, problems);
        return;
    }
    struct node *address = node_get(node, "address");
    if (address)
        read_address(address, listener, problems);
    else
        node_problem(node, problems,
                     "a listener needs an `address:` such as 127.0.0.1:8080");
    struct node *tls = node_get(node, "tls");
    if (tls)
        node_to_bool(tls, problems, &listener->is_tls);
    if (listener->is_tls && config->certificate_count == 0)
        node_problem(tls, problems, "`tls: true` needs a certificate: see `tls:`");
    node_report_unused(node, config_http_listener_keys, problems);
}

static void read_listeners(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    struct http_options *http = &config->http;
    size_t count = node_item_count(node);
    http->listeners = arena_array(config->arena, struct http_listener_options, count);
    http->listener_count = count;
    for (size_t i = 0; i < count; i++)
        read_listener(config, node_item(node, i), &http->listeners[i], problems);
}

static void listen_for_dev(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    struct http_options *http = &config->http;
    http->listeners = arena_new_of(config->arena, struct http_listener_options);
    http->listener_count = 1;
    http->may_listen_elsewhere = node == NULL;
    net_address_parse(STR("127.0.0.1"), 8025, &http->listeners[0].address);
    if (node)
        read_address(node, &http->listeners[0], problems);
}

static void read_proxies(struct config *config, struct node *node,
                         struct problem_list *problems)
{
    size_t count = node_item_count(node);
    struct net_block *proxies = arena_array(config->arena, struct net_block, count);
    config->http.server.proxies = proxies;
    config->http.server.proxy_count = count;
    for (size_t i = 0; i < count; i++)
        if (node_item(node, i)->kind != NODE_TEXT ||
            net_block_parse(node_item(node, i)->text, &proxies[i]) < 0)
            node_problem(node_item(node, i), problems,
                         "expected a network such as 10.0.0.0/8");
}

void config_read_http(struct config *config, struct node *section,
                      struct problem_list *problems)
{
    options_read(&config_http_options, section, config_http_keys, config, config->arena,
                 problems);
    struct node *listen = node_get(section, "listen");
    if (config->mode == CONFIG_DEV)
        listen_for_dev(config, node_get(section, "dev_listen"), problems);
    else
        read_listeners(config, listen, problems);
    read_proxies(config, node_get(section, "trusted_proxies"), problems);
}

/* --- url: --- */

static void read_methods(struct node *node, struct http_url_rule *rule,
                         struct problem_list *problems)
{
    rule->methods = node ? 0 : HTTP_METHODS_ALL;
    for (size_t i = 0; i < node_item_count(node); i++) {
        struct node *item = node_item(node, i);
        unsigned method = item->kind == NODE_TEXT ? http_method_of(item->text) : 0;
        rule->methods |= method;
        if (!method)
            node_problem(item, problems,
                         "expected GET, POST, PUT, PATCH, DELETE or OPTIONS");
    }
}

static void read_path(struct node *node, struct http_url_rule *rule,
                      struct problem_list *problems)
{
    if (!node || node->kind != NODE_TEXT || !http_url_path_read(node->text, &rule->path))
        node_problem(node, problems,
                     "expected a path such as /hooks/github, as it stands in a URL");
}

static void read_map(struct config *config, struct node *node, struct http_url_rule *rule,
                     struct problem_list *problems)
{
    struct node *path = node_get(node, "path"), *host = node_get(node, "host");
    if (path)
        read_path(path, rule, problems);
    else
        node_problem(node, problems, "a URL needs a `path:` such as /hooks/github");
    if (host && (host->kind != NODE_TEXT ||
                 domain_normalize(host->text, config->arena, &rule->host) < 0))
        node_problem(host, problems, "expected a name such as hooks.example.com");
    read_methods(node_get(node, "methods"), rule, problems);
    node_report_unused(node, config_url_keys, problems);
}

static void add_url(struct config *config, struct node *node, struct config_worker *worker,
                    struct problem_list *problems)
{
    size_t before = problems->count;
    struct http_url_rule rule = {.methods = HTTP_METHODS_ALL, .target = worker};
    if (node->kind == NODE_MAP)
        read_map(config, node, &rule, problems);
    else
        read_path(node, &rule, problems);
    if (problems->count > before)
        return;
    const struct http_url_rule *clash = http_url_map_clash(&config->urls, &rule);
    if (clash) {
        const struct config_worker *other = clash->target;
        node_problem(node, problems, "%.*s%.*s is the worker %.*s's already",
                     STR_ARG(rule.host), STR_ARG(rule.path), STR_ARG(other->options.name));
        return;
    }
    config->urls.rules[config->urls.count++] = rule;
    config_needs_handler(worker, WORKER_FETCH);
}

/* The map grows as workers are read: each adds the room that it needs. */
static void make_room(struct config *config, size_t count)
{
    struct http_url_map *urls = &config->urls;
    struct http_url_rule *rules =
        arena_array(config->arena, struct http_url_rule, urls->count + count);
    for (size_t i = 0; i < urls->count; i++)
        rules[i] = urls->rules[i];
    urls->rules = rules;
}

void config_read_urls(struct config *config, struct node *node,
                      struct config_worker *worker, struct problem_list *problems)
{
    size_t count = node_item_count(node);
    if (count == 0)
        return;
    if (config->http.listener_count == 0)
        node_problem(node, problems,
                     "HTTP is off: say `http: {listen: \"127.0.0.1:8080\"}`");
    make_room(config, count);
    for (size_t i = 0; i < count; i++)
        add_url(config, node_item(node, i), worker, problems);
}
