/* How a new version of a worker comes into use: `canary:` and `tests:` of a worker in host.yaml.
 *
 *     canary: 10%          # or off, or {share: 10%, runs: 20, margin: 5%, promote: 100, longest: 1d}
 *     tests: before_reload # or off */
#include "config_internal.h"

#define HOUR_MS (3600ULL * 1000)

#define ROW(member) offsetof(struct canary_options, member)
static const struct option_row canary_rows[] = {
    {"share", OPTION_PERCENT, ROW(share_percent), NULL, 1, 100,
     "of the messages go to a new version, the rest to the one before (`canary: 10%`); off "
     "when left out"},
    {"runs", OPTION_COUNT, ROW(runs), "20", 1, 100000,
     "of the new version, before its error rate says anything"},
    {"margin", OPTION_PERCENT, ROW(margin_percent), "5%", 0, 100,
     "points; a new version whose error rate is worse by more gets no more messages"},
    {"promote", OPTION_COUNT, ROW(promote), "100", 1, 1000000,
     "runs of a new version that is no worse, then it gets all messages"},
    {"longest", OPTION_DURATION64, ROW(longest_ms), "1d", 10, 30 * 24 * HOUR_MS,
     "then the new version is judged by the runs that it has had"},
};
#undef ROW
const struct option_table config_canary_options = OPTION_TABLE(canary_rows);

static void read_canary(struct config *config, struct node *node,
                        struct canary_options *canary, struct problem_list *problems)
{
    unsigned long long share;
    if (node->kind == NODE_TEXT && str_equal(node->text, STR("off")))
        return;
    if (node->kind != NODE_MAP) {
        if (node_to_percent(node, 1, 100, problems, &share))
            canary->share_percent = (uint32_t)share;
        return;
    }
    options_read(&config_canary_options, node, NULL, canary, config->arena, problems);
    if (!node_get(node, "share"))
        node_problem(node, problems, "canary: there is no `share:`, such as share: 10%%");
    if (canary->promote < canary->runs)
        node_problem(node, problems,
                     "canary: promote: %u runs are too few when `runs:` is %u",
                     canary->promote, canary->runs);
}

void config_read_rollout(struct config *config, struct node *node,
                         struct config_worker *worker, struct problem_list *problems)
{
    static const struct option_choice tests[] = {
        {"before_reload", true}, {"off", false}, {NULL, 0}};
    struct node *canary = node_get(node, "canary");
    if (canary)
        read_canary(config, canary, &worker->canary, problems);
    worker->is_tested = options_choice(node_get(node, "tests"), tests, true, problems) != 0;
}
