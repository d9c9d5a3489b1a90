/* Delivery by SMTP: where to (a static route, an address literal, the MX of the domain), then host after
 * host until one has taken or refused the message.
 *
 *     find hosts --> take a turn --> [find addresses, open a connection] --> send --> the result
 *                        ^                                                     |
 *                        `------------------- the next host <------------------'
 *
 * A host hands over to the next one when it cannot be reached, does not greet, or refuses for now before
 * it has the message. When all have, a peer's temporary refusal is the answer, else a temporary failure of
 * ours, else the last permanent refusal: as long as one host may take the message later, it is not
 * refused. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/task.h"
#include "delivery/client.h"
#include "delivery/internal.h"
#include "delivery/mx.h"
#include "delivery/pool.h"
#include "delivery/rate.h"
#include "delivery/route_table.h"

/* Options in force; those of a delivery under way stand until it has ended. */
struct settings {
    size_t references;
    struct arena *arena;
    struct delivery_options options;
    struct route_table *routes;
    struct tls_client *trust;
};

struct engine {
    struct delivery base;
    struct dns *dns;
    struct pool *pool;
    struct rate *rate; /* per host */
    struct settings *settings;
};

#define RATE_KEYS_MAX 10000

/* --- settings --- */

static void settings_release(struct settings *settings)
{
    if (--settings->references > 0)
        return;
    route_table_free(settings->routes);
    tls_client_free(settings->trust);
    arena_free(settings->arena);
    free(settings);
}

static struct delivery_route *copy_routes(const struct delivery_options *options,
                                          struct arena *arena)
{
    struct delivery_route *routes =
        arena_array(arena, struct delivery_route, options->route_count);
    for (size_t i = 0; i < options->route_count; i++) {
        routes[i] = options->routes[i];
        routes[i].domain = arena_str(arena, options->routes[i].domain);
        routes[i].host = arena_str(arena, options->routes[i].host);
    }
    return routes;
}

static struct settings *settings_new(const struct delivery_options *options,
                                     struct err *err)
{
    struct tls_client *trust = tls_client_new(options->ca_file, err);
    if (!trust)
        return NULL;
    struct settings *settings = mem_zero(1, sizeof *settings);
    struct arena *arena = arena_new();
    settings->references = 1;
    settings->arena = arena;
    settings->options = *options;
    settings->options.host_name = arena_text(arena, str_of(options->host_name));
    settings->options.routes = copy_routes(options, arena);
    settings->options.ca_file =
        options->ca_file ? arena_text(arena, str_of(options->ca_file)) : NULL;
    settings->routes = route_table_new(settings->options.routes, options->route_count);
    settings->trust = trust;
    return settings;
}

/* --- where to --- */

struct destination {
    struct str *hosts;
    size_t host_count;
    uint16_t port;
    enum delivery_tls tls;
};

struct errand {
    struct engine *engine;
    const struct settings *settings;
    const struct delivery_request *request;
    struct arena *arena;
    struct destination destination;
};

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]": the address in it. */
static struct str literal_address(struct str domain)
{
    if (domain.length < 3 || domain.at[0] != '[' || domain.at[domain.length - 1] != ']')
        return STR("");
    struct str address = str_part(domain, 1, domain.length - 2);
    return str_starts_nocase(address, STR("IPv6:")) ? str_from(address, strlen("IPv6:"))
                                                    : address;
}

static void go_to_one_host(struct errand *errand, struct str host)
{
    errand->destination.hosts = arena_new_of(errand->arena, struct str);
    errand->destination.hosts[0] = host;
    errand->destination.host_count = 1;
}

static bool find_destination(struct errand *errand, struct reply *why)
{
    const struct delivery_options *options = &errand->settings->options;
    struct str domain = errand->request->recipient->domain;
    const struct delivery_route *route = route_table_find(errand->settings->routes, domain);
    errand->destination.port = route ? route->port : options->mx_port;
    errand->destination.tls = route ? route->tls : options->tls;
    struct str host = route ? route->host : literal_address(domain);
    if (host.length > 0) {
        go_to_one_host(errand, host);
        return true;
    }
    struct mx_hosts hosts;
    if (!mx_find(errand->engine->dns, domain, str_of(options->host_name), errand->arena,
                 &hosts, why))
        return false;
    errand->destination.hosts = hosts.names;
    errand->destination.host_count =
        hosts.count < options->mx_hosts_max ? hosts.count : options->mx_hosts_max;
    return true;
}

