/* Whether a worker that keeps failing is given messages.
 *
 *     CLOSED --over half of the last runs failed--> OPEN --the pause is over, one run is admitted--> TRIAL
 *        ^                                           ^ `<------the trial failed------------------------'|
 *        `-------------------------------------------+----------the trial went well--------------------'
 *
 * Runs that began before it opened say nothing more: only the trial does. Pure: times are given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of runs remembered: 2 × failures at most. */
#define CIRCUIT_FAILURES_MAX 32

struct circuit_options {
    uint32_t
        failures; /* opens when so many runs have been seen, and over half of the last 2 × failures failed;
                          0: never */
    uint32_t pause_ms; /* no run is begun for so long */
};

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_TRIAL };

struct circuit {
    struct circuit_options options;
    enum circuit_state state;
    uint64_t
        failed; /* a bit for each of the last runs: 1 is a failure, the lowest bit the last run */
    uint32_t seen_count; /* of these bits */
    uint64_t opened_at_ms;
};

/* Whether a run may begin; what it was told it says again at its end. */
enum circuit_admission { CIRCUIT_REFUSED, CIRCUIT_ADMITTED, CIRCUIT_ADMITTED_AS_TRIAL };
enum circuit_admission circuit_admit(struct circuit *circuit, uint64_t now_ms);

enum circuit_end { RUN_WENT_WELL, RUN_FAILED, RUN_UNDECIDED /* its caller has gone */ };
enum circuit_change { CIRCUIT_UNCHANGED, CIRCUIT_HAS_OPENED, CIRCUIT_HAS_CLOSED };
/* An admitted run has ended. */
enum circuit_change circuit_note(struct circuit *circuit, enum circuit_admission admission,
                                 enum circuit_end end, uint64_t now_ms);

const char *circuit_state_name(enum circuit_state state); /* "closed" … */
