/* Shared by config.c (the snapshot), config_options.c, config_reference.c, config_network.c, config_http.c, config_auth.c, config_workers.c, config_version.c, config_on_error.c, config_rollout.c, config_cron.c, config_queues.c and config_bindings.c
 * (parts of host.yaml). */
#pragma once

#include "config.h"

/* The sections of host.yaml that are rows of struct config; "" is the top level and the first, a NULL name ends them. */
struct config_section {
    const char *name;
    struct option_table table;
};
extern const struct config_section config_sections[];

extern const struct option_table config_worker_options, config_circuit_options,
    config_limiter_options, config_canary_options, config_queue_options,
    config_consumer_options;

/* Keys beside the rows of the tables, which have functions of their own to read them. */
extern const struct node_key config_top_keys[], config_delivery_keys[],
    config_listener_keys[], config_certificate_keys[], config_route_keys[],
    config_auth_keys[], config_auth_list_keys[], config_auth_exempt_keys[],
    config_rspamd_keys[], config_worker_keys[], config_secret_keys[], config_send_keys[],
    config_fetch_keys[], config_http_keys[], config_http_listener_keys[], config_url_keys[];

extern const struct option_choice config_delivery_tls_choices[];
#define CONFIG_DELIVERY_TLS_WORDS "opportunistic, none, required, verified, implicit"

/* Each reads one key of host.yaml; the node may be NULL. */
void config_read_listeners(struct config *config, struct node *node,
                           struct problem_list *problems);
void config_listen_for_dev(struct config *config, struct node *node,
                           struct problem_list *problems);
void config_read_certificates(struct config *config, struct node *node,
                              struct problem_list *problems);
void config_read_routes(struct config *config, struct node *node,
                        struct problem_list *problems);
void config_read_destinations(struct config *config, struct node *node,
                              struct problem_list *problems);

extern const struct option_table config_auth_options, config_rspamd_options;
/* Reads `auth:` (may be NULL), once the host has its name. */
void config_read_auth(struct config *config, struct node *section,
                      struct problem_list *problems);

extern const struct option_table config_http_options;
/* Reads `http:` (may be NULL). */
void config_read_http(struct config *config, struct node *section,
                      struct problem_list *problems);
/* Reads the worker's `url:` (may be NULL), once `http:` is read. */
void config_read_urls(struct config *config, struct node *node,
                      struct config_worker *worker, struct problem_list *problems);

/* Reads `workers:` (may be NULL). */
void config_read_workers(struct config *config, struct node *section,
                         struct problem_list *problems);
/* The worker of this name, declared in host.yaml or simply a script <name>.lua in the scripts folder; NULL if
 * there is neither. Problems of the script's file are reported at `where` (may be NULL). */
/* Something in the directory is for this handler: a script without it is a problem (host_try_workers). */
void config_needs_handler(struct config_worker *worker, enum worker_handler handler);
struct config_worker *config_find_worker(struct config *config, struct str name,
                                         struct problem_list *problems);
/* Reads the worker's variables, secrets and bindings: the keys of config_env_keys (NULL ends them). */
extern const char *const config_env_keys[];
void config_read_env(struct config *config, struct node *node, struct config_worker *worker,
                     struct problem_list *problems);
/* Reads the worker's `on_error:` and `circuit:`, once the destinations are read. */
void config_read_on_error(struct config *config, struct node *node,
                          struct config_worker *worker, struct problem_list *problems);
/* Reads the worker's `canary:` and `tests:`. */
void config_read_rollout(struct config *config, struct node *node,
                         struct config_worker *worker, struct problem_list *problems);
/* Reads the worker's `cron:`. */
void config_read_cron(struct config *config, struct node *node,
                      struct config_worker *worker, struct problem_list *problems);
/* Reads `queues:` (may be NULL), before the workers. */
void config_read_queues(struct config *config, struct node *section,
                        struct problem_list *problems);
/* The queue of this name, which is one from now on; NULL, with a problem at `where`, when none can have it. */
struct config_queue *config_queue_named(struct config *config, const struct node *where,
                                        struct str name, struct problem_list *problems);
/* Reads the worker's `consumes:`. */
void config_read_consumes(struct config *config, struct node *node,
                          struct config_worker *worker, struct problem_list *problems);
/* Sets version and script_hash, by all the rest. */
void config_set_version(struct config_worker *worker);
/* Adds a worker for one script file, named at `where` (may be NULL) in host.yaml. */
struct config_worker *config_add_worker(struct config *config, struct str name,
                                        const char *path, const struct node *where,
                                        struct problem_list *problems);
/* A file's text, of at most 1 MiB, in the arena; or an error text without its path. */
int config_read_text(const char *path, struct arena *arena, struct str *text,
                     struct err *err);
/* `path` as it stands when absolute, else within `base`: in the arena. */
const char *config_path(struct config *config, const char *base, const char *path);
