/* The rules directory as a whole: host.yaml, the domains' rules and the workers' scripts, read together
 * into one immutable snapshot. A message keeps the snapshot it started with; a reload makes a new one, and
 * a broken edit makes none (DESIGN.md 5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

#include "auth/options.h"
#include "delivery/delivery.h"
#include "delivery/key_ring.h"
#include "delivery/queue.h"
#include "http/options.h"
#include "http/url_map.h"
#include "net/dns.h"
#include "net/tls.h"
#include "rules/rule_set.h"
#include "smtp/options.h"
#include "worker/canary.h"
#include "worker/cron.h"
#include "worker/worker.h"

#define CONFIG_HOSTS_MAX     64
#define CONFIG_VERSION_BYTES 65 /* a SHA-256 in hexadecimal */

enum config_mode {
    CONFIG_SERVE,
    CONFIG_DEV, /* a laptop: listens on 127.0.0.1:2525 whatever host.yaml says, nothing leaves */
};

struct binding;
struct binding_patterns;
struct rollout;

/* What becomes of a message whose worker fails, or pauses because it kept failing. */
struct config_on_error {
    enum { ON_ERROR_DEFER, ON_ERROR_FORWARD, ON_ERROR_REJECT } way;
    struct mailbox destination; /* to forward to, untouched */
    struct str reject_text;     /* may be empty */
};

/* One line of a worker's `cron:`. */
struct config_cron {
    struct str text; /* as it stands there */
    struct cron cron;
};

/* A worker as the directory describes it. `version` is the SHA-256 of all that its isolate is loaded with: script, modules,
 * variables, the names of its bindings, limits; and of its circuit's options. `script_hash` is what people are shown: the SHA-256
 * of the script's file (`sha256sum support.lua`), or, with modules, of what `sha256sum` prints for all of these files. */
struct config_worker {
    struct worker_options options;
    struct config_on_error on_error;
    struct binding *bindings; /* binding.h: the same as options.bindings, in full */
    size_t binding_count;
    struct binding_patterns *forward_to; /* NULL: where the directory's destinations are */
    const char *path;                    /* the script's file */
    struct config *home; /* the snapshot that it was read with, and in whose memory it is */
    char version[CONFIG_VERSION_BYTES];
    char script_hash[CONFIG_VERSION_BYTES];
    bool is_tested; /* its tests are run before it takes messages */
    struct canary_options canary;
    struct config_cron *crons; /* when its `scheduled` handler runs */
    size_t cron_count;
    unsigned
        needed_handlers; /* bits by enum worker_handler: what the directory counts on */
    /* once config_start_workers has run: */
    struct worker *worker;
    bool is_new;             /* a version that the snapshot before does not run */
    struct rollout *rollout; /* NULL: this version takes all messages */
};

/* The first 64 bits of the SHA-256 of these texts. */
uint64_t config_hash64(const struct str texts[], size_t count);

/* A queue between workers (store/worker_queue.h), and who handles what is in it. */
struct config_consumer;
struct config_queue {
    struct str name;
    uint64_t retention_ms, delay_ms, bytes_max;
    uint32_t messages_max;
    const struct config_consumer *consumer; /* NULL: nobody, for now */
};
struct config_consumer {
    const struct config_queue *queue;
    const struct config_worker *worker;
    uint32_t messages_max, wait_ms; /* of a batch */
    uint32_t retries_max, batches_max;
    uint64_t retry_delay_ms;
    const char *dead_letter;                      /* as it is written; NULL: none */
    const struct config_queue *dead_letter_queue; /* NULL: what is given up is dropped */
};

/* Of a script_hash, where people read it. */
#define CONFIG_HASH_DIGITS 12
struct str config_short_hash(const struct config_worker *worker);

/* keep_messages: */
struct keep_options {
    uint64_t for_ms; /* 0: none are */
    uint32_t percent;
    uint64_t bytes_max, message_bytes_max;
};

