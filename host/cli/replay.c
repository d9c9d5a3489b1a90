/* What new rules and scripts would do, tried on messages that came before (`keep_messages`). Nothing is sent, and nothing is
 * changed: it may be run beside the service, before a new version is put in its place. */
#include "cli/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host.h"

#include "base/loop.h"
#include "cli/cli.h"
#include "cli/open_store.h"
#include "cli/when.h"

#define IDS_MAX       1000
#define LIMIT_UNSAID  100
#define LIMIT_MAX     1000000
#define ROWS_MAX      10000 /* of one message */
#define WEB_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define EXIT_CHANGED  1
#define EXIT_TROUBLE  2

struct request {
    const char *words[IDS_MAX + 1];
    size_t word_count;
    const char *directory, *store_directory;
    const char *all, *since, *until, *from, *to, *rule, *worker, *limit, *fetch, *as_json;
    const char *const *ids;
    size_t id_count;
    struct store_kept_filter kept;
    struct store_activity_filter rows; /* what one of a message's rows must be like */
    size_t limit_count;
    struct arena *arena;
    struct replay_world world;
    struct replay_report report;
};

static int fail(const char *reason)
{
    fprintf(stderr, "postern replay: %s\n", reason);
    return EXIT_TROUBLE;
}

/* --- which messages --- */

static int find_rows(const struct request *request, struct str id, bool is_filtered,
                     struct arena *arena, struct store_activity_row **rows, size_t *count)
{
    struct store_activity_filter filter = {0};
    if (is_filtered)
        filter = request->rows;
    filter.message_id = id;
    filter.limit = ROWS_MAX;
    return store_activity_list(request->world.store, &filter, arena, rows, count);
}

static bool has_row_filter(const struct request *request)
{
    const struct store_activity_filter *rows = &request->rows;
    return rows->from.length || rows->recipient.length || rows->rule.length ||
           rows->worker.length;
}

/* Those with a row that the filter finds, the youngest `limit_count`: kept[0 … *count]. */
static int choose(const struct request *request, struct store_kept *kept, size_t *count)
{
    size_t found = 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i < *count && found < request->limit_count; i++) {
        struct arena *arena = arena_new();
        struct store_activity_row *rows = NULL;
        size_t row_count = 1;
        if (has_row_filter(request))
            result = find_rows(request, kept[i].id, true, arena, &rows, &row_count);
        if (row_count)
            kept[found++] = kept[i];
        arena_free(arena);
    }
    *count = found;
    return result;
}

static int find_kept(const struct request *request, struct store_kept **kept, size_t *count)
{
    int result =
        store_kept_list(request->world.store, &request->kept, request->arena, kept, count);
    return result < 0 ? result : choose(request, *kept, count);
}

static int name_kept(const struct request *request, struct store_kept **kept, size_t *count)
{
    *count = request->id_count;
    *kept = arena_array(request->arena, struct store_kept, *count);
    for (size_t i = 0; i < *count; i++) /* the first is tried last */
        (*kept)[*count - 1 - i].id = str_of(request->ids[i]);
    return 0;
}

/* --- one of them --- */

static bool is_asked_for(const struct request *request,
                         const struct replay_outcome *outcome)
{
    return request->rows.recipient.length == 0 ||
           str_equal(request->rows.recipient, outcome->recipient);
}

/* What the store has of a message. */
struct found {
    struct store_kept stored;
    struct store_activity_row *rows;
    size_t row_count;
};

static int find_message(const struct request *request, struct str id, struct arena *arena,
                        struct found *found, struct err *err)
{
    int result = store_kept_read(request->world.store, id, arena, &found->stored);
    if (result == -ENOENT)
        return err_set(err, result, "it is not kept");
    if (result == -EBADMSG)
        return err_set(err, result, "it is not as it was kept");
    if (result == 0)
        result = find_rows(request, id, false, arena, &found->rows, &found->row_count);
    return result < 0 ? err_set(err, result, "the store: %s", strerror(-result)) : 0;
}

