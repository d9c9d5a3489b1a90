/* What a domain's zone should say for mail to come in, and for what leaves to be believed; and what it says now. */
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/zone.h"
#include "mail/domain.h"

#define MX_PREFERENCE 10
#define SPF_VALUE     "v=spf1 mx ~all"
#define DMARC_VALUE   "v=DMARC1; p=none"

struct question {
    const char *domain_text, *directory;
    const char *resolver, *is_check, *as_json;
    struct arena *arena;
    struct config *config;
    struct str domain;
    struct zone_record records[ZONE_RECORDS_MAX];
    size_t count;
    bool has_key, has_waiting_key; /* that signs; that will */
};

/* --- what should be there --- */

static void add(struct question *question, enum zone_purpose purpose, struct str name,
                struct str value)
{
    question->records[question->count++] =
        (struct zone_record){.purpose = purpose, .name = name, .value = value};
}

static void add_key(struct question *question, const struct signing_key *key)
{
    if (question->count < ZONE_RECORDS_MAX)
        question->records[question->count++] = zone_key_record(key, question->arena);
}

/* A key that is to be put to use once it is published. */
static void add_waiting_key(const struct signing_key *key, void *arg)
{
    struct question *question = arg;
    if (str_equal(key->domain, question->domain) && !key->is_active &&
        !key->retired_at.length) {
        add_key(question, key);
        question->has_waiting_key = true;
    }
}

static void add_records(struct question *question, const struct key_ring *ring)
{
    struct arena *arena = question->arena;
    struct str domain = question->domain;
    size_t count;
    add(question, ZONE_MX, domain,
        str_of(arena_printf(arena, "%d %s.", MX_PREFERENCE, question->config->host_name)));
    add(question, ZONE_SPF, domain, STR(SPF_VALUE));
    add(question, ZONE_DMARC, str_of(arena_printf(arena, "_dmarc.%.*s", STR_ARG(domain))),
        STR(DMARC_VALUE));
    const struct signing_key *const *keys = key_ring_find(ring, domain, &count);
    for (size_t i = 0; i < count; i++)
        add_key(question, keys[i]);
    question->has_key = count > 0;
    key_ring_each(ring, add_waiting_key, question);
}

/* --- what is there --- */

static int check_in_task(void *arg)
{
    struct question *question = arg;
    struct err err;
    struct dns *dns = dns_open(&question->config->dns, &err);
    if (!dns) {
        fprintf(stderr, "postern dns: %s\n", err.text);
        return err.code;
    }
    struct zone_check check = {dns, question->arena, question->domain,
                               str_of(question->config->host_name)};
    int result = zone_check(&check, question->records, question->count);
    dns_close(dns);
    return result;
}

/* --- what is told --- */

static bool is_all_well(const struct question *question)
{
    for (size_t i = 0; i < question->count; i++)
        if (question->records[i].verdict > ZONE_OK)
            return false;
    return true;
}

static void print_json(const struct question *question)
{
    json_t *records = json_array();
    for (size_t i = 0; i < question->count; i++)
        json_array_append_new(records, zone_json(&question->records[i]));
    json_t *json = json_pack("{so so}", "domain", cli_json_bytes(question->domain),
                             "records", records);
    if (question->is_check)
        json_object_set_new(json, "ok", json_boolean(is_all_well(question)));
    cli_json_print(json);
}

static void print_text(const struct question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        zone_print(&question->records[i]);
        if (question->is_check)
            zone_print_check(&question->records[i]);
    }
    if (question->has_waiting_key)
        printf("; a key waits to be put to use: postern keys rotate %.*s\n",
               STR_ARG(question->domain));
    else if (!question->has_key)
        printf("; no key signs for %.*s: postern keys new %.*s\n",
               STR_ARG(question->domain), STR_ARG(question->domain));
}

/* --- what is asked --- */

static bool is_ours(const struct config *config, struct str domain)
{
    if (config->forwarding_domain && str_equal(domain, str_of(config->forwarding_domain)))
        return true;
    for (size_t i = 0; i < rule_set_domain_count(config->rules); i++)
        if (str_equal(domain, rule_set_domain(config->rules, i)->domain))
            return true;
    return false;
}

static int answer(struct question *question)
{
    struct config *config = question->config;
    struct err err;
    if (!is_ours(config, question->domain)) {
        fprintf(stderr, "postern dns: %s has no rules in %s\n", question->domain_text,
                question->directory);
        return EXIT_FAILURE;
    }
    struct key_ring *ring = key_ring_load(config->keys_directory, &err);
    if (!ring) {
        fprintf(stderr, "postern dns: %s\n", err.text);
        return EXIT_FAILURE;
    }
    add_records(question, ring);
    key_ring_release(ring);
    if (question->resolver)
        config->dns.resolver = question->resolver;
    if (question->is_check && loop_run_task("dns", check_in_task, question) < 0)
        return EXIT_FAILURE;
    (question->as_json ? print_json : print_text)(question);
    return is_all_well(question) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int load_and_answer(struct question *question)
{
    struct problem_list problems;
    problem_list_open(&problems);
    question->config = config_load(question->directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    int exit_code = question->config ? answer(question) : EXIT_FAILURE;
    config_release(question->config);
    return exit_code;
}

int cli_dns(const struct cli_command *command, int argc, char **argv)
{
    struct question question = {0};
    const char *positional[2] = {NULL, CLI_DIRECTORY};
    const struct cli_flag flags[] = {
        {"--check", NULL,
         "ask DNS what is published now; exit code 1 if something is wrong",
         &question.is_check},
        {"--json", NULL, "print JSON", &question.as_json},
        {"--resolver", "ADDRESS@PORT", "whom to ask instead of host.yaml's",
         &question.resolver},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = positional,
                                      .positional_max = 2};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    question.arena = arena_new();
    question.domain_text = positional[0];
    question.directory = positional[1];
    if (question.domain_text && domain_normalize(str_of(question.domain_text),
                                                 question.arena, &question.domain) == 0) {
        exit_code = load_and_answer(&question);
    } else {
        fprintf(stderr, "postern dns: which domain?\nusage: postern dns %s\n",
                command->usage);
        exit_code = 2;
    }
    arena_free(question.arena);
    return exit_code;
}
