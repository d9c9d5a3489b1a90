/* Queues between workers: `queues:` of host.yaml, and `consumes:` of a worker. (What a worker sends to, `queues:` of the
 * worker, is a binding: config_bindings.c.)
 *
 *     queues:
 *       jobs: {retention: 4d, messages: 100000}       # only where the presets will not do
 *     workers:
 *       support: {queues: {JOBS: jobs}}
 *       crunch:  {consumes: {jobs: {max_batch_size: 10, max_retries: 3, dead_letter_queue: failed}}} */
#include "config_internal.h"

#include "base/table.h"

#define NAME_BYTES_MAX 128
#define HOUR_MS        (3600ULL * 1000)
#define DAY_MS         (24 * HOUR_MS)

#define ROW(member) offsetof(struct config_queue, member)
static const struct option_row queue_rows[] = {
    {"retention", OPTION_DURATION64, ROW(retention_ms), "4d", 1000, 365 * DAY_MS,
     "a message that nobody has handled is dropped after"},
    {"delivery_delay", OPTION_DURATION64, ROW(delay_ms), "0s", 0, DAY_MS,
     "before a message is handed out, unless its sender says another delay"},
    {"messages", OPTION_COUNT, ROW(messages_max), "1000000", 1, 1000000000,
     "that may wait; past it, send() raises E_QUEUE_FULL"},
    {"size", OPTION_BYTES64, ROW(bytes_max), "1GiB", 1024, 1ULL << 40,
     "of all that wait, in the same way"},
};
#undef ROW
const struct option_table config_queue_options = OPTION_TABLE(queue_rows);

#define ROW(member) offsetof(struct config_consumer, member)
static const struct option_row consumer_rows[] = {
    {"max_batch_size", OPTION_COUNT, ROW(messages_max), "10", 1, 100,
     "messages that the handler gets at once"},
    {"max_batch_timeout", OPTION_DURATION32, ROW(wait_ms), "5s", 0, HOUR_MS,
     "that a message waits for a batch to fill"},
    {"max_retries", OPTION_COUNT, ROW(retries_max), "3", 0, 100,
     "of a message, then it goes to dead_letter_queue"},
    {"retry_delay", OPTION_DURATION64, ROW(retry_delay_ms), "0s", 0, DAY_MS,
     "before a message is tried again, unless retry() says another delay"},
    {"dead_letter_queue", OPTION_TEXT, ROW(dead_letter), NULL, 0, 0,
     "a queue for what is given up; it is dropped when left out"},
    {"max_concurrency", OPTION_COUNT, ROW(batches_max), "10", 1, 250,
     "batches at once, of all hosts together"},
};
#undef ROW
const struct option_table config_consumer_options = OPTION_TABLE(consumer_rows);

static bool is_queue_name(struct str name)
{
    bool is_good = name.length > 0 && name.length <= NAME_BYTES_MAX;
    for (size_t i = 0; i < name.length; i++)
        is_good = is_good && (ascii_alnum(name.at[i]) || name.at[i] == '-' ||
                              name.at[i] == '_' || name.at[i] == '.');
    return is_good;
}

struct config_queue *config_queue_named(struct config *config, const struct node *where,
                                        struct str name, struct problem_list *problems)
{
    struct config_queue *queue = table_get(config->queues, name);
    if (queue)
        return queue;
    if (!is_queue_name(name)) {
        node_problem(
            where, problems,
            "a queue's name has letters, digits, '-', '_' and '.' only, %d at most",
            NAME_BYTES_MAX);
        return NULL;
    }
    queue = arena_new_of(config->arena, struct config_queue);
    *queue = (struct config_queue){.name = arena_str(config->arena, name)};
    options_preset(&config_queue_options, queue);
    table_set(config->queues, queue->name, queue);
    return queue;
}

void config_read_queues(struct config *config, struct node *section,
                        struct problem_list *problems)
{
    if (!section || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        node_problem(section, problems, "queues: expected `name: {retention: 4d}` lines");
        return;
    }
    for (size_t i = 0; i < section->count; i++) {
        struct config_queue *queue =
            config_queue_named(config, section->keys[i], section->keys[i]->text, problems);
        if (queue)
            options_read(&config_queue_options, section->items[i], NULL, queue,
                         config->arena, problems);
    }
}

static void read_dead_letter(struct config *config, const struct node *node,
                             struct config_consumer *consumer,
                             struct problem_list *problems)
{
    const struct config_queue *queue =
        consumer->dead_letter
            ? config_queue_named(config, node, str_of(consumer->dead_letter), problems)
            : NULL;
    consumer->dead_letter_queue = queue;
    if (queue && queue == consumer->queue)
        node_problem(node, problems,
                     "consumes: %.*s: dead_letter_queue is this queue itself",
                     STR_ARG(queue->name));
}

static void read_consumer(struct config *config, const struct node *key, struct node *item,
                          struct config_worker *worker, struct problem_list *problems)
{
    struct config_queue *queue = config_queue_named(config, key, key->text, problems);
    if (!queue)
        return;
    if (queue->consumer) {
        node_problem(key, problems, "consumes: %.*s is consumed by the worker %.*s already",
                     STR_ARG(queue->name), STR_ARG(queue->consumer->worker->options.name));
        return;
    }
    struct config_consumer *consumer = arena_new_of(config->arena, struct config_consumer);
    *consumer = (struct config_consumer){.queue = queue, .worker = worker};
    options_preset(&config_consumer_options, consumer);
    options_read(&config_consumer_options, item, NULL, consumer, config->arena, problems);
    read_dead_letter(config, item, consumer, problems);
    queue->consumer = consumer;
    config_needs_handler(worker, WORKER_QUEUE);
}

void config_read_consumes(struct config *config, struct node *node,
                          struct config_worker *worker, struct problem_list *problems)
{
    struct node *section = node_get(node, "consumes");
    if (!section || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        node_problem(section, problems,
                     "consumes: expected `queue: {max_batch_size: 10}` lines");
        return;
    }
    for (size_t i = 0; i < section->count; i++)
        read_consumer(config, section->keys[i], section->items[i], worker, problems);
}
