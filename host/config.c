/* host.yaml: the tables of its options, the parts that are more than a value (listeners, certificates,
 * routes, destinations), and the snapshot they make together with rules and workers. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_internal.h"

#include "base/mem.h"
#include "base/table.h"
#include "mail/domain.h"

#define ANY     UINT32_MAX
#define HOUR_MS (3600ULL * 1000)

/* --- the options --- */

#define ROW(member) offsetof(struct config, member)
static const struct option_row top_rows[] = {
    {"name", OPTION_TEXT, ROW(host_name), NULL, 0, 0,
     "this host's name in greeting, EHLO and Received; the system's when left out"},
    {"state", OPTION_TEXT, ROW(state_directory), ".postern", 0, 0,
     "folder for the control socket and, with dev, the outbox"},
    {"scripts", OPTION_TEXT, ROW(scripts_directory), "scripts", 0, 0,
     "folder of the workers' scripts: `worker: x` runs x.lua"},
    {"shutdown", OPTION_DURATION64, ROW(shutdown_ms), "30s", 0, HOUR_MS,
     "how long messages in flight may take at the end"},
};
static const struct option_row log_rows[] = {
    {"level", OPTION_TEXT, ROW(log_level), "info", 0, 0, "debug, info, warn, error or off"},
};
static const struct option_row dns_rows[] = {
    {"resolver", OPTION_TEXT, ROW(dns.resolver), NULL, 0, 0,
     "forwarder as address@port; /etc/resolv.conf's when left out"},
    {"timeout", OPTION_DURATION32, ROW(dns.timeout_ms), "10s", 100, 60000,
     "for one question"},
};
static const struct option_row limit_rows[] = {
    {"message_size", OPTION_BYTES64, ROW(smtp.message_bytes_max), "25MiB", 1024, 1ULL << 30,
     "a larger message is refused at MAIL or during DATA"},
    {"message_memory", OPTION_BYTES64, ROW(smtp.memory_bytes_max), "1GiB", 1024, 1ULL << 40,
     "of all messages being received together: 452 past it"},
    {"recipients", OPTION_COUNT, ROW(smtp.recipients_max), "100", 1, 10000,
     "in one transaction"},
    {"command_length", OPTION_BYTES32, ROW(smtp.command_bytes_max), "2048", 512, 65536,
     "of a command line"},
    {"line_length", OPTION_BYTES32, ROW(smtp.line_bytes_max), "8192", 1000, 1 << 20,
     "of a line of a message"},
    {"header_size", OPTION_BYTES32, ROW(smtp.header_bytes_max), "256KiB", 1024, 16 << 20,
     "of a message's header"},
    {"hops", OPTION_COUNT, ROW(smtp.hops_max), "50", 1, 1000,
     "Received fields, before a message is taken to loop"},
    {"errors", OPTION_COUNT, ROW(smtp.errors_max), "10", 1, 1000,
     "of a client, before its session ends"},
    {"transactions", OPTION_COUNT, ROW(smtp.transactions_max), "1000", 1, ANY,
     "in one session"},
    {"connections", OPTION_COUNT, ROW(smtp.connections_max), "5000", 1, 1000000, "in all"},
    {"connections_per_address", OPTION_COUNT, ROW(smtp.connections_per_address_max), "50",
     1, 1000000, "from one IPv4 address or IPv6 /64"},
    {"command_timeout", OPTION_DURATION32, ROW(smtp.command_timeout_ms), "5m", 100, HOUR_MS,
     "for the client's next command"},
    {"data_timeout", OPTION_DURATION32, ROW(smtp.data_timeout_ms), "3m", 100, HOUR_MS,
     "for the next block of a message"},
    {"message_timeout", OPTION_DURATION32, ROW(smtp.message_timeout_ms), "30m", 100,
     24 * HOUR_MS, "for one message's content in all"},
    {"data_rate", OPTION_BYTES32, ROW(smtp.data_rate_min), "100", 0, 1 << 20,
     "bytes a second that a message's content must keep up; 0: none"},
    {"reject_early_talkers", OPTION_BOOL, ROW(smtp.reject_early_talkers), "false", 0, 0,
     "refuse who speaks before the greeting"},
    {"tls_handshake_timeout", OPTION_DURATION32, ROW(smtp.tls_handshake_timeout_ms), "30s",
     100, HOUR_MS, "for a client's TLS handshake"},
};
static const struct option_row delivery_rows[] = {
    {"port", OPTION_COUNT, ROW(delivery.mx_port), "25", 1, 65535, "of the MX hosts"},
    {"ipv6", OPTION_BOOL, ROW(delivery.ipv6), "true", 0, 0, "use IPv6 where a host has it"},
    {"ca_file", OPTION_TEXT, ROW(delivery.ca_file), NULL, 0, 0,
     "trusted roots; the system's when left out"},
    {"connections_per_destination", OPTION_COUNT,
     ROW(delivery.connections_per_destination_max), "20", 1, 10000,
     "more messages wait for one of these"},
    {"messages_per_connection", OPTION_COUNT, ROW(delivery.messages_per_connection_max),
     "1000", 1, ANY, "then a new one is opened"},
    {"idle", OPTION_DURATION32, ROW(delivery.idle_ms), "30s", 0, HOUR_MS,
     "a kept connection closes after"},
    {"mx_hosts", OPTION_COUNT, ROW(delivery.mx_hosts_max), "5", 1, 50,
     "tried for one message"},
    {"connect_timeout", OPTION_DURATION32, ROW(delivery.connect_timeout_ms), "30s", 100,
     HOUR_MS, "to connect"},
    {"greeting_timeout", OPTION_DURATION32, ROW(delivery.greeting_timeout_ms), "5m", 100,
     HOUR_MS, "for the greeting"},
    {"command_timeout", OPTION_DURATION32, ROW(delivery.command_timeout_ms), "5m", 100,
     HOUR_MS, "for the reply to a command"},
    {"data_start_timeout", OPTION_DURATION32, ROW(delivery.data_start_timeout_ms), "2m",
     100, HOUR_MS, "for the reply to DATA"},
    {"data_block_timeout", OPTION_DURATION32, ROW(delivery.data_block_timeout_ms), "3m",
     100, HOUR_MS, "for a block to be sent"},
    {"data_end_timeout", OPTION_DURATION32, ROW(delivery.data_end_timeout_ms), "10m", 100,
     HOUR_MS, "for the reply to the whole message"},
    {"total_timeout", OPTION_DURATION32, ROW(delivery.total_timeout_ms), "4m", 100, HOUR_MS,
     "for one delivery in all: its sender waits, and gives up after 10 minutes (RFC 5321 "
     "section 4.5.3.2.6)"},
};
#undef ROW

