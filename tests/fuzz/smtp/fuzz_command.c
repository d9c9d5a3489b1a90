/* A command line, with what MAIL, RCPT, BDAT and EHLO make of its argument. */
#include "base/mem.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = {(const char *)data, size};
    struct smtp_command command;
    struct smtp_mail_parameters parameters;
    struct smtp_chunk chunk;
    struct str keyword = {0};
    smtp_command_parse(line, &command);
    invariant(command.argument.length <= size, "fuzz: an argument longer than its line");
    struct str argument = command.argument;
    smtp_command_cut_keyword(&argument, STR("FROM:"));
    smtp_mail_parameters_parse(argument, &parameters, &keyword);
    if (smtp_chunk_parse(command.argument, &chunk))
        invariant(command.argument.length > 0, "fuzz: a chunk of nothing");
    if (smtp_helo_is_valid(command.argument))
        invariant(command.bytes != SMTP_LINE_CONTROL || command.argument.length < size,
                  "fuzz: a name with control bytes");
    return 0;
}