struct config {
    size_t references;
    size_t memory_references; /* this snapshot's own, and of what was in use with it */
    struct arena *arena;
    enum config_mode mode;
    const char *directory;
    const char *host_name;
    const char *state_directory;
    const char *scripts_directory;
    const char *keys_directory;
    const char *log_level;
    struct smtp_options smtp;
    struct delivery_options delivery;
    /* forwarding: */
    const char *forwarding_domain; /* normal form; NULL: the recipient's */
    bool has_srs, has_seal;
    uint32_t own_hops_max;
    uint32_t bounces_per_minute;
    struct key_ring *keys;
    struct queue_options queue;
    /* store: */
    uint64_t store_space_bytes;
    uint32_t store_inodes;
    uint64_t activity_ms; /* how long a row is kept */
    struct keep_options keep;
    struct dns_options dns;
    struct auth_options auth;
    uint64_t shutdown_ms;
    /* For the supervisor: */
    uint32_t host_count; /* 0: one per core */
    uint32_t hang_ms;
    uint32_t test_ms;         /* that all tests of one reload may take */
    const char *user, *group; /* NULL: as the supervisor */
    struct tls_certificate *certificates;
    size_t certificate_count;
    struct mailbox *destinations; /* where mail may be forwarded to */
    size_t destination_count;
    bool has_destinations; /* false: anywhere */
    struct http_options http;
    struct http_url_map urls; /* their targets are struct config_worker */
    struct worker_limits worker_limits;
    struct table *workers; /* name -> struct config_worker */
    struct table *queues;  /* name -> struct config_queue: all that are named */
    struct rule_set *rules;
};

/* Reads the directory: pure, so that a reload can do it on another thread. NULL when there were
 * problems. */
struct config *config_load(const char *directory, enum config_mode mode,
                           struct problem_list *problems);
/* Makes the snapshot's workers, on the loop's thread; those whose version is the same in `before` (may be
 * NULL) are taken over from it, isolate and all. A new version of a worker with `canary:` has the one before beside it
 * (rollout.h); `place` may be NULL. */
struct shared_place;
void config_start_workers(struct config *config, const struct config *before,
                          const struct shared_place *place);
struct config *config_keep(struct config *config);
void config_release(struct config *config);
/* Keeps what was read (not rules, keys, workers) beyond the snapshot's life. */
void config_keep_memory(struct config *config);
void config_release_memory(struct config *config);

/* Whether script and modules on disk are still what was read. Blocks. */
bool config_worker_is_on_disk(const struct config *config,
                              const struct config_worker *worker);
/* The worker of this name as the directory describes it, or NULL. */
const struct config_worker *config_worker_described(const struct config *config,
                                                    struct str name);
/* The file of a module: "lib.tickets" is lib/tickets.lua. */
const char *config_module_file(struct str name, struct arena *arena);
/* The same with the scripts folder, below which it is. */
const char *config_module_path(const struct config *config, struct str name,
                               struct arena *arena);
/* May mail be forwarded to this address? */
bool config_is_destination(const struct config *config, const struct mailbox *address);

/* A snapshot of presets alone, without rules: for command line tools. */
struct config *config_new_default(void);
/* The same, with the checks of mail that `postern serve` makes when host.yaml does not say which. */
struct config *config_new_verifying(void);
/* Only where the state folder of this rules directory is, or that of its keys, whatever else may be wrong with it. */
const char *config_state_directory(const char *directory, struct arena *arena);
const char *config_keys_directory(const char *directory, struct arena *arena);

/* Reads one script file under the default limits, for `postern run` and `test`; its modules are in the folder `scripts` (NULL:
 * beside it). */
struct config *config_load_script(const char *path, const char *scripts,
                                  struct problem_list *problems);

/* Every map of host.yaml with its keys, for `postern options`; ended by one without a path. */
extern const struct option_section config_reference[];