static const struct section {
    const char *name; /* "" for the top level */
    struct option_table table;
} sections[] = {
    {"", OPTION_TABLE(top_rows)},
    {"log", OPTION_TABLE(log_rows)},
    {"dns", OPTION_TABLE(dns_rows)},
    {"limits", OPTION_TABLE(limit_rows)},
    {"delivery", OPTION_TABLE(delivery_rows)},
};
#define SECTION_COUNT (sizeof sections / sizeof *sections)
static const char *const top_keys[] = {
    "log", "dns",    "limits",  "delivery",     "worker_limits", "listen", "dev_listen",
    "tls", "routes", "workers", "destinations", "postmaster",    NULL};
static const char *const delivery_keys[] = {"tls", NULL};

void config_each_option(void (*see)(const char *section, const struct option_row *row,
                                    void *arg),
                        void *arg)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        for (size_t row = 0; row < sections[i].table.count; row++)
            see(sections[i].name, &sections[i].table.rows[row], arg);
    for (size_t row = 0; row < config_worker_options.count; row++)
        see("worker_limits", &config_worker_options.rows[row], arg);
}

const char *config_path(struct config *config, const char *base, const char *path)
{
    return path[0] == '/' ? path : arena_printf(config->arena, "%s/%s", base, path);
}

/* --- words for a choice --- */

struct choice {
    const char *word;
    int value;
};

static const struct choice listener_tls_choices[] = {{"starttls", SMTP_TLS_STARTTLS},
                                                     {"implicit", SMTP_TLS_IMPLICIT},
                                                     {"off", SMTP_TLS_OFF},
                                                     {NULL, 0}};
