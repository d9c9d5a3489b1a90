/* The queue by hand. It opens the store itself, so it works whether or not the service runs; hosts that run see a
 * change within seconds. What a host is sending just now is not touched. */
#include "cli/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "base/loop.h"
#include "cli/cli.h"
#include "cli/open_store.h"
#include "mail/domain.h"
#include "mail/mailbox.h"
#include "mail/message.h"

#define IDS_MAX        100
#define LIST_PIECE     1000
#define WORDS_MAX      (IDS_MAX + 2) /* DIR, verb, IDs */
#define RECIPIENTS_MAX 100000        /* of one message */

struct request;

/* `see` or `change`. */
struct verb {
    const char *name;
    int (*see)(const struct request *request);
    int (*change)(struct store *store, const struct store_filter *filter, uint64_t *count);
    const char *done;
};

struct request {
    const struct verb *verb;
    const char *directory;
    const char *ids[WORDS_MAX];
    size_t id_count;
    const char *to, *from, *state, *all, *as_json, *content;
    struct arena *arena;
    struct store_filter filter;
    struct store *store;
};

static int fail(const struct request *request, const char *reason)
{
    fprintf(stderr, "postern queue %s: %s\n", request->verb->name, reason);
    return EXIT_FAILURE;
}

/* --- seen --- */

static int failed_read(const struct request *request, int result)
{
    return fail(request, strerror(-result));
}

/* In pieces, so that a long queue begins to show at once. */
static int print_rows(const struct request *request, struct store_filter filter)
{
    struct store_leg *legs;
    size_t count = 0;
    do {
        struct arena *arena = arena_new();
        int result = store_queue_list(request->store, &filter, arena, &legs, &count);
        for (size_t i = 0; result == 0 && i < count; i++) {
            if (filter.offset == 0 && i == 0)
                cli_queue_print_list_head();
            cli_queue_print_list_row(&legs[i]);
        }
        arena_free(arena);
        if (result < 0)
            return result;
        filter.offset += count;
    } while (count == filter.limit);
    return 0;
}

static int list_as_json(const struct request *request, const struct store_queue_sum *sum)
{
    struct store_filter filter = request->filter;
    struct store_leg *legs = NULL;
    size_t count = 0;
    filter.limit = SIZE_MAX / 2;
    int result = store_queue_list(request->store, &filter, request->arena, &legs, &count);
    if (result == 0)
        cli_queue_print_list_json(legs, count, sum);
    return result;
}

static int list(const struct request *request)
{
    struct store_queue_sum sum;
    int result = store_queue_summary(request->store, unix_now_ms(), &sum);
    if (result == 0 && request->as_json) {
        result = list_as_json(request, &sum);
    } else if (result == 0) {
        struct store_filter filter = request->filter;
        filter.limit = LIST_PIECE;
        result = print_rows(request, filter);
        if (result == 0)
            cli_queue_print_sum(&sum);
    }
    return result < 0 ? failed_read(request, result) : EXIT_SUCCESS;
}

static int show(const struct request *request)
{
    struct store_filter filter = request->filter;
    struct store_leg *legs;
    struct store_message message = {0};
    size_t count;
    filter.limit = RECIPIENTS_MAX;
    int result = store_queue_list(request->store, &filter, request->arena, &legs, &count);
    if (result == 0 && count == 0)
        return fail(request, "there is no such message in the queue");
    if (result == 0)
        result =
            store_queue_read(request->store, filter.message_id, request->arena, &message);
    if (result < 0 && (result != -EBADMSG || request->content))
        return failed_read(request, result);
    const struct store_message *whole = result == 0 ? &message : NULL;
    if (request->content)
        for (size_t i = 0; i < message.part_count; i++)
            fwrite(message.parts[i].at, 1, message.parts[i].length, stdout);
    else if (request->as_json)
        cli_queue_print_message_json(whole, legs, count);
    else
        cli_queue_print_message(whole, legs, count);
    return EXIT_SUCCESS;
}

/* --- done --- */

static int make_due(struct store *store, const struct store_filter *filter, uint64_t *count)
{
    return store_queue_make_due(store, filter, unix_now_ms(), count);
}

static int release(struct store *store, const struct store_filter *filter, uint64_t *count)
{
    return store_queue_release(store, filter, unix_now_ms(), count);
}

static const struct verb verbs[] = {
    {"list", list, NULL, NULL},
    {"show", show, NULL, NULL},
    {"retry", NULL, make_due, "due now"},
    {"hold", NULL, store_queue_hold, "held"},
    {"release", NULL, release, "released"},
    {"drop", NULL, store_queue_drop, "dropped without a notice"},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_equal(str_of(verbs[i].name), str_of(name)))
            return &verbs[i];
    return NULL;
}

/* --- on each message that was named --- */

