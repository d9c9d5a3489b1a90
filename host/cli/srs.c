/* Addresses by hand: what a sender becomes, and whom a rewritten one is for, or why it is for nobody. And a new
 * secret, since SRS is what its age matters for. */
#include "delivery/srs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/when.h"
#include "mail/domain.h"
#include "mail/secret.h"

struct request {
    const char *verb, *address_text, *directory;
    const char *domain, *at, *as_json;
    struct arena *arena;
    struct secret *secret;
    struct mailbox address;
    uint64_t now_ms;
};

/* --- what it answers --- */

static int fail(const struct request *request, const char *reason)
{
    fprintf(stderr, "postern srs %s: %s\n", request->verb, reason);
    return EXIT_FAILURE;
}

static void print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    puts("");
    json_decref(json);
}

/* The one that forwarded mail is rewritten at: forwarding.domain, or the only domain there is. */
static const char *only_domain(const struct request *request)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(request->directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    const char *domain = NULL;
    if (config && config->forwarding_domain)
        domain = arena_text(request->arena, str_of(config->forwarding_domain));
    else if (config && rule_set_domain_count(config->rules) == 1)
        domain = arena_text(request->arena, rule_set_domain(config->rules, 0)->domain);
    config_release(config);
    return domain;
}

static int encode(const struct request *request)
{
    const char *domain = request->domain ? request->domain : only_domain(request);
    struct str normal;
    struct mailbox rewritten;
    if (!domain)
        return fail(request, "at which of the domains? Say so with --domain");
    if (domain_normalize(str_of(domain), request->arena, &normal) < 0)
        return fail(request, "--domain is not a domain");
    if (srs_encode(request->secret, &request->address, normal, request->now_ms,
                   request->arena, &rewritten) < 0)
        return fail(request, "the rewritten address would be too long");
    if (!request->as_json) {
        printf("%.*s\n", STR_ARG(rewritten.text));
        return EXIT_SUCCESS;
    }
    json_t *json = json_pack("{so so}", "address", cli_json_bytes(request->address.text),
                             "rewritten", cli_json_bytes(rewritten.text));
    char text[WHEN_BYTES];
    if (srs_is_address(&rewritten))
        json_object_set_new(
            json, "expires",
            json_string(when_text(srs_expires_ms(&rewritten, request->now_ms), text)));
    print_json(json);
    return EXIT_SUCCESS;
}

static void print_decoded(const struct request *request, enum srs_result result,
                          const struct mailbox *original, const char *expires)
{
    if (result == SRS_OK)
        printf("%.*s\n", STR_ARG(original->text));
    else if (result == SRS_EXPIRED)
        fprintf(stderr, "postern srs decode: expired since %s; it was for %.*s\n", expires,
                STR_ARG(original->text));
    else if (srs_is_address(&request->address))
        fail(request, "forged: it was not made with a secret of this installation");
    else
        fail(request, "not an SRS address");
}

static void print_decoded_json(const struct request *request, enum srs_result result,
                               const struct mailbox *original, const char *expires)
{
    static const char *const results[] = {
        [SRS_OK] = "ok", [SRS_FORGED] = "forged", [SRS_EXPIRED] = "expired"};
    json_t *json = json_pack("{so ss}", "address", cli_json_bytes(request->address.text),
                             "result", results[result]);
    if (result != SRS_FORGED) {
        json_object_set_new(json, "original", cli_json_bytes(original->text));
        json_object_set_new(json, "expires", json_string(expires));
    }
    print_json(json);
}

static int decode(const struct request *request)
{
    struct mailbox original;
    char expires[WHEN_BYTES];
    enum srs_result result = srs_decode(request->secret, &request->address, request->now_ms,
                                        request->arena, &original);
    when_text(srs_expires_ms(&request->address, request->now_ms), expires);
    (request->as_json ? print_decoded_json : print_decoded)(request, result, &original,
                                                            expires);
    return result == SRS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- what it is asked --- */

static const char *secret_path(const struct request *request)
{
    return arena_printf(request->arena, "%s/secret",
                        config_state_directory(request->directory, request->arena));
}

/* A question makes no secret: one that nobody serves with would be of no use. */
static int answer(struct request *request, int (*verb)(const struct request *request))
{
    struct err err = {0};
    const char *path = secret_path(request);
    if (access(path, F_OK) < 0)
        return fail(request,
                    arena_printf(request->arena,
                                 "there is no %s: Postern makes it when it serves", path));
    request->secret = secret_open(path, &err);
    int exit_code = request->secret ? verb(request) : fail(request, err.text);
    secret_free(request->secret);
    return exit_code;
}

static int rotate(const struct request *request)
{
    struct err err = {0};
    const char *path = secret_path(request);
    if (secret_rotate(path, &err) < 0)
        return fail(request, err.text);
    if (request->as_json)
        print_json(json_pack("{ss}", "rotated", path));
    else
        printf("%s has a new secret; what was made with those before it is still good.\n"
               "Reload Postern (SIGHUP) for it to be used.\n",
               path);
    return EXIT_SUCCESS;
}

/* What is wrong with a question, or NULL. */
static const char *read_question(struct request *request)
{
    if (!request->address_text)
        return "which address?";
    if (mailbox_parse(str_of(request->address_text), request->arena, &request->address) < 0)
        return "that is not an address";
    if (request->at && !when_read(request->at, &request->now_ms))
        return "--at takes Unix time or a time as 2026-11-22T10:00:00Z";
    return NULL;
}

static int run(const struct cli_command *command, struct request *request)
{
    struct str verb = str_of(request->verb);
    const char *wrong;
    if (str_equal(verb, STR("rotate"))) {
        wrong = request->address_text || request->domain || request->at
                    ? "rotate takes DIR and --json, no more"
                    : NULL;
        if (!wrong)
            return rotate(request);
    } else if (str_equal(verb, STR("encode"))) {
        wrong = read_question(request);
        if (!wrong)
            return answer(request, encode);
    } else if (str_equal(verb, STR("decode"))) {
        wrong = request->domain ? "--domain goes with encode" : read_question(request);
        if (!wrong)
            return answer(request, decode);
    } else {
        wrong = "encode, decode or rotate?";
    }
    fprintf(stderr, "postern srs: %s\nusage: postern srs %s\n", wrong, command->usage);
    return 2;
}

int cli_srs(const struct cli_command *command, int argc, char **argv)
{
    const char *positional[3] = {"", NULL, CLI_DIRECTORY};
    struct request request = {.now_ms = unix_now_ms()};
    const struct cli_flag flags[] = {
        {"--domain", "DOMAIN",
         "rewrite at this domain; forwarding.domain or the only one unless said",
         &request.domain},
        {"--at", "TIME", "as at this time: Unix time, or 2026-11-22T10:00:00Z",
         &request.at},
        {"--json", NULL, "print JSON", &request.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = positional,
                                      .positional_max = 3};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    request.verb = positional[0];
    request.address_text = positional[1];
    request.directory = positional[2];
    if (str_equal(str_of(request.verb), STR("rotate"))) { /* of which DIR is the first */
        request.address_text = arguments.positional_count > 2 ? positional[2] : NULL;
        request.directory = positional[1] ? positional[1] : CLI_DIRECTORY;
    }
    request.arena = arena_new();
    exit_code = run(command, &request);
    arena_free(request.arena);
    return exit_code;
}
