#include "circuit.h"

#include "base/mem.h"

enum circuit_admission circuit_admit(struct circuit *circuit, uint64_t now_ms)
{
    switch (circuit->state) {
    case CIRCUIT_CLOSED:
        return CIRCUIT_ADMITTED;
    case CIRCUIT_OPEN:
        if (now_ms < circuit->opened_at_ms + circuit->options.pause_ms)
            return CIRCUIT_REFUSED;
        circuit->state = CIRCUIT_TRIAL;
        return CIRCUIT_ADMITTED_AS_TRIAL;
    case CIRCUIT_TRIAL:
        break;
    }
    return CIRCUIT_REFUSED;
}

static enum circuit_change open_circuit(struct circuit *circuit, uint64_t now_ms)
{
    circuit->state = CIRCUIT_OPEN;
    circuit->opened_at_ms = now_ms;
    return CIRCUIT_HAS_OPENED;
}

static enum circuit_change close_circuit(struct circuit *circuit)
{
    circuit->state = CIRCUIT_CLOSED;
    circuit->failed = 0;
    circuit->seen_count = 0;
    return CIRCUIT_HAS_CLOSED;
}

static enum circuit_change note_trial(struct circuit *circuit, enum circuit_end end,
                                      uint64_t now_ms)
{
    invariant(circuit->state == CIRCUIT_TRIAL, "circuit: a trial ends that never began");
    switch (end) {
    case RUN_WENT_WELL:
        return close_circuit(circuit);
    case RUN_FAILED:
        return open_circuit(circuit, now_ms);
    case RUN_UNDECIDED: /* the pause is still over: the next run is the trial */
        circuit->state = CIRCUIT_OPEN;
        break;
    }
    return CIRCUIT_UNCHANGED;
}

static void remember(struct circuit *circuit, bool has_failed)
{
    const uint32_t window = 2 * circuit->options.failures;
    uint64_t mask = window < 64 ? (1ULL << window) - 1 : UINT64_MAX;
    circuit->failed = (circuit->failed << 1 | has_failed) & mask;
    if (circuit->seen_count < window)
        circuit->seen_count++;
}

enum circuit_change circuit_note(struct circuit *circuit, enum circuit_admission admission,
                                 enum circuit_end end, uint64_t now_ms)
{
    invariant(circuit->options.failures <= CIRCUIT_FAILURES_MAX,
              "circuit: more runs than are remembered");
    if (admission == CIRCUIT_ADMITTED_AS_TRIAL)
        return note_trial(circuit, end, now_ms);
    if (circuit->state != CIRCUIT_CLOSED || end == RUN_UNDECIDED ||
        circuit->options.failures == 0)
        return CIRCUIT_UNCHANGED;
    remember(circuit, end == RUN_FAILED);
    unsigned failed_count = (unsigned)__builtin_popcountll(circuit->failed);
    if (end != RUN_FAILED || circuit->seen_count < circuit->options.failures ||
        2 * failed_count <= circuit->seen_count)
        return CIRCUIT_UNCHANGED;
    return open_circuit(circuit, now_ms);
}

const char *circuit_state_name(enum circuit_state state)
{
    static const char *const names[] = {"closed", "open", "trial"};
    return names[state];
}
