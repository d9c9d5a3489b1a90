/* `cron:` of a worker in host.yaml: one line, or a list of them (worker/cron.h says how they are written).
 *
 *     cron: "0 7 * * 1-5"
 *     cron: ["0 7 * * 1-5", "@monthly"] */
#include "config_internal.h"

#define CRONS_MAX 20

static bool is_there(const struct config_worker *worker, struct str text)
{
    for (size_t i = 0; i < worker->cron_count; i++)
        if (str_equal(worker->crons[i].text, text))
            return true;
    return false;
}

static void read_line(struct config *config, const struct node *node,
                      struct config_worker *worker, struct problem_list *problems)
{
    struct config_cron *line = &worker->crons[worker->cron_count];
    struct err err = {0};
    if (node->kind != NODE_TEXT) {
        node_problem(node, problems, "cron: expected a line such as \"0 7 * * *\"");
        return;
    }
    line->text = arena_str(config->arena, str_trim(node->text));
    if (cron_parse(line->text, &line->cron, &err) < 0)
        node_problem(node, problems, "cron: %s", err.text);
    else if (is_there(worker, line->text))
        node_problem(node, problems, "cron: this line is there twice");
    else
        worker->cron_count++;
}

void config_read_cron(struct config *config, struct node *node,
                      struct config_worker *worker, struct problem_list *problems)
{
    struct node *lines = node_get(node, "cron");
    if (!lines)
        return;
    size_t count = node_item_count(lines);
    if (count == 0 || count > CRONS_MAX) {
        node_problem(lines, problems, "cron: expected 1 to %d lines, not %zu", CRONS_MAX,
                     count);
        return;
    }
    worker->crons = arena_array(config->arena, struct config_cron, count);
    for (size_t i = 0; i < count; i++)
        read_line(config, node_item(lines, i), worker, problems);
    config_needs_handler(worker, WORKER_SCHEDULED);
}
