/* What host.yaml puts into a worker's `env`: variables, secrets and bindings.
 *
 *     vars:     { TEAM: "team@example.com" }
 *     secrets:  { TOKEN: {file: /etc/postern/token}, KEY: {env: CHAT_KEY} }
 *     kv:       { TICKETS: tickets }
 *     limiters: { PER_SENDER: {limit: 5, period: 1m} }
 *     send:     { EMAIL: {from: [support@example.com], to: ["*@example.com"]} }
 *     queues:   { JOBS: jobs }
 *     fetch:    { API: {hosts: [api.example.com, "*.partner.test"], private: false, ca_file: roots.pem} } */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binding.h"
#include "config_internal.h"

#include "mail/domain.h"

#define SECRET_BYTES_MAX 65536
#define SPACE_BYTES_MAX  128
#define HOUR_MS          (3600ULL * 1000)

const char *const config_env_keys[] = {"vars", "secrets", "kv",     "limiters",
                                       "send", "fetch",   "queues", NULL};

const struct node_key config_secret_keys[] = {
    {"file", "file", NULL, "that others cannot read: its text without the last line end"},
    {"env", "text", NULL, "the name of an environment variable"},
    {0},
};
const struct node_key config_send_keys[] = {
    {"from", "list", "our domains",
     "addresses that may be the sender; \"*@example.com\": all of a domain"},
    {"to", "list", "`destinations`",
     "addresses that may be written to, in the same way; \"*\": anybody"},
    {0},
};
const struct node_key config_fetch_keys[] = {
    {"hosts", "list", NULL,
     "whom it may ask: names, \"*.example.com\" for all below a domain, IP addresses, "
     "\"*\""},
    {"private", "true, false", "false",
     "whether also at private, loopback and link-local addresses"},
    {"ca_file", "file", "the system's",
     "PEM: the roots that servers' certificates must lead to"},
    {0},
};

static const struct option_row limiter_rows[] = {
    {"limit", OPTION_COUNT, offsetof(struct binding, limit), NULL, 1, 1000000,
     "so many for each key"},
    {"period", OPTION_DURATION64, offsetof(struct binding, period_ms), "1m", 1000,
     24 * HOUR_MS, "in so long"},
};
const struct option_table config_limiter_options = OPTION_TABLE(limiter_rows);

struct reading {
    struct config *config;
    struct config_worker *worker;
    struct problem_list *problems;
};

/* --- names --- */

static bool is_taken(const struct worker_options *options, struct str name)
{
    for (size_t i = 0; i < options->variable_count; i++)
        if (str_equal(options->variables[i].name, name))
            return true;
    for (size_t i = 0; i < options->binding_count; i++)
        if (str_equal(options->bindings[i].name, name))
            return true;
    return false;
}

static bool is_name(struct str name)
{
    bool is_good = name.length > 0 && name.length <= 128 && !ascii_digit(name.at[0]);
    for (size_t i = 0; i < name.length; i++)
        is_good = is_good && (ascii_alnum(name.at[i]) || name.at[i] == '_');
    return is_good;
}

static bool check_name(const struct reading *reading, const struct node *key)
{
    if (!is_name(key->text))
        node_problem(key, reading->problems,
                     "a name in env has letters, digits and _ only, as in TICKETS");
    else if (is_taken(&reading->worker->options, key->text))
        node_problem(key, reading->problems, "%.*s is in this worker's env already",
                     STR_ARG(key->text));
    else
        return true;
    return false;
}

/* --- variables and secrets --- */

static void add_variable(const struct reading *reading, const struct node *key,
                         struct str value, bool is_secret)
{
    struct worker_options *options = &reading->worker->options;
    if (check_name(reading, key))
        options->variables[options->variable_count++] =
            (struct worker_variable){key->text, value, is_secret};
}

static void read_variable(const struct reading *reading, const struct node *key,
                          struct node *item)
{
    if (item->kind != NODE_TEXT)
        node_problem(item, reading->problems, "a variable is a text");
    else
        add_variable(reading, key, item->text, false);
}

