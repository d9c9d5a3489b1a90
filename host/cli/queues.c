/* The queues between workers, by hand. It opens the store itself, so it works whether or not the service runs. What a
 * worker has in a batch just now is not touched. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/open_store.h"
#include "cli/printable.h"
#include "cli/value_json.h"
#include "cli/when.h"
#include "store/worker_queue.h"

#define LIST_PIECE     200
#define BODY_SHOWN_MAX 200
#define EXIT_MISTAKE   2

struct request;

struct verb {
    const char *name;
    bool has_name;
    int (*run)(const struct request *request);
};

struct request {
    const struct verb *verb;
    const char *directory, *queue, *as_json;
    struct arena *arena;
    struct store *store;
};

static int fail(const struct request *request, const char *reason)
{
    fprintf(stderr, "postern queues %s: %s\n", request->verb->name, reason);
    return EXIT_FAILURE;
}

/* --- list --- */

static json_t *json_queue(const struct store_worker_queue *queue)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "name", cli_json_bytes(queue->name),
                     "messages", (json_int_t)queue->messages, "in_batch",
                     (json_int_t)queue->held, "dead", (json_int_t)queue->dead, "bytes",
                     (json_int_t)queue->bytes, "oldest_ms", (json_int_t)queue->oldest_ms);
}

static void print_queue(const struct store_worker_queue *queue, struct arena *arena)
{
    char oldest[WHEN_BYTES];
    printf("%-24s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %12" PRIu64 "  %s\n",
           printable(queue->name, arena), queue->messages, queue->held, queue->dead,
           queue->bytes, queue->oldest_ms ? when_text(queue->oldest_ms, oldest) : "-");
}

static int list(const struct request *request)
{
    struct store_worker_queue *queues;
    size_t count;
    int result = store_worker_queue_list(request->store, request->arena, &queues, &count);
    if (result < 0)
        return fail(request, strerror(-result));
    if (request->as_json) {
        json_t *all = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(all, json_queue(&queues[i]));
        cli_json_print(json_pack("{s:o}", "queues", all));
        return EXIT_SUCCESS;
    }
    printf("%-24s %9s %9s %9s %12s  %s\n", "queue", "messages", "in batch", "dead", "bytes",
           "oldest");
    for (size_t i = 0; i < count; i++)
        print_queue(&queues[i], request->arena);
    return EXIT_SUCCESS;
}

/* --- show --- */

static json_t *json_message(const struct store_worker_message *message)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:b, s:o, s:I, s:o}", "id",
                     cli_json_bytes(message->id), "sent_ms", (json_int_t)message->sent_ms,
                     "due_ms", (json_int_t)message->due_ms, "attempts",
                     (json_int_t)message->attempts, "in_batch", message->is_held, "from",
                     cli_json_bytes(message->origin), "bytes", (json_int_t)message->bytes,
                     "body", cli_json_of_value_bytes(message->body));
}

static void print_message(const struct store_worker_message *message, struct arena *arena)
{
    char sent[WHEN_BYTES], due[WHEN_BYTES];
    json_t *body = cli_json_of_value_bytes(message->body);
    char *text = json_dumps(body, JSON_ENCODE_ANY);
    printf("%s  sent %s, %s %s, %u attempts", printable(message->id, arena),
           when_text(message->sent_ms, sent),
           message->is_held ? "in a batch, was due" : "due",
           when_text(message->due_ms, due), message->attempts);
    if (message->origin.length)
        printf(", given up by %s", printable(message->origin, arena));
    printf("\n    %s\n", printable_cut(str_of(text), BODY_SHOWN_MAX, arena));
    free(text);
    json_decref(body);
}

/* In pieces, so that a long queue begins to show at once. */
static int show_all(const struct request *request, json_t *all, size_t *shown)
{
    struct store_worker_listing listing = {
        .queue = str_of(request->queue), .limit = LIST_PIECE, .with_bodies = true};
    do {
        struct arena *arena = arena_new();
        int result = store_worker_queue_messages(request->store, &listing, arena);
        for (size_t i = 0; result == 0 && i < listing.count; i++) {
            if (all)
                json_array_append_new(all, json_message(&listing.messages[i]));
            else
                print_message(&listing.messages[i], arena);
            listing.after = listing.messages[i].number;
        }
        arena_free(arena);
        if (result < 0)
            return result;
        *shown += listing.count;
    } while (listing.count == listing.limit);
    return 0;
}

static int show(const struct request *request)
{
    json_t *all = request->as_json ? json_array() : NULL;
    size_t shown = 0;
    int result = show_all(request, all, &shown);
    if (result == 0 && all)
        cli_json_print(json_pack("{s:O}", "messages", all));
    json_decref(all);
    if (result < 0)
        return fail(request, strerror(-result));
    return shown ? EXIT_SUCCESS : fail(request, "there are no messages in it");
}

/* --- purge --- */

static int purge(const struct request *request)
{
    uint64_t count;
    int result = store_worker_queue_purge(request->store, str_of(request->queue), &count);
    if (result < 0)
        return fail(request, strerror(-result));
    printf("%" PRIu64 " message%s removed\n", count, count == 1 ? "" : "s");
    return EXIT_SUCCESS;
}

/* --- what it is asked --- */

static const struct verb verbs[] = {
    {"list", false, list}, {"show", true, show}, {"purge", true, purge}};

static int run(void *arg)
{
    struct request *request = arg;
    struct err err = {0};
    request->store =
        cli_open_store("postern queues", request->directory, request->arena, &err);
    if (!request->store)
        return fail(request, err.text);
    int exit_code = request->verb->run(request);
    store_close(request->store);
    return exit_code;
}

/* What is wrong with the words, or NULL. */
static const char *read_words(struct request *request, const char *const words[],
                              size_t count)
{
    for (size_t i = 0; count && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, words[0]) == 0)
            request->verb = &verbs[i];
    if (!request->verb)
        return "list, show or purge?";
    size_t at = 1;
    if (request->verb->has_name)
        request->queue = at < count ? words[at++] : NULL;
    if (request->verb->has_name && !request->queue)
        return "which queue?";
    if (at < count)
        request->directory = words[at++];
    if (request->as_json && request->verb->run == purge)
        return "--json goes with list and show";
    return at < count ? "there is a word too many" : NULL;
}

int cli_queues(const struct cli_command *command, int argc, char **argv)
{
    const char *words[3] = {NULL};
    struct request request = {.directory = CLI_DIRECTORY};
    const struct cli_flag flags[] = {
        {"--json", NULL, "with list and show: print JSON", &request.as_json}};
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 1, .positional = words, .positional_max = 3};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    const char *wrong = read_words(&request, words, arguments.positional_count);
    if (wrong) {
        fprintf(stderr, "postern queues: %s\nusage: postern %s %s\n", wrong, command->name,
                command->usage);
        return EXIT_MISTAKE;
    }
    request.arena = arena_new();
    exit_code = loop_run_task("queues", run, &request);
    arena_free(request.arena);
    return exit_code;
}