static const struct choice delivery_tls_choices[] = {
    {"opportunistic", DELIVERY_TLS_OPPORTUNISTIC}, {"none", DELIVERY_TLS_NONE},
    {"required", DELIVERY_TLS_REQUIRED},           {"verified", DELIVERY_TLS_VERIFIED},
    {"implicit", DELIVERY_TLS_IMPLICIT},           {NULL, 0}};

static int read_choice(const struct node *node, const struct choice choices[], int preset,
                       struct problem_list *problems)
{
    if (!node)
        return preset;
    char words[128] = "";
    for (size_t i = 0, length = 0; choices[i].word; i++) {
        if (node->kind == NODE_TEXT && str_equal(node->text, str_of(choices[i].word)))
            return choices[i].value;
        length += (size_t)snprintf(words + length, sizeof words - length, "%s%s",
                                   i ? ", " : "", choices[i].word);
    }
    node_problem(node, problems, "expected one of: %s", words);
    return preset;
}

/* A list's items, or the one thing that stands for a list of one. */
static size_t items_of(struct node *node, struct node ***items, struct node **single)
{
    if (!node || node->kind == NODE_NULL)
        return 0;
    *single = node;
    *items = node->kind == NODE_LIST ? node->items : single;
    return node->kind == NODE_LIST ? node->count : 1;
}

/* --- listen: --- */

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
    struct node *single, **items;
    size_t count = items_of(node, &items, &single);
    listener->proxies = arena_array(config->arena, struct net_block, count);
    for (size_t i = 0; i < count; i++) {
        if (items[i]->kind == NODE_TEXT &&
            net_block_parse(items[i]->text, &listener->proxies[listener->proxy_count]) == 0)
            listener->proxy_count++;
        else
            node_problem(items[i], problems, "expected a network such as 10.0.0.0/8");
    }
}

static void read_listener(struct config *config, struct node *node,
                          struct smtp_listener_options *listener,
                          struct problem_list *problems)
{
    static const char *const keys[] = {"address", "tls", "proxy", NULL};
    if (node->kind != NODE_MAP) {
        read_address(node, &listener->address, problems);
        return;
    }
    struct node *address = node_get(node, "address");
    if (!address)
        node_problem(node, problems, "a listener needs an `address:` such as 0.0.0.0:25");
    read_address(address, &listener->address, problems);
    listener->tls = (enum smtp_listener_tls)read_choice(
        node_get(node, "tls"), listener_tls_choices, SMTP_TLS_STARTTLS, problems);
    read_proxies(config, node_get(node, "proxy"), listener, problems);
    node_report_unused(node, keys, problems);
}

static void read_listeners(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    struct node *single, **items;
    size_t count = items_of(node, &items, &single);
    config->smtp.listeners =
        arena_array(config->arena, struct smtp_listener_options, count + 2);
    config->smtp.listener_count = count;
    for (size_t i = 0; i < count; i++)
        read_listener(config, items[i], &config->smtp.listeners[i], problems);
    if (count == 0) {
        net_address_parse(STR("0.0.0.0"), 25, &config->smtp.listeners[0].address);
        net_address_parse(STR("::"), 25, &config->smtp.listeners[1].address);
        config->smtp.listener_count = 2;
    }
}

static void listen_for_dev(struct config *config, struct node *node,
                           struct problem_list *problems)
{
    config->smtp.listeners = arena_new_of(config->arena, struct smtp_listener_options);
    config->smtp.listener_count = 1;
    net_address_parse(STR("127.0.0.1"), 2525, &config->smtp.listeners[0].address);
    if (node)
        read_address(node, &config->smtp.listeners[0].address, problems);
}

/* --- tls: --- */

static void read_certificate(struct config *config, struct node *node,
                             struct tls_certificate *certificate,
                             struct problem_list *problems)
{
    static const char *const keys[] = {"certificate", "key", NULL};
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
    node_report_unused(node, keys, problems);
}

