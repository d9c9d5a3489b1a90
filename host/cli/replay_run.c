/* The message goes the way of route.c as it did when it came, from RCPT to the reply, but that nothing is at its ends: what
 * was verified is what was found out then; next hops say what they said then; clocks show that time; KV is seen but not
 * changed; limiters are full; nothing is queued, and nobody on the web is asked. */
#include <stdlib.h>

#include "binding.h"
#include "route.h"

#include "base/table.h"
#include "base/task.h"
#include "cli/replay.h"
#include "cli/run_trial.h"
#include "store/kv.h"

#define POLL_MS 5

struct walk {
    struct replay *replay;
    struct router router;
    struct smtp_transaction transaction;
    struct trial_upstream *upstreams;
    size_t upstream_count;
    struct trial_web web;
};

/* --- next hops --- */

static bool read_upstream(const struct store_attempt *attempt, struct arena *arena,
                          struct trial_upstream *upstream)
{
    const char *line = arena_printf(arena, "%.*s\r\n", STR_ARG(attempt->reply));
    *upstream = (struct trial_upstream){.is_ours = attempt->peer.length == 0};
    return mailbox_parse(attempt->destination, arena, &upstream->address) == 0 &&
           reply_parse(str_of(line), &upstream->reply) > 0;
}

/* The first attempt at a destination is the one that the message was decided by. */
static void read_upstreams(struct walk *walk, const struct store_activity_row rows[],
                           size_t row_count)
{
    struct arena *arena = walk->replay->kept.message->arena;
    size_t most = 0;
    for (size_t i = 0; i < row_count; i++)
        most += rows[i].attempt_count;
    walk->upstreams = arena_array(arena, struct trial_upstream, most);
    for (size_t i = 0; i < row_count; i++)
        for (size_t k = 0; k < rows[i].attempt_count; k++)
            walk->upstream_count += read_upstream(&rows[i].attempts[k], arena,
                                                  &walk->upstreams[walk->upstream_count]);
}

static void capture(void *arg, const struct delivery_request *request, struct arena *arena,
                    struct delivery_result *result)
{
    const struct walk *walk = arg;
    (void)arena;
    trial_upstream_answer(walk->upstreams, walk->upstream_count, request, result);
}

/* Nobody gets what is sent to a queue. */
static void ignore_sent(void *arg, const struct binding *binding,
                        const struct store_worker_send *sent)
{
    (void)arg;
    (void)binding;
    (void)sent;
}

/* --- workers --- */

/* Whether it may look at a clock: os.time, os.date and time.now have no other names. */
static bool may_read_clock(const struct worker_options *options)
{
    bool may = false;
    for (size_t i = 0; i <= options->module_count && !may; i++) {
        struct str text =
            i < options->module_count ? options->modules[i].source : options->source;
        may = str_find(text, STR("time")) >= 0 || str_find(text, STR("date")) >= 0;
    }
    return may;
}

/* With a clock that stands at the message's time: those that look at it are made anew, which takes some milliseconds. Each
 * message is tried, whatever became of those before. */
static void make_workers(const struct config *config, const struct message *message)
{
    uint64_t now_s = message->received_at / 1000;
    size_t at = 0;
    struct str name;
    void *found;
    while (table_next(config->workers, &at, &name, &found)) {
        struct config_worker *worker = found;
        struct worker_options options = worker->options;
        if (worker->worker && !may_read_clock(&options))
            continue;
        options.circuit.failures = 0;
        trial_set_clock(&options, (double)now_s, message->arena);
        worker_release(worker->worker);
        worker->worker = worker_new(&options);
    }
}

/* --- the way --- */

static struct replay_outcome *outcome_of(const struct replay *replay, struct str recipient)
{
    for (size_t i = 0; i < replay->kept.recipient_count; i++)
        if (str_equal(replay->outcomes[i].recipient, recipient))
            return &replay->outcomes[i];
    return NULL;
}

