#include "canary.h"

/* In whole numbers: f/r - F/R > margin/100, where a version without runs has not failed. */
static bool is_worse(const struct canary_options *options,
                     const struct canary_figures *figures)
{
    const struct canary_tally *canary = &figures->canary;
    uint64_t runs_before = figures->before.runs ? figures->before.runs : 1;
    uint64_t rate = 100 * canary->failures * runs_before;
    uint64_t rate_before = 100 * figures->before.failures * canary->runs;
    return rate > rate_before + options->margin_percent * canary->runs * runs_before;
}

enum canary_state canary_judge(const struct canary_options *options,
                               const struct canary_figures *figures)
{
    const bool is_over = figures->age_ms >= options->longest_ms;
    if (figures->is_paused)
        return CANARY_RETURNED;
    if ((is_over || figures->canary.runs >= options->runs) && is_worse(options, figures))
        return CANARY_RETURNED;
    return is_over || figures->canary.runs >= options->promote ? CANARY_PROMOTED
                                                               : CANARY_RUNNING;
}

bool canary_takes(const struct canary_options *options, uint64_t draw)
{
    return draw % 100 < options->share_percent;
}

const char *canary_state_name(enum canary_state state)
{
    static const char *const names[] = {"running", "returned", "promoted"};
    return names[state];
}
