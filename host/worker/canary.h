/* Whether a worker's new version, which is given a share of its messages beside the version before it, takes all of
 * them or none.
 *
 *     RUNNING --no worse, `promote` runs or `longest` time on--> PROMOTED
 *        `------worse than the version before by `margin`------> RETURNED
 *
 * Pure: figures and times are given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct canary_options {
    uint32_t
        share_percent; /* of the messages; 0: a new version takes all of them at once */
    uint32_t runs;     /* of the new version, before its error rate says anything */
    uint32_t margin_percent; /* points that its error rate may be above the other's */
    uint32_t promote;        /* runs, after which it takes all */
    uint64_t longest_ms;     /* then it is judged by what there is */
};

enum canary_state { CANARY_RUNNING, CANARY_RETURNED, CANARY_PROMOTED };

struct canary_tally {
    uint64_t runs, failures;
};

/* Since the new version began. */
struct canary_figures {
    struct canary_tally before, canary;
    uint64_t age_ms;
    bool is_paused; /* the new version's circuit is not closed */
};

enum canary_state canary_judge(const struct canary_options *options,
                               const struct canary_figures *figures);

/* Whether the new version gets the message of which `draw` is an evenly spread hash. */
bool canary_takes(const struct canary_options *options, uint64_t draw);

const char *canary_state_name(enum canary_state state); /* "running" … */