/* Those that are taken; of others the reply to RCPT is all there is. */
static void name_recipients(struct walk *walk, const struct smtp_handler *handler)
{
    struct replay *replay = walk->replay;
    struct smtp_transaction *transaction = &walk->transaction;
    struct arena *arena = transaction->message->arena;
    size_t count = replay->kept.recipient_count;
    transaction->recipients = arena_array(arena, struct smtp_recipient, count);
    for (size_t i = 0; i < count; i++) {
        struct smtp_recipient recipient = {.mailbox = replay->kept.recipients[i]};
        struct reply reply = handler->recipient(handler->arg, transaction, &recipient);
        if (reply_is_ok(&reply))
            transaction->recipients[transaction->recipient_count++] = recipient;
        else
            replay->outcomes[i].after.reply = reply_line(&reply, arena);
    }
}

static void take_outcomes(struct walk *walk, const struct reply *answer)
{
    const struct passage *passage = walk->transaction.handler_state;
    for (size_t i = 0; i < passage->outcome_count; i++) {
        const struct outcome *outcome = &passage->outcomes[i];
        struct replay_outcome *taken =
            outcome_of(walk->replay, outcome->recipient->mailbox.text);
        if (!taken)
            continue;
        taken->after = route_activity(passage, outcome, answer);
        taken->error = outcome->worker_error;
        taken->is_unsure = walk->web.unanswered_count && outcome->worker.length;
    }
}

static void go(struct walk *walk)
{
    const struct smtp_handler handler = route_handler(&walk->router);
    struct smtp_transaction *transaction = &walk->transaction;
    handler.begin(handler.arg, transaction);
    struct passage *passage = transaction->handler_state;
    passage->verdict = walk->replay->kept.verdict;
    passage->is_verdict_given = passage->verdict != NULL;
    name_recipients(walk, &handler);
    if (transaction->recipient_count) {
        struct reply answer = handler.message(handler.arg, transaction);
        take_outcomes(walk, &answer);
    }
    while (passage->references > 1) /* waitUntil functions */
        task_sleep(POLL_MS);
    handler.end(handler.arg, transaction);
}

static void open_outcomes(struct replay *replay, const struct store_activity_row rows[],
                          size_t row_count)
{
    const struct kept_message *kept = &replay->kept;
    replay->outcomes =
        arena_array(kept->message->arena, struct replay_outcome, kept->recipient_count);
    for (size_t i = 0; i < kept->recipient_count; i++) {
        struct replay_outcome *outcome = &replay->outcomes[i];
        outcome->recipient = kept->recipients[i].text;
        for (size_t k = 0; k < row_count; k++)
            if (str_equal(rows[k].activity.recipient, outcome->recipient))
                outcome->before = &rows[k].activity;
    }
}

int replay_run(const struct replay_world *world, const struct store_kept *stored,
               const struct store_activity_row rows[], size_t row_count,
               struct replay *replay, struct err *err)
{
    struct walk walk = {.replay = replay, .web = {world->web, json_array(), 0}};
    int result = kept_message_read(stored, &replay->kept, err);
    if (result == 0) {
        open_outcomes(replay, rows, row_count);
        read_upstreams(&walk, rows, row_count);
        walk.router = (struct router){
            .config = world->config,
            .delivery = delivery_open_capture(capture, &walk),
            .bindings = bindings_open(1),
            .is_reply_unchecked = replay->kept.is_reply_unchecked,
            .is_trial = true,
        };
        /* PRDR: how many may be named at once does not matter here. */
        walk.transaction =
            (struct smtp_transaction){.message = replay->kept.message, .wants_prdr = true};
        bindings_show_kv(walk.router.bindings, store_kv_of(world->store));
        bindings_set_fetch(walk.router.bindings, trial_fetch, &walk.web);
        bindings_set_sent(walk.router.bindings, ignore_sent, NULL);
        bindings_set_now(walk.router.bindings, replay->kept.message->received_at);
        make_workers(world->config, replay->kept.message);
        go(&walk);
        bindings_close(walk.router.bindings);
        delivery_close(walk.router.delivery);
    }
    json_decref(walk.web.fetches);
    return result;
}

void replay_free(struct replay *replay)
{
    message_release(replay->kept.message);
}
