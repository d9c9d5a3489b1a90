#include "smtp/command.h"

#define HELO_BYTES_MAX 255
#define VERB_BYTES_MAX 8

/* --- the verb --- */

static const struct {
    struct str name;
    enum smtp_verb verb;
} verb_names[] = {
    {{"MAIL", 4}, SMTP_MAIL},
    {{"RCPT", 4}, SMTP_RCPT},
    {{"DATA", 4}, SMTP_DATA},
    {{"BDAT", 4}, SMTP_BDAT},
    {{"EHLO", 4}, SMTP_EHLO},
    {{"HELO", 4}, SMTP_HELO},
    {{"RSET", 4}, SMTP_RSET},
    {{"NOOP", 4}, SMTP_NOOP},
    {{"QUIT", 4}, SMTP_QUIT},
    {{"STARTTLS", 8}, SMTP_STARTTLS},
    {{"VRFY", 4}, SMTP_VRFY},
    {{"HELP", 4}, SMTP_HELP},
    {{"EXPN", 4}, SMTP_NOT_IMPLEMENTED},
    {{"AUTH", 4}, SMTP_NOT_IMPLEMENTED},
    {{"ETRN", 4}, SMTP_NOT_IMPLEMENTED},
    {{"TURN", 4}, SMTP_NOT_IMPLEMENTED},
    {{"SEND", 4}, SMTP_NOT_IMPLEMENTED},
    {{"SOML", 4}, SMTP_NOT_IMPLEMENTED},
    {{"SAML", 4}, SMTP_NOT_IMPLEMENTED},
    {{"GET", 3}, SMTP_HTTP},
    {{"POST", 4}, SMTP_HTTP},
    {{"PUT", 3}, SMTP_HTTP},
    {{"HEAD", 4}, SMTP_HTTP},
    {{"OPTIONS", 7}, SMTP_HTTP},
    {{"CONNECT", 7}, SMTP_HTTP},
    {{"DELETE", 6}, SMTP_HTTP},
    {{"PATCH", 5}, SMTP_HTTP},
    {{"TRACE", 5}, SMTP_HTTP},
};

static enum smtp_verb verb_of(struct str name)
{
    if (name.length > VERB_BYTES_MAX)
        return SMTP_UNKNOWN;
    for (size_t i = 0; i < sizeof verb_names / sizeof verb_names[0]; i++)
        if (str_equal_nocase(name, verb_names[i].name))
            return verb_names[i].verb;
    return SMTP_UNKNOWN;
}

static enum smtp_line_bytes bytes_of(struct str line)
{
    enum smtp_line_bytes worst = SMTP_LINE_ASCII;
    for (size_t i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.at[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7F)
            return SMTP_LINE_CONTROL;
        if (byte > 0x7F)
            worst = SMTP_LINE_8BIT;
    }
    return worst;
}

void smtp_command_parse(struct str line, struct smtp_command *command)
{
    struct str rest = line;
    command->bytes = bytes_of(line);
    command->verb = verb_of(str_cut(&rest, ' '));
    command->argument = str_trim(rest);
}

/* --- MAIL and RCPT ---
 *
 *     mail = "MAIL FROM:" Reverse-path [ SP Mail-parameters ]
 *     rcpt = "RCPT TO:" Forward-path [ SP Rcpt-parameters ]
 */

bool smtp_command_cut_keyword(struct str *argument, struct str keyword)
{
    if (!str_starts_nocase(*argument, keyword))
        return false;
    *argument = str_trim(str_from(*argument, keyword.length));
    return true;
}

/* --- BDAT ---
 *
 *     bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CR LF
 *     chunk-size = 1*DIGIT
 *     end-marker = "LAST"
 */

bool smtp_chunk_parse(struct str argument, struct smtp_chunk *chunk)
{
    struct str size = str_cut(&argument, ' ');
    struct str marker = str_trim(argument);
    unsigned long long bytes;
    if (!str_to_number(size, &bytes))
        return false;
    chunk->bytes = bytes;
    chunk->is_last = str_equal_nocase(marker, STR("LAST"));
    return chunk->is_last || marker.length == 0;
}

/* --- HELO and EHLO --- */

bool smtp_helo_is_valid(struct str name)
{
    if (name.length == 0 || name.length > HELO_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~')
            return false;
    return true;
}