/* --- one host --- */

static struct client *open_client(const struct errand *errand, struct str host,
                                  struct client_verdict *verdict)
{
    const struct destination *destination = &errand->destination;
    const struct delivery_options *options = &errand->settings->options;
    struct mx_addresses found;
    *verdict = (struct client_verdict){.end = CLIENT_TRY_OTHER};
    const struct mx_host mx_host = {host, destination->port, options->ipv6};
    if (!mx_find_addresses(errand->engine->dns, &mx_host, errand->arena, &found,
                           &verdict->reply))
        return NULL;
    const struct client_target target = {
        .name = host,
        .addresses = found.addresses,
        .address_count = found.count,
        .tls = destination->tls,
        .trust = errand->settings->trust,
        .options = options,
    };
    return client_open(&target, verdict);
}

/* What came of one host: as a result, and whether another host may do better. */
struct
try {
    struct delivery_result result;
    enum client_end end;
};

static void try_say(struct try *try, const struct client_verdict *verdict)
{
    struct delivery_result *result = &try->result;
    try->end = verdict->end;
    result->reply = verdict->reply;
    result->is_from_peer = verdict->is_from_peer;
    /* To whoever hears these words in his turn, 421 would say that we close his connection. */
    bool is_closing = result->reply.code == 421;
    if (is_closing)
        result->reply.code = 451;
    if (verdict->end == CLIENT_DELIVERED)
        result->status = DELIVERY_OK;
    else
        result->status =
            reply_is_permanent(&verdict->reply) ? DELIVERY_PERMANENT : DELIVERY_TEMPORARY;
    result->is_of_destination = is_closing;
}

static void send_in_turn(const struct errand *errand, struct str host,
                         struct pool_turn *turn, struct try *try)
{
    const struct delivery_options *options = &errand->settings->options;
    struct client_verdict verdict;
    bool is_kept = turn->client != NULL;
    if (!is_kept) {
        struct client *client = open_client(errand, host, &verdict);
        if (!client) {
            try_say(try, &verdict);
            try->result.is_of_destination = true;
            return;
        }
        pool_turn_set(turn, client);
    }
    try->result.peer = arena_str(errand->arena, client_peer(turn->client));
    try->result.tls = client_tls(turn->client, errand->arena);
    try->result.used_kept_connection = is_kept;
    try->result.peer_has_dsn = client_has_dsn(turn->client);
    client_send(turn->client, errand->request, options, errand->arena, &verdict);
    try_say(try, &verdict);
}

static void try_in_turn(const struct errand *errand, struct str host,
                        struct pool_turn *turn, struct try *try)
{
    const struct delivery_options *options = &errand->settings->options;
    send_in_turn(errand, host, turn, try);
    if (try->end == CLIENT_WAS_DEAD) {
        pool_turn_drop(turn);
        send_in_turn(errand, host, turn, try);
    }
    bool is_worn = turn->client && client_message_count(turn->client) >=
                                       options->messages_per_connection_max;
    pool_give_back(turn, is_worn ? 0 : options->idle_ms);
}

static struct try not_tried(struct reply why, uint64_t wait_ms)
{
    struct try try = {
        .result = {.peer = STR(""), .tls = STR(""), .wait_ms = wait_ms},
        .end = CLIENT_TRY_OTHER,
    };
    delivery_result_say(&try.result, why);
    return try;
}

static struct try try_host(const struct errand *errand, struct str host)
{
    const struct delivery_options *options = &errand->settings->options;
    struct rate *rate = errand->engine->rate;
    struct str key =
        str_of(arena_printf(errand->arena, "%.*s %u %d", STR_ARG(host),
                            errand->destination.port, (int)errand->destination.tls));
    uint64_t now_ms = task_now_ms();
    if (!rate_take(rate, host, now_ms))
        return not_tried(reply_make(451, "4.7.0",
                                    "%.*s has had as much as it is to have from here now",
                                    STR_ARG(host)),
                         rate_next_ms(rate, host, now_ms) - now_ms + 1);
    struct pool_turn turn;
    task_stage("waiting for a connection to %.*s to be free", STR_ARG(host));
    if (pool_take(errand->engine->pool, key, options->connections_per_destination_max,
                  &turn) < 0)
        return not_tried(
            reply_make(451, "4.4.5", "all connections to %.*s are busy", STR_ARG(host)), 0);
    struct try try = {.result = {.peer = STR(""), .tls = STR("")}};
    try_in_turn(errand, host, &turn, &try);
    return try;
}