static void read_certificates(struct config *config, struct node *node,
                              struct problem_list *problems)
{
    struct node *single, **items;
    size_t count = items_of(node, &items, &single);
    config->certificates = arena_array(config->arena, struct tls_certificate, count);
    config->certificate_count = count;
    size_t before = problems->count;
    for (size_t i = 0; i < count; i++)
        read_certificate(config, items[i], &config->certificates[i], problems);
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
    static const char *const keys[] = {"host", "port", "tls", NULL};
    struct node *host = node_get(node, "host");
    struct node *port = node_get(node, "port");
    unsigned long long number;
    if (port && node_to_number(port, 1, 65535, problems, &number))
        route->port = (uint16_t)number;
    if (!host || host->kind != NODE_TEXT || !read_route_host(config, host->text, route))
        node_problem(host ? host : node, problems,
                     "a route needs `host:`, a name or an address");
    route->tls = (enum delivery_tls)read_choice(node_get(node, "tls"), delivery_tls_choices,
                                                DELIVERY_TLS_OPPORTUNISTIC, problems);
    node_report_unused(node, keys, problems);
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

static void read_routes(struct config *config, struct node *node,
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

static void read_destinations(struct config *config, struct node *node,
                              struct problem_list *problems)
{
    struct node *single, **items;
    size_t count = items_of(node, &items, &single);
    config->has_destinations = node != NULL;
    config->destinations = arena_array(config->arena, struct mailbox, count);
    for (size_t i = 0; i < count; i++) {
        struct mailbox *mailbox = &config->destinations[config->destination_count];
        if (items[i]->kind == NODE_TEXT &&
            mailbox_parse(items[i]->text, config->arena, mailbox) == 0)
            config->destination_count++;
        else
            node_problem(items[i], problems, "expected an address such as me@mail.test");
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

/* --- the snapshot --- */

static const char *system_host_name(struct arena *arena)
{
    char name[HOST_NAME_MAX + 1] = "localhost";
    gethostname(name, sizeof name - 1);
    return arena_text(arena, str_of(name));
}

static struct config *config_new(const char *directory, enum config_mode mode)
{
    struct arena *arena = arena_new();
    struct config *config = arena_new_of(arena, struct config);
    *config = (struct config){.references = 1,
                              .arena = arena,
                              .mode = mode,
                              .directory = arena_text(arena, str_of(directory)),
                              .workers = table_new()};
    for (size_t i = 0; i < SECTION_COUNT; i++)
        options_preset(&sections[i].table, config);
    options_preset(&config_worker_options, &config->worker_limits);
    config->host_name = system_host_name(arena);
    return config;
}

static void finish_texts(struct config *config, struct node *root,
                         struct problem_list *problems)
{
    struct str normal;
    if (domain_normalize(str_of(config->host_name), config->arena, &normal) < 0)
        node_problem(root, problems, "name: \"%s\" is not a host name", config->host_name);
    else
        config->host_name = arena_text(config->arena, normal);
    config->smtp.host_name = config->delivery.host_name = config->host_name;
    config->state_directory =
        config_path(config, config->directory, config->state_directory);
    config->scripts_directory =
        config_path(config, config->directory, config->scripts_directory);
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(config->log_level, levels[i]) == 0)
            return;
    node_problem(root, problems, "log: level: expected debug, info, warn, error or off");
}

static void read_host_file(struct config *config, struct node *root,
                           struct problem_list *problems)
{
    options_read(&sections[0].table, root, top_keys, config, config->arena, problems);
    for (size_t i = 1; i < SECTION_COUNT; i++)
        options_read(&sections[i].table, node_get(root, sections[i].name),
                     strcmp(sections[i].name, "delivery") == 0 ? delivery_keys : NULL,
                     config, config->arena, problems);
    options_read(&config_worker_options, node_get(root, "worker_limits"), NULL,
                 &config->worker_limits, config->arena, problems);
    finish_texts(config, root, problems);
    struct node *delivery = node_get(root, "delivery");
    config->delivery.tls = (enum delivery_tls)read_choice(
        delivery ? node_get(delivery, "tls") : NULL, delivery_tls_choices,
        DELIVERY_TLS_OPPORTUNISTIC, problems);
    if (config->mode == CONFIG_DEV)
        listen_for_dev(config, node_get(root, "dev_listen"), problems);
    else
        read_listeners(config, node_get(root, "listen"), problems);
    read_certificates(config, node_get(root, "tls"), problems);
    read_routes(config, node_get(root, "routes"), problems);
    read_destinations(config, node_get(root, "destinations"), problems);
    config_read_workers(config, node_get(root, "workers"), problems);
}

struct loading {
    struct config *config;
    struct problem_list *problems;
};

static bool has_worker(void *arg, struct str name)
{
    struct loading *loading = arg;
    return config_find_worker(loading->config, name, loading->problems) != NULL;
}

static bool is_verified(void *arg, const struct mailbox *destination)
{
    struct loading *loading = arg;
    return config_is_destination(loading->config, destination);
}

struct config *config_load(const char *directory, enum config_mode mode,
                           struct problem_list *problems)
{
    size_t before = problems->count;
    struct config *config = config_new(directory, mode);
    const char *path = config_path(config, directory, "host.yaml");
    struct node *root = NULL;
    struct node empty = {.kind = NODE_MAP, .file = str_of(path)};
    if (access(path, F_OK) == 0)
        root = document_load(path, config->arena, problems);
    else if (mode == CONFIG_DEV)
        root = &empty;
    else
        problem_add(
            problems, str_of(path), 0, 0,
            "there is no host.yaml: `postern serve` needs one with at least `name:`");
    if (root)
        read_host_file(config, root, problems);
    struct loading loading = {config, problems};
    struct node *postmaster = root ? node_get(root, "postmaster") : NULL;
    struct rule_vocabulary vocabulary = {
        .arg = &loading,
        .has_worker = has_worker,
        .is_verified = is_verified,
        .postmaster =
            postmaster && postmaster->kind == NODE_TEXT ? postmaster->text : STR(""),
    };
    if (root)
        config->rules = rule_set_load(directory, &vocabulary, problems);
    if (problems->count > before || !config->rules) {
        config_release(config);
        return NULL;
    }
    return config;
}

struct config *config_new_default(void)
{
    return config_new(".", CONFIG_DEV);
}

const char *config_state_directory(const char *directory, struct arena *arena)
{
    struct problem_list ignored;
    problem_list_open(&ignored);
    const char *file = arena_printf(arena, "%s/host.yaml", directory);
    struct node *root = document_load(file, arena, &ignored);
    struct node *state = root ? node_get(root, "state") : NULL;
    problem_list_close(&ignored);
    struct str path = state && state->kind == NODE_TEXT ? state->text : STR(".postern");
    if (path.length && path.at[0] == '/')
        return arena_text(arena, path);
    return arena_printf(arena, "%s/%.*s", directory, STR_ARG(path));
}

struct config *config_load_script(const char *path, struct problem_list *problems)
{
    struct str file = str_of(path);
    ptrdiff_t slash = str_last_index(file, '/');
    struct str folder = slash < 0 ? STR(".") : str_part(file, 0, (size_t)slash);
    struct str name = str_from(file, (size_t)(slash + 1));
    if (str_ends_nocase(name, STR(".lua")))
        name.length -= 4;
    struct config *config = config_new(".", CONFIG_DEV);
    config->scripts_directory = arena_text(config->arena, folder);
    if (!config_add_worker(config, name, path, NULL, problems)) {
        config_release(config);
        return NULL;
    }
    return config;
}

void config_start_workers(struct config *config, const struct config *before)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        struct config_worker *worker = value;
        struct config_worker *older = before ? table_get(before->workers, name) : NULL;
        if (older && older->worker && strcmp(older->version, worker->version) == 0)
            worker->worker = worker_keep(older->worker);
        else
            worker->worker = worker_new(&worker->options);
    }
}

struct worker *config_worker(const struct config *config, struct str name)
{
    struct config_worker *worker = table_get(config->workers, name);
    return worker ? worker->worker : NULL;
}

struct config *config_keep(struct config *config)
{
    config->references++;
    return config;
}

void config_release(struct config *config)
{
    if (!config || --config->references)
        return;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        struct config_worker *worker = value;
        if (worker->worker)
            worker_release(worker->worker);
    }
    table_free(config->workers);
    if (config->rules)
        rule_set_release(config->rules);
    arena_free(config->arena);
}
