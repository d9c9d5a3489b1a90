/* A command line, with what MAIL, RCPT, BDAT and EHLO make of its argument. */
#include "base/mem.h"
#include "smtp/command.h"
#include "smtp/parameter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_parameters(struct str argument, struct arena *arena)
{
    struct smtp_mail_parameters mail;
    struct dsn_recipient recipient;
    struct str rest = argument;
    struct str keyword;
    smtp_command_cut_keyword(&rest, STR("FROM:"));
    if (smtp_mail_parameters_parse(rest, arena, &mail, &keyword) == SMTP_PARAMETERS_OK)
        invariant(mail.dsn.envid.length <= DSN_ENVID_BYTES_MAX, "fuzz: an ENVID too long");
    rest = argument;
    smtp_command_cut_keyword(&rest, STR("TO:"));
    smtp_rcpt_parameters_parse(rest, arena, &recipient, &keyword);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = {(const char *)data, size};
    struct smtp_command command;
    struct smtp_chunk chunk;
    struct arena *arena = arena_new();
    smtp_command_parse(line, &command);
    invariant(command.argument.length <= size, "fuzz: an argument longer than its line");
    read_parameters(command.argument, arena);
    if (smtp_chunk_parse(command.argument, &chunk))
        invariant(command.argument.length > 0, "fuzz: a chunk of nothing");
    if (smtp_helo_is_valid(command.argument))
        invariant(command.bytes != SMTP_LINE_CONTROL || command.argument.length < size,
                  "fuzz: a name with control bytes");
    arena_free(arena);
    return 0;
}
