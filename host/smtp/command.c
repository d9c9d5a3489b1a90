#include "smtp/command.h"

#include <errno.h>

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
 *     mail            = "MAIL FROM:" Reverse-path [ SP Mail-parameters ]
 *     rcpt            = "RCPT TO:" Forward-path [ SP Rcpt-parameters ]
 *     Mail-parameters = esmtp-param *( SP esmtp-param )
 *     esmtp-param     = esmtp-keyword [ "=" esmtp-value ]
 *     esmtp-keyword   = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
 *     esmtp-value     = 1*( %d33-60 / %d62-126 / UTF8-non-ascii )
 */

bool smtp_command_cut_keyword(struct str *argument, struct str keyword)
{
    if (!str_starts_nocase(*argument, keyword))
        return false;
    *argument = str_trim(str_from(*argument, keyword.length));
    return true;
}

static bool is_keyword(struct str text)
{
    if (text.length == 0 || !ascii_alnum(text.at[0]))
        return false;
    for (size_t i = 1; i < text.length; i++)
        if (!ascii_alnum(text.at[i]) && text.at[i] != '-')
            return false;
    return true;
}

static bool is_value(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte <= ' ' || byte == '=' || byte == 0x7F)
            return false;
    }
    return text.length > 0;
}

int smtp_parameter_next(struct str *rest, struct smtp_parameter *parameter)
{
    *rest = str_trim(*rest);
    if (rest->length == 0)
        return 0;
    struct str value = str_cut(rest, ' ');
    parameter->has_value = str_index(value, '=') >= 0;
    parameter->keyword = str_cut(&value, '=');
    parameter->value = value;
    if (!is_keyword(parameter->keyword) || (parameter->has_value && !is_value(value)))
        return -EINVAL;
    return 1;
}

/* --- MAIL's parameters --- */

/* SIZE= of RFC 1870: size-value = 1*20DIGIT */
static bool set_size(struct smtp_mail_parameters *parameters,
                     const struct smtp_parameter *parameter)
{
    unsigned long long size = UINT64_MAX;
    bool is_long = parameter->value.length > 18 && parameter->value.length <= 20;
    for (size_t i = 0; i < parameter->value.length; i++)
        if (!ascii_digit(parameter->value.at[i]))
            return false;
    if (!is_long && !str_to_number(parameter->value, &size))
        return false;
    parameters->size = size;
    return true;
}

/* BODY= of RFC 6152. BINARYMIME (RFC 3030) is not offered. */
static bool set_body(struct smtp_mail_parameters *parameters,
                     const struct smtp_parameter *parameter)
{
    parameters->is_8bit = str_equal_nocase(parameter->value, STR("8BITMIME"));
    return parameters->is_8bit || str_equal_nocase(parameter->value, STR("7BIT"));
}

static bool set_utf8(struct smtp_mail_parameters *parameters,
                     const struct smtp_parameter *parameter)
{
    parameters->is_utf8 = !parameter->has_value;
    return parameters->is_utf8;
}

typedef bool set_parameter_fn(struct smtp_mail_parameters *parameters,
                              const struct smtp_parameter *parameter);

static const struct {
    struct str keyword;
    set_parameter_fn *set;
} mail_parameters[] = {
    {{"SIZE", 4}, set_size},
    {{"BODY", 4}, set_body},
    {{"SMTPUTF8", 8}, set_utf8},
};

enum { MAIL_PARAMETER_COUNT = sizeof mail_parameters / sizeof mail_parameters[0] };

static enum smtp_parameter_problem set_parameter(struct smtp_mail_parameters *parameters,
                                                 const struct smtp_parameter *parameter,
                                                 bool seen[MAIL_PARAMETER_COUNT])
{
    for (size_t i = 0; i < MAIL_PARAMETER_COUNT; i++) {
        if (!str_equal_nocase(parameter->keyword, mail_parameters[i].keyword))
            continue;
        if (seen[i])
            return SMTP_PARAMETER_TWICE;
        seen[i] = true;
        return mail_parameters[i].set(parameters, parameter) ? SMTP_PARAMETERS_OK
                                                             : SMTP_PARAMETER_BAD_VALUE;
    }
    return SMTP_PARAMETER_UNKNOWN;
}

enum smtp_parameter_problem
smtp_mail_parameters_parse(struct str text, struct smtp_mail_parameters *parameters,
                           struct str *keyword)
{
    bool seen[MAIL_PARAMETER_COUNT] = {false};
    *parameters = (struct smtp_mail_parameters){0};
    struct smtp_parameter parameter;
    int more;
    while ((more = smtp_parameter_next(&text, &parameter)) > 0) {
        *keyword = parameter.keyword;
        enum smtp_parameter_problem problem = set_parameter(parameters, &parameter, seen);
        if (problem != SMTP_PARAMETERS_OK)
            return problem;
    }
    return more < 0 ? SMTP_PARAMETERS_MALFORMED : SMTP_PARAMETERS_OK;
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
