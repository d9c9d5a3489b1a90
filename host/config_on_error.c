/* What happens when a worker fails: `on_error:` and `circuit:` of a worker in host.yaml. */
#include "config_internal.h"

#define HOUR_MS (3600ULL * 1000)

#define ROW(member) offsetof(struct circuit_options, member)
static const struct option_row circuit_rows[] = {
    {"failures", OPTION_COUNT, ROW(failures), "10", 0, CIRCUIT_FAILURES_MAX,
     "so many messages at least, and over half of the last twice as many failed: the "
     "worker pauses; 0: never"},
    {"pause", OPTION_DURATION32, ROW(pause_ms), "30s", 10, HOUR_MS,
     "without messages, then one is tried"},
};
#undef ROW
const struct option_table config_circuit_options = OPTION_TABLE(circuit_rows);

static void read_forward(struct config *config, const struct node *node, struct str address,
                         struct config_on_error *on_error, struct problem_list *problems)
{
    struct mailbox *destination = &on_error->destination;
    on_error->way = ON_ERROR_FORWARD;
    if (mailbox_parse(address, config->arena, destination) < 0)
        node_problem(node, problems,
                     "on_error: '%.*s' is no mail address: write forward me@mail.test",
                     STR_ARG(address));
    else if (!config_is_destination(config, destination))
        node_problem(node, problems,
                     "on_error: %.*s is no verified destination: add it to "
                     "`destinations:`",
                     STR_ARG(destination->text));
}

static void read_reject(struct config *config, const struct node *node, struct str text,
                        struct config_on_error *on_error, struct problem_list *problems)
{
    on_error->way = ON_ERROR_REJECT;
    on_error->reject_text = arena_str(config->arena, text);
    if (text.length && !rule_is_reject_text(text))
        node_problem(node, problems,
                     "on_error: a reject text is one line of at most %zu printable ASCII "
                     "characters: it is said in an SMTP reply",
                     RULE_REJECT_BYTES_MAX);
}

/* The first word of the text; what follows stays in *text. */
static struct str take_word(struct str *text)
{
    ptrdiff_t space = str_index(*text, ' ');
    struct str word = space < 0 ? *text : str_part(*text, 0, (size_t)space);
    *text = str_trim(str_from(*text, word.length));
    return word;
}

static void read_way(struct config *config, const struct node *node,
                     struct config_on_error *on_error, struct problem_list *problems)
{
    struct str rest;
    if (!node_to_text(node, problems, &rest))
        return;
    rest = str_trim(rest);
    struct str way = take_word(&rest);
    if (str_equal(way, STR("forward")))
        read_forward(config, node, rest, on_error, problems);
    else if (str_equal(way, STR("reject")))
        read_reject(config, node, rest, on_error, problems);
    else if (!str_equal(way, STR("defer")) || rest.length)
        node_problem(node, problems,
                     "on_error: expected `defer`, `forward ADDRESS`, `reject` or `reject "
                     "TEXT`");
}

void config_read_on_error(struct config *config, struct node *node,
                          struct config_worker *worker, struct problem_list *problems)
{
    const struct node *way = node_get(node, "on_error");
    if (way)
        read_way(config, way, &worker->on_error, problems);
    options_read(&config_circuit_options, node_get(node, "circuit"), NULL,
                 &worker->options.circuit, config->arena, problems);
}