static void print_outcomes(struct request *request, const struct replay *replay)
{
    for (size_t i = 0; i < replay->kept.recipient_count; i++)
        if (is_asked_for(request, &replay->outcomes[i]))
            replay_print(&request->report, replay, &replay->outcomes[i]);
}

/* What is wrong with one message does not keep others from being tried. */
static int try_message(struct request *request, struct str id)
{
    struct arena *arena = arena_new();
    struct found found = {0};
    struct replay replay = {0};
    struct err err = {0};
    request->report.message_count++;
    int result = find_message(request, id, arena, &found, &err);
    if (result == 0)
        result = replay_run(&request->world, &found.stored, found.rows, found.row_count,
                            &replay, &err);
    if (result == 0)
        print_outcomes(request, &replay);
    else
        replay_print_failure(&request->report, id, err.text);
    replay_free(&replay);
    arena_free(arena);
    return result;
}

/* The oldest first. */
static int try_all(struct request *request)
{
    struct store_kept *kept;
    size_t count;
    int result = request->id_count ? name_kept(request, &kept, &count)
                                   : find_kept(request, &kept, &count);
    if (result < 0)
        return fail(strerror(-result));
    for (size_t i = count; i > 0; i--) {
        int tried = try_message(request, kept[i - 1].id);
        if (tried < 0)
            result = tried;
    }
    replay_print_totals(&request->report);
    if (result < 0)
        return EXIT_TROUBLE;
    return request->report.counts[REPLAY_CHANGED] ? EXIT_CHANGED : EXIT_SUCCESS;
}

/* --- the world --- */

static int run(void *arg)
{
    struct request *request = arg;
    struct err err = {0};
    struct store *store =
        cli_open_store("postern replay", request->store_directory, request->arena, &err);
    if (!store)
        return fail(err.text);
    status_log_level(STR("off"));
    request->world.store = store;
    int exit_code = try_all(request);
    worker_stop_all();
    store_close(store);
    return exit_code;
}

static json_t *read_web(const struct request *request, struct err *err)
{
    struct str text;
    json_error_t error;
    if (!request->fetch)
        return json_object();
    if (cli_read_file(request->fetch, WEB_BYTES_MAX, request->arena, &text, err) < 0)
        return NULL;
    json_t *web = json_loadb(text.at, text.length, 0, &error);
    if (!web)
        err_set(err, -EINVAL, "%s:%d: %s", request->fetch, error.line, error.text);
    return web;
}

