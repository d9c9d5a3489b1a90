/* host.yaml: the tables of its options, and the snapshot that they make together with its other parts
 * (config_network.c, config_auth.c, config_workers.c) and the rules. */
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
    {"keys", OPTION_TEXT, ROW(keys_directory), "keys", 0, 0,
     "folder of the private keys that sign: <domain>/<selector>.pem"},
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
    "tls", "routes", "workers", "destinations", "postmaster",    "auth",   NULL};
static const char *const delivery_keys[] = {"tls", NULL};

void config_each_option(void (*see)(const char *section, const struct option_row *row,
                                    void *arg),
                        void *arg)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        for (size_t row = 0; row < sections[i].table.count; row++)
            see(sections[i].name, &sections[i].table.rows[row], arg);
    for (size_t row = 0; row < config_auth_options.count; row++)
        see("auth", &config_auth_options.rows[row], arg);
    for (size_t row = 0; row < config_rspamd_options.count; row++)
        see("auth.rspamd", &config_rspamd_options.rows[row], arg);
    for (size_t row = 0; row < config_worker_options.count; row++)
        see("worker_limits", &config_worker_options.rows[row], arg);
}

const char *config_path(struct config *config, const char *base, const char *path)
{
    return path[0] == '/' ? path : arena_printf(config->arena, "%s/%s", base, path);
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
    options_preset(&config_auth_options, &config->auth);
    options_preset(&config_rspamd_options, &config->auth);
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
    config->keys_directory = config_path(config, config->directory, config->keys_directory);
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
    config_read_auth(config, node_get(root, "auth"), problems);
    struct node *delivery = node_get(root, "delivery");
    config->delivery.tls = (enum delivery_tls)options_choice(
        delivery ? node_get(delivery, "tls") : NULL, config_delivery_tls_choices,
        DELIVERY_TLS_OPPORTUNISTIC, problems);
    if (config->mode == CONFIG_DEV)
        config_listen_for_dev(config, node_get(root, "dev_listen"), problems);
    else
        config_read_listeners(config, node_get(root, "listen"), problems);
    config_read_certificates(config, node_get(root, "tls"), problems);
    config_read_routes(config, node_get(root, "routes"), problems);
    config_read_destinations(config, node_get(root, "destinations"), problems);
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

struct config *config_new_verifying(void)
{
    struct problem_list none;
    problem_list_open(&none);
    struct config *config = config_new(".", CONFIG_SERVE);
    config_read_auth(config, NULL, &none);
    problem_list_close(&none);
    return config;
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