/* The file's text without its last line end. */
static int read_open_secret(int fd, struct arena *arena, struct str *secret,
                            struct err *err)
{
    struct stat facts;
    if (fstat(fd, &facts) < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    if (!S_ISREG(facts.st_mode) || facts.st_size > SECRET_BYTES_MAX)
        return err_set(err, -EINVAL, "no file of at most %d bytes", SECRET_BYTES_MAX);
    if (facts.st_mode & 027)
        return err_set(err, -EPERM,
                       "others than its owner can read or write it: chmod 600 (or 640)");
    char *bytes = arena_alloc(arena, (size_t)facts.st_size + 1);
    ssize_t got = read(fd, bytes, (size_t)facts.st_size);
    if (got < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    *secret = (struct str){bytes, (size_t)got};
    if (secret->length && secret->at[secret->length - 1] == '\n')
        secret->length--;
    if (secret->length && secret->at[secret->length - 1] == '\r')
        secret->length--;
    return secret->length ? 0 : err_set(err, -EINVAL, "it is empty");
}

static int read_secret_file(const char *path, struct arena *arena, struct str *secret,
                            struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    int result = read_open_secret(fd, arena, secret, err);
    close(fd);
    return result;
}

static void read_secret_from_file(const struct reading *reading, const struct node *key,
                                  const struct node *file)
{
    struct config *config = reading->config;
    struct err err = {0};
    struct str secret = {0};
    const char *path =
        config_path(config, config->directory, arena_text(config->arena, file->text));
    if (read_secret_file(path, config->arena, &secret, &err) < 0)
        node_problem(file, reading->problems, "the secret %.*s in %s: %s",
                     STR_ARG(key->text), path, err.text);
    else
        add_variable(reading, key, secret, true);
}

static void read_secret_from_environment(const struct reading *reading,
                                         const struct node *key, const struct node *name)
{
    const char *value = getenv(arena_text(reading->config->arena, name->text));
    if (!value || !*value)
        node_problem(name, reading->problems,
                     "the secret %.*s: the environment has no %.*s, or an empty one",
                     STR_ARG(key->text), STR_ARG(name->text));
    else
        add_variable(reading, key, arena_str(reading->config->arena, str_of(value)), true);
}

static void read_secret(const struct reading *reading, const struct node *key,
                        struct node *item)
{
    const struct node *file = node_get(item, "file"), *env = node_get(item, "env");
    node_report_unused(item, config_secret_keys, reading->problems);
    if (file && !env && file->kind == NODE_TEXT)
        read_secret_from_file(reading, key, file);
    else if (env && !file && env->kind == NODE_TEXT)
        read_secret_from_environment(reading, key, env);
    else
        node_problem(item, reading->problems,
                     "expected {file: path} or {env: NAME}: a secret itself does not stand"
                     " in host.yaml");
}

/* --- bindings --- */

static struct binding *add_binding(const struct reading *reading, const struct node *key,
                                   enum binding_kind kind)
{
    struct worker_options *options = &reading->worker->options;
    if (!check_name(reading, key))
        return NULL;
    struct binding *binding = &reading->worker->bindings[reading->worker->binding_count++];
    *binding = (struct binding){.name = key->text, .kind = kind};
    options->bindings[options->binding_count++] =
        (struct worker_binding){key->text, binding_kind_name(kind)};
    return binding;
}

static void read_kv(const struct reading *reading, const struct node *key,
                    struct node *item)
{
    if (item->kind != NODE_TEXT || item->text.length == 0 ||
        item->text.length > SPACE_BYTES_MAX) {
        node_problem(item, reading->problems, "expected the name of a namespace");
        return;
    }
    struct binding *binding = add_binding(reading, key, BINDING_KV);
    if (binding)
        binding->space = item->text;
}

static void read_queue(const struct reading *reading, const struct node *key,
                       struct node *item)
{
    if (item->kind != NODE_TEXT) {
        node_problem(item, reading->problems, "expected the name of a queue");
        return;
    }
    const struct config_queue *queue =
        config_queue_named(reading->config, item, item->text, reading->problems);
    struct binding *binding = queue ? add_binding(reading, key, BINDING_QUEUE) : NULL;
    if (binding)
        binding->space = queue->name;
}

static void read_limiter(const struct reading *reading, const struct node *key,
                         struct node *item)
{
    struct binding *binding = add_binding(reading, key, BINDING_LIMITER);
    if (!binding)
        return;
    options_preset(&config_limiter_options, binding);
    options_read(&config_limiter_options, item, NULL, binding, reading->config->arena,
                 reading->problems);
    if (binding->limit == 0)
        node_problem(item, reading->problems, "expected {limit: 5, period: 1m}");
}

/* Anybody may be written to, but not written as. */
static bool read_pattern(struct config *config, const struct node *item,
                         bool may_be_anybody, struct binding_pattern *pattern)
{
    struct str text = item->kind == NODE_TEXT ? item->text : STR("");
    pattern->is_anybody = may_be_anybody && str_equal(text, STR("*"));
    if (pattern->is_anybody)
        return true;
    pattern->is_any_local = str_starts(text, STR("*@"));
    return mailbox_parse(text, config->arena, &pattern->mailbox) == 0;
}

static void read_patterns(const struct reading *reading, struct node *node,
                          bool may_be_anybody, struct binding_patterns *patterns)
{
    size_t count = node_item_count(node);
    patterns->is_given = node != NULL;
    patterns->items = arena_array(reading->config->arena, struct binding_pattern, count);
    for (size_t i = 0; i < count; i++)
        if (read_pattern(reading->config, node_item(node, i), may_be_anybody,
                         &patterns->items[patterns->count]))
            patterns->count++;
        else
            node_problem(node_item(node, i), reading->problems,
                         "expected an address, or \"*@example.com\" for all of a domain%s",
                         may_be_anybody ? ", or \"*\" for anybody" : "");
}

static void read_send(const struct reading *reading, const struct node *key,
                      struct node *item)
{
    struct binding *binding = add_binding(reading, key, BINDING_SEND);
    if (!binding || item->kind == NODE_NULL)
        return;
    if (item->kind != NODE_MAP) {
        node_problem(item, reading->problems, "expected {from: [address], to: [address]}");
        return;
    }
    read_patterns(reading, node_get(item, "from"), false, &binding->from);
    read_patterns(reading, node_get(item, "to"), true, &binding->to);
    node_report_unused(item, config_send_keys, reading->problems);
}

static bool read_host(struct config *config, const struct node *item, struct str *host)
{
    struct str text = item->kind == NODE_TEXT ? item->text : STR("");
    struct net_address address;
    bool is_below = str_starts(text, STR("*."));
    *host = text;
    if (str_equal(text, STR("*")))
        return true;
    if (net_address_parse(text, 0, &address) == 0) {
        char ip[NET_ADDRESS_TEXT_BYTES];
        *host = arena_str(config->arena, str_of(net_address_ip_text(&address, ip)));
        return true;
    }
    if (domain_normalize(str_from(text, is_below ? 2 : 0), config->arena, host) < 0)
        return false;
    if (is_below)
        *host = str_of(arena_printf(config->arena, "*.%.*s", STR_ARG(*host)));
    return true;
}

/* Read with host.yaml, so that requests need not. */
static void read_roots(const struct reading *reading, const struct node *node,
                       struct binding *binding)
{
    struct err err = {0};
    struct arena *arena = reading->config->arena;
    if (node->kind != NODE_TEXT) {
        node_problem(node, reading->problems, "expected a file of certificates (PEM)");
        return;
    }
    const char *path = config_path(reading->config, reading->config->directory,
                                   arena_text(arena, node->text));
    struct tls_client *client = tls_client_new(path, &err);
    tls_client_free(client);
    if (!client || config_read_text(path, arena, &binding->roots, &err) < 0)
        node_problem(node, reading->problems, "%s", err.text);
}

static void read_fetch(const struct reading *reading, const struct node *key,
                       struct node *item)
{
    struct node *hosts = node_get(item, "hosts"), *private = node_get(item, "private");
    size_t count = node_item_count(hosts);
    struct binding *binding = add_binding(reading, key, BINDING_FETCH);
    if (!binding)
        return;
    if (count == 0)
        node_problem(item, reading->problems,
                     "expected {hosts: [api.example.com]}: whom this worker may ask");
    binding->hosts = arena_array(reading->config->arena, struct str, count);
    for (size_t i = 0; i < count; i++)
        if (read_host(reading->config, node_item(hosts, i),
                      &binding->hosts[binding->host_count]))
            binding->host_count++;
        else
            node_problem(node_item(hosts, i), reading->problems,
                         "expected a host's name, \"*.example.com\" for all below a "
                         "domain, an IP address, or \"*\"; without scheme and port");
    if (private)
        node_to_bool(private, reading->problems, &binding->is_private);
    const struct node *roots = node_get(item, "ca_file");
    if (roots)
        read_roots(reading, roots, binding);
    node_report_unused(item, config_fetch_keys, reading->problems);
}

/* --- all of them --- */

typedef void read_entry_fn(const struct reading *reading, const struct node *key,
                           struct node *item);

static void read_entries(const struct reading *reading, struct node *section,
                         const char *name, read_entry_fn *read)
{
    if (!section || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        node_problem(section, reading->problems, "%s: expected `NAME: …` lines", name);
        return;
    }
    for (size_t i = 0; i < section->count; i++)
        read(reading, section->keys[i], section->items[i]);
}

static size_t count_entries(struct node *node)
{
    size_t count = 0;
    for (size_t i = 0; config_env_keys[i]; i++) {
        const struct node *section = node_get(node, config_env_keys[i]);
        count += section ? section->count : 0;
    }
    return count;
}

/* Where forward() may send to. */
static void read_forward(const struct reading *reading, struct node *node)
{
    if (!node)
        return;
    reading->worker->forward_to =
        arena_new_of(reading->config->arena, struct binding_patterns);
    read_patterns(reading, node, true, reading->worker->forward_to);
}

void config_read_env(struct config *config, struct node *node, struct config_worker *worker,
                     struct problem_list *problems)
{
    static read_entry_fn *const read[] = {read_variable, read_secret, read_kv,
                                          read_limiter,  read_send,   read_fetch,
                                          read_queue};
    struct reading reading = {config, worker, problems};
    size_t count = count_entries(node);
    worker->options.variables = arena_array(config->arena, struct worker_variable, count);
    worker->options.bindings = arena_array(config->arena, struct worker_binding, count);
    worker->bindings = arena_array(config->arena, struct binding, count);
    for (size_t i = 0; config_env_keys[i]; i++)
        read_entries(&reading, node_get(node, config_env_keys[i]), config_env_keys[i],
                     read[i]);
    read_forward(&reading, node_get(node, "forward"));
}