static int load_and_run(struct request *request)
{
    struct problem_list problems;
    struct err err = {0};
    int exit_code = EXIT_TROUBLE;
    json_t *web = read_web(request, &err);
    if (!web)
        return fail(err.text);
    problem_list_open(&problems);
    request->world.web = web;
    request->world.config = config_load(request->directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    if (request->world.config)
        exit_code = loop_run_task("replay", run, request);
    config_release(request->world.config);
    problem_list_close(&problems);
    json_decref(web);
    return exit_code;
}

/* --- what it is asked --- */

static bool is_directory(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 && S_ISDIR(file.st_mode);
}

static bool is_id(const char *word)
{
    size_t length = strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz");
    return length && length <= 64 && !word[length];
}

static bool read_address(const struct request *request, const char *text,
                         struct str *address)
{
    struct mailbox mailbox;
    if (text && mailbox_parse(str_of(text), request->arena, &mailbox) < 0)
        return false;
    *address = text ? mailbox.text : STR("");
    return true;
}

static bool read_limit(struct request *request)
{
    unsigned long long limit = request->all ? SIZE_MAX / 2 : LIMIT_UNSAID;
    if (request->limit &&
        (!str_to_number(str_of(request->limit), &limit) || limit < 1 || limit > LIMIT_MAX))
        return false;
    request->limit_count = (size_t)limit;
    request->kept.limit = has_row_filter(request) ? SIZE_MAX / 2 : request->limit_count;
    return true;
}

/* [DIR] [ID…] */
static const char *read_words(struct request *request)
{
    size_t first = 0;
    request->directory = CLI_DIRECTORY;
    if (request->word_count && is_directory(request->words[0]))
        request->directory = request->words[first++];
    request->ids = request->words + first;
    request->id_count = request->word_count - first;
    for (size_t i = 0; i < request->id_count; i++)
        if (!is_id(request->ids[i]))
            return "after DIR there are only IDs of messages (postern log)";
    if (!request->store_directory)
        request->store_directory = request->directory;
    return NULL;
}

/* What is wrong with the question, or NULL. */
static const char *read_question(struct request *request)
{
    uint64_t now_ms = unix_now_ms();
    const char *wrong = read_words(request);
    if (wrong)
        return wrong;
    if (!read_address(request, request->to, &request->rows.recipient))
        return "--to is not an address";
    if (!read_address(request, request->from, &request->rows.from))
        return "--from is not an address";
    if (request->since && !when_read_past(request->since, now_ms, &request->kept.since_ms))
        return "--since takes 90s, 5m, 2h, 7d, or a time as 2026-11-22T10:00:00Z";
    if (request->until && !when_read_past(request->until, now_ms, &request->kept.until_ms))
        return "--until takes 90s, 5m, 2h, 7d, or a time as 2026-11-22T10:00:00Z";
    request->rows.rule = str_of(request->rule ? request->rule : "");
    request->rows.worker = str_of(request->worker ? request->worker : "");
    if (request->all && request->limit)
        return "--all does not go with --limit";
    if (!read_limit(request))
        return "--limit is a number from 1 to 1000000";
    request->report.is_json = request->as_json != NULL;
    return NULL;
}

static void print_more_help(void)
{
    puts("\nMessages are kept when host.yaml says so: keep_messages: {for: 7d}. Each is "
         "tried "
         "on its\nown: with what was verified when it came, next hops that say what they "
         "said "
         "then, KV as\nit is now (changes are thrown away), and limiters that are full. "
         "Nothing is sent, queued\nor written. A worker that fetches is answered from "
         "--fetch, "
         "as in tests:\n  {\"BINDING\": {\"POST https://api.test/\": {\"status\": 200, "
         "\"body\": \"{}\"}}}\nand its message counts as not replayed when nobody answers."
         "\n\nCompared are rule, action, worker and its outcome, what is sent to whom, and "
         "what "
         "the\nsender is told."
         "\n\nExit code: 0 all is the same, 1 something has changed, 2 a mistake, rules "
         "that do "
         "not\nload, or messages that cannot be read.");
}

int cli_replay(const struct cli_command *command, int argc, char **argv)
{
    struct request request = {0};
    const struct cli_flag flags[] = {
        {"--all", NULL, "all that are kept: else the last 100", &request.all},
        {"--since", "2h|TIME", "that came within the last 2h, or since this time",
         &request.since},
        {"--until", "2h|TIME", "that came before", &request.until},
        {"--from", "ADDRESS", "with this sender, exactly as said in MAIL", &request.from},
        {"--to", "ADDRESS", "for this recipient, exactly as said in RCPT", &request.to},
        {"--rule", "NAME", "that this rule matched", &request.rule},
        {"--worker", "NAME", "that this worker got", &request.worker},
        {"--limit", "COUNT", "the last so many", &request.limit},
        {"--fetch", "FILE", "what scripts are answered that fetch", &request.fetch},
        {"--store", "DIR", "the rules directory whose messages they are, if not DIR",
         &request.store_directory},
        {"--json", NULL, "a line of JSON for each", &request.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = request.words,
                                      .positional_max = IDS_MAX + 1,
                                      .more_help = print_more_help};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    request.word_count = arguments.positional_count;
    request.arena = arena_new();
    const char *wrong = read_question(&request);
    exit_code = EXIT_TROUBLE;
    if (wrong)
        fprintf(stderr, "postern replay: %s\nusage: postern %s %s\n", wrong, command->name,
                command->usage);
    else
        exit_code = load_and_run(&request);
    arena_free(request.arena);
    return exit_code;
}
