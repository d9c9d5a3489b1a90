#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "base/task.h"
#include "cli/cli.h"
#include "mail/encode.h"

#define MESSAGE_BYTES_MAX ((size_t)1024 * 1024 * 1024)
enum {
    EXIT_REFUSED = 69,
    EXIT_TRY_AGAIN = 75
}; /* EX_UNAVAILABLE, EX_TEMPFAIL of sysexits.h */

static int parse_envelope(const struct cli_message *message, struct arena *arena,
                          struct mailbox *from, struct mailbox *to, struct str *answer)
{
    *from = (struct mailbox){.is_null = true};
    if (message->from[0] && mailbox_parse(str_of(message->from), arena, from) < 0) {
        *answer = str_of(arena_printf(arena, "\"%s\" is not an address", message->from));
        return EXIT_REFUSED;
    }
    if (mailbox_parse(str_of(message->to), arena, to) < 0) {
        *answer = str_of(arena_printf(arena, "\"%s\" is not an address", message->to));
        return EXIT_REFUSED;
    }
    return 0;
}

/* "host:port", with "[…]" around an IPv6 address. */
static int parse_server(const char *text, struct delivery_route *route)
{
    struct str server = str_of(text);
    ptrdiff_t colon = str_last_index(server, ':');
    unsigned long long port = 0;
    if (colon <= 0 || !str_to_number(str_from(server, (size_t)colon + 1), &port) ||
        port == 0 || port > 65535)
        return -1;
    route->domain = STR("*");
    route->host = str_part(server, 0, (size_t)colon);
    if (text[0] == '[' && text[colon - 1] == ']')
        route->host = str_part(route->host, 1, route->host.length - 2);
    route->port = (uint16_t)port;
    route->tls = DELIVERY_TLS_OPPORTUNISTIC;
    return 0;
}

int cli_send_message(const struct cli_message *message, struct arena *arena,
                     struct str *answer)
{
    struct mailbox from, to;
    int exit_code = parse_envelope(message, arena, &from, &to, answer);
    struct delivery_route route;
    if (exit_code)
        return exit_code;
    if (parse_server(message->server, &route) < 0) {
        *answer = str_of(
            arena_printf(arena, "--server \"%s\" is not host:port", message->server));
        return EXIT_REFUSED;
    }
    struct config *defaults = config_new_default();
    struct delivery_options options = defaults->delivery;
    options.host_name = "localhost";
    options.routes = &route;
    options.route_count = 1;
    struct err err = {0};
    struct dns *dns = dns_open(&defaults->dns, &err);
    struct delivery *delivery = dns ? delivery_open(&options, dns, &err) : NULL;
    struct delivery_request request = {
        .reverse_path = &from,
        .recipient = &to,
        .parts = &message->content,
        .part_count = 1,
        .is_8bit = str_has_8bit(message->content),
        .is_utf8 = from.is_utf8 || to.is_utf8,
        .message_id = STR("send"),
    };
    struct delivery_result result = {.status = DELIVERY_TEMPORARY};
    if (delivery) {
        delivery_send(delivery, &request, arena, &result);
        *answer = reply_line(&result.reply, arena);
        delivery_close(delivery);
    } else {
        *answer = arena_str(arena, str_of(err.text));
    }
    if (dns)
        dns_close(dns);
    config_release(defaults);
    return result.status == DELIVERY_OK          ? EXIT_SUCCESS
           : result.status == DELIVERY_TEMPORARY ? EXIT_TRY_AGAIN
                                                 : EXIT_REFUSED;
}

struct sending {
    struct cli_message message;
    struct arena *arena;
    struct str answer;
};

static int send_in_task(void *arg)
{
    struct sending *sending = arg;
    return cli_send_message(&sending->message, sending->arena, &sending->answer);
}

int cli_send(const struct cli_command *command, int argc, char **argv)
{
    const char *server = "127.0.0.1:2525", *from = NULL, *to = NULL, *file = "-";
    const struct cli_flag flags[] = {
        {"--server", "HOST:PORT", "where to send it (127.0.0.1:2525)", &server},
        {"--from", "ADDRESS", "the envelope sender; \"\" is the null sender", &from},
        {"--to", "ADDRESS", "the envelope recipient", &to},
    };
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 3, .positional = &file, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (!from || !to) {
        fprintf(stderr, "postern send: --from and --to are needed\nusage: postern %s %s\n",
                command->name, command->usage);
        return 2;
    }
    struct sending sending = {.message = {.server = server, .from = from, .to = to},
                              .arena = arena_new()};
    struct err err = {0};
    struct str file_bytes;
    struct buf content;
    buf_init(&content, MESSAGE_BYTES_MAX);
    if (cli_read_file(file, MESSAGE_BYTES_MAX, sending.arena, &file_bytes, &err) < 0 ||
        encode_lines(file_bytes, &content) < 0) {
        fprintf(stderr, "postern send: %s\n",
                err.code ? err.text : "the message is too large");
        exit_code = EXIT_FAILURE;
    } else {
        sending.message.content = buf_view(&content);
        exit_code = loop_run_task("send", send_in_task, &sending);
        fprintf(exit_code ? stderr : stdout, "%.*s\n", STR_ARG(sending.answer));
    }
    buf_free(&content);
    arena_free(sending.arena);
    return exit_code;
}