/* --- all hosts --- */

/* How much a failed try says about the message's chances. */
static int weight(const struct delivery_result *result)
{
    return result->status == DELIVERY_TEMPORARY ? 1 + result->is_from_peer : 0;
}

static bool out_of_time(uint64_t deadline_ms)
{
    return task_cancelled(task_current()) || task_now_ms() >= deadline_ms;
}

static void visit_hosts(const struct errand *errand, uint64_t deadline_ms,
                        struct delivery_result *result)
{
    bool are_all_down = true;
    for (size_t i = 0; i < errand->destination.host_count; i++) {
        struct try try = try_host(errand, errand->destination.hosts[i]);
        bool is_last_word = try.end != CLIENT_TRY_OTHER;
        are_all_down = are_all_down && try.result.is_of_destination;
        if (i == 0 || is_last_word || weight(&try.result) >= weight(result))
            *result = try.result;
        result->is_of_destination = are_all_down && result->status == DELIVERY_TEMPORARY;
        if (is_last_word || out_of_time(deadline_ms))
            return;
    }
}

static void engine_send(struct delivery *delivery, const struct delivery_request *request,
                        struct arena *arena, struct delivery_result *result)
{
    struct engine *engine = (struct engine *)delivery;
    struct settings *settings = engine->settings;
    settings->references++;
    uint64_t before_ms = task_deadline_set(TASK_FOREVER);
    uint64_t deadline_ms = task_in_ms(settings->options.total_timeout_ms);
    if (before_ms < deadline_ms)
        deadline_ms = before_ms;
    task_deadline_set(deadline_ms);
    struct errand errand = {engine, settings, request, arena, {0}};
    struct reply why;
    if (find_destination(&errand, &why)) {
        visit_hosts(&errand, deadline_ms, result);
    } else {
        delivery_result_say(result, why);
        result->is_of_destination = result->status == DELIVERY_TEMPORARY;
    }
    task_deadline_set(before_ms);
    settings_release(settings);
}

/* --- opening and closing --- */

/* Of a minute's messages a tenth may go at once. */
static struct rate *new_rate(const struct delivery_options *options)
{
    return rate_new(options->rate_per_host, options->rate_per_host / 10, RATE_KEYS_MAX);
}

static int engine_reconfigure(struct delivery *delivery,
                              const struct delivery_options *options, struct err *err)
{
    struct engine *engine = (struct engine *)delivery;
    struct settings *settings = settings_new(options, err);
    if (!settings)
        return err ? err->code : -EINVAL;
    if (options->rate_per_host != engine->settings->options.rate_per_host) {
        rate_free(engine->rate);
        engine->rate = new_rate(options);
    }
    settings_release(engine->settings);
    engine->settings = settings;
    return 0;
}

static void engine_each_connection(const struct delivery *delivery,
                                   void (*see)(struct str peer, bool is_idle,
                                               size_t messages, void *arg),
                                   void *arg)
{
    pool_each(((const struct engine *)delivery)->pool, see, arg);
}

static void engine_close(struct delivery *delivery)
{
    struct engine *engine = (struct engine *)delivery;
    pool_free(engine->pool);
    rate_free(engine->rate);
    settings_release(engine->settings);
    free(engine);
}

struct delivery *delivery_open(const struct delivery_options *options, struct dns *dns,
                               struct err *err)
{
    static const struct delivery_way way = {
        .send = engine_send,
        .close = engine_close,
        .reconfigure = engine_reconfigure,
        .each_connection = engine_each_connection,
    };
    struct settings *settings = settings_new(options, err);
    if (!settings)
        return NULL;
    struct engine *engine = mem_zero(1, sizeof *engine);
    *engine = (struct engine){{&way}, dns, pool_new(), new_rate(options), settings};
    return &engine->base;
}