static int change_all(struct request *request)
{
    uint64_t sum = 0, count = 0;
    size_t i = 0;
    do {
        request->filter.message_id =
            i < request->id_count ? str_of(request->ids[i]) : STR("");
        int result = request->verb->change(request->store, &request->filter, &count);
        if (result < 0)
            return failed_read(request, result);
        sum += count;
    } while (++i < request->id_count);
    printf("%llu recipient%s %s\n", (unsigned long long)sum, sum == 1 ? "" : "s",
           request->verb->done);
    return sum == 0 && request->id_count ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int see_all(struct request *request)
{
    int exit_code = EXIT_SUCCESS;
    size_t i = 0;
    do {
        request->filter.message_id =
            i < request->id_count ? str_of(request->ids[i]) : STR("");
        int seen = request->verb->see(request);
        exit_code = seen ? seen : exit_code;
    } while (++i < request->id_count);
    return exit_code;
}

static int run(void *arg)
{
    struct request *request = arg;
    struct err err = {0};
    request->store =
        cli_open_store("postern queue", request->directory, request->arena, &err);
    if (!request->store)
        return fail(request, err.text);
    int exit_code = request->verb->see ? see_all(request) : change_all(request);
    store_close(request->store);
    return exit_code;
}

/* --- what it is asked --- */

/* --to: an address, or a domain for all addresses there. */
static const char *read_to(struct request *request)
{
    struct mailbox mailbox;
    struct str to = str_of(request->to);
    if (str_index(to, '@') < 0)
        return domain_normalize(to, request->arena, &request->filter.destination) < 0
                   ? "--to is neither an address nor a domain"
                   : NULL;
    if (mailbox_parse(to, request->arena, &mailbox) < 0)
        return "--to is not an address";
    request->filter.recipient = mailbox.text;
    return NULL;
}

static const char *read_state(struct request *request)
{
    static const char *const names[] = {[STORE_WAITING] = "waiting",
                                        [STORE_HELD] = "held",
                                        [STORE_SET_ASIDE] = "set-aside"};
    for (int state = 0; state <= STORE_SET_ASIDE; state++)
        if (str_equal(str_of(names[state]), str_of(request->state))) {
            request->filter.state = state;
            return NULL;
        }
    return "--state is waiting, held or set-aside";
}

/* What is wrong with the question, or NULL. */
static const char *read_question(struct request *request)
{
    const char *wrong = NULL;
    bool is_show = request->verb->see == show;
    bool is_filtered = request->to || request->from || request->state;
    if (is_show && (request->id_count == 0 || is_filtered))
        return "show takes the ID of a message";
    if (request->content && !is_show)
        return "--message goes with show";
    if (request->as_json && request->verb->change)
        return "--json goes with list and show";
    if (request->verb->change == store_queue_drop && !request->all && !is_filtered &&
        request->id_count == 0)
        return "what? Say IDs, --to, --from, --state, or --all";
    if (request->from && !*request->from)
        return "--from takes an address"; /* empty, the filter would find any */
    if (request->to)
        wrong = read_to(request);
    if (!wrong && request->state)
        wrong = read_state(request);
    if (request->from)
        request->filter.reverse_path = str_of(request->from);
    return wrong;
}

static bool is_id(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* [DIR] VERB [ID…] */
static const char *read_words(struct request *request, const char *const words[],
                              size_t count)
{
    size_t at = 0;
    if (count > 0 && !find_verb(words[0]))
        request->directory = words[at++];
    request->verb = at < count ? find_verb(words[at++]) : NULL;
    if (!request->verb)
        return "list, show, retry, hold, release or drop?";
    for (; at < count; at++) {
        if (!is_id(words[at]))
            return "an ID is of digits and small letters";
        request->ids[request->id_count++] = words[at];
    }
    return request->id_count > IDS_MAX ? "too many IDs" : read_question(request);
}

static int answer(const struct cli_command *command, struct request *request,
                  const struct cli_arguments *arguments)
{
    request->arena = arena_new();
    const char *wrong = read_words(request, (const char *const *)arguments->positional,
                                   arguments->positional_count);
    int exit_code = 2;
    if (wrong)
        fprintf(stderr, "postern queue: %s\nusage: postern %s %s\n", wrong, command->name,
                command->usage);
    else
        exit_code = loop_run_task("queue", run, request);
    arena_free(request->arena);
    return exit_code;
}

int cli_queue(const struct cli_command *command, int argc, char **argv)
{
    const char *words[WORDS_MAX] = {NULL};
    struct request request = {.directory = CLI_DIRECTORY, .filter = {.state = -1}};
    const struct cli_flag flags[] = {
        {"--to", "ADDRESS|DOMAIN", "only what goes there", &request.to},
        {"--from", "ADDRESS", "only with this sender, as said in MAIL", &request.from},
        {"--state", "STATE", "only what is waiting, held or set-aside", &request.state},
        {"--all", NULL, "drop the whole queue", &request.all},
        {"--message", NULL, "with show: print the message itself", &request.content},
        {"--json", NULL, "with list and show: print JSON", &request.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = words,
                                      .positional_max = WORDS_MAX};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    return answer(command, &request, &arguments);
}
