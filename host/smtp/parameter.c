#include "smtp/parameter.h"

#include <errno.h>

/* --- one ---
 *
 *     esmtp-param   = esmtp-keyword [ "=" esmtp-value ]
 *     esmtp-keyword = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
 *     esmtp-value   = 1*( %d33-60 / %d62-126 / UTF8-non-ascii )
 */

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

/* --- all of a command: a table of keywords for each verb, a setter for each keyword --- */

typedef bool set_parameter_fn(const struct smtp_parameter *parameter, struct arena *arena,
                              void *parameters);

struct known_parameter {
    struct str keyword;
    set_parameter_fn *set;
};

#define KNOWN_PARAMETERS_MAX 8

struct parameter_reader {
    const struct known_parameter *known;
    size_t known_count;
    struct arena *arena;
    void *parameters;
    bool seen[KNOWN_PARAMETERS_MAX];
};

static enum smtp_parameter_problem set_parameter(struct parameter_reader *reader,
                                                 const struct smtp_parameter *parameter)
{
    for (size_t i = 0; i < reader->known_count; i++) {
        const struct known_parameter *known = &reader->known[i];
        if (!str_equal_nocase(parameter->keyword, known->keyword))
            continue;
        if (reader->seen[i])
            return SMTP_PARAMETER_TWICE;
        reader->seen[i] = true;
        return known->set(parameter, reader->arena, reader->parameters)
                   ? SMTP_PARAMETERS_OK
                   : SMTP_PARAMETER_BAD_VALUE;
    }
    return SMTP_PARAMETER_UNKNOWN;
}

static enum smtp_parameter_problem read_parameters(struct parameter_reader *reader,
                                                   struct str text, struct str *keyword)
{
    struct smtp_parameter parameter;
    int more;
    *keyword = STR("");
    while ((more = smtp_parameter_next(&text, &parameter)) > 0) {
        *keyword = parameter.keyword;
        enum smtp_parameter_problem problem = set_parameter(reader, &parameter);
        if (problem != SMTP_PARAMETERS_OK)
            return problem;
    }
    return more < 0 ? SMTP_PARAMETERS_MALFORMED : SMTP_PARAMETERS_OK;
}

/* --- MAIL's --- */

/* SIZE= of RFC 1870: size-value = 1*20DIGIT */
static bool set_size(const struct smtp_parameter *parameter, struct arena *arena,
                     void *parameters)
{
    (void)arena;
    unsigned long long size = UINT64_MAX;
    bool is_long = parameter->value.length > 18 && parameter->value.length <= 20;
    for (size_t i = 0; i < parameter->value.length; i++)
        if (!ascii_digit(parameter->value.at[i]))
            return false;
    if (!is_long && !str_to_number(parameter->value, &size))
        return false;
    ((struct smtp_mail_parameters *)parameters)->size = size;
    return true;
}

/* BODY= of RFC 6152. BINARYMIME (RFC 3030) is not offered. */
static bool set_body(const struct smtp_parameter *parameter, struct arena *arena,
                     void *parameters)
{
    (void)arena;
    struct smtp_mail_parameters *mail = parameters;
    mail->is_8bit = str_equal_nocase(parameter->value, STR("8BITMIME"));
    return mail->is_8bit || str_equal_nocase(parameter->value, STR("7BIT"));
}

static bool set_utf8(const struct smtp_parameter *parameter, struct arena *arena,
                     void *parameters)
{
    (void)arena;
    struct smtp_mail_parameters *mail = parameters;
    mail->is_utf8 = !parameter->has_value;
    return mail->is_utf8;
}

static bool set_prdr(const struct smtp_parameter *parameter, struct arena *arena,
                     void *parameters)
{
    (void)arena;
    struct smtp_mail_parameters *mail = parameters;
    mail->wants_prdr = !parameter->has_value;
    return mail->wants_prdr;
}

static bool set_ret(const struct smtp_parameter *parameter, struct arena *arena,
                    void *parameters)
{
    (void)arena;
    struct smtp_mail_parameters *mail = parameters;
    return dsn_return_parse(parameter->value, &mail->dsn.ret);
}

static bool set_envid(const struct smtp_parameter *parameter, struct arena *arena,
                      void *parameters)
{
    struct smtp_mail_parameters *mail = parameters;
    return dsn_envid_parse(parameter->value, arena, &mail->dsn.envid);
}

enum smtp_parameter_problem
smtp_mail_parameters_parse(struct str text, struct arena *arena,
                           struct smtp_mail_parameters *parameters, struct str *keyword)
{
    static const struct known_parameter known[] = {
        {{"SIZE", 4}, set_size}, {{"BODY", 4}, set_body}, {{"SMTPUTF8", 8}, set_utf8},
        {{"PRDR", 4}, set_prdr}, {{"RET", 3}, set_ret},   {{"ENVID", 5}, set_envid},
    };
    *parameters = (struct smtp_mail_parameters){0};
    struct parameter_reader reader = {
        known, sizeof known / sizeof known[0], arena, parameters, {false}};
    return read_parameters(&reader, text, keyword);
}

/* --- RCPT's --- */

static bool set_notify(const struct smtp_parameter *parameter, struct arena *arena,
                       void *parameters)
{
    (void)arena;
    struct dsn_recipient *recipient = parameters;
    return dsn_notify_parse(parameter->value, &recipient->notify);
}

static bool set_orcpt(const struct smtp_parameter *parameter, struct arena *arena,
                      void *parameters)
{
    return dsn_orcpt_parse(parameter->value, arena, parameters);
}

enum smtp_parameter_problem smtp_rcpt_parameters_parse(struct str text, struct arena *arena,
                                                       struct dsn_recipient *parameters,
                                                       struct str *keyword)
{
    static const struct known_parameter known[] = {
        {{"NOTIFY", 6}, set_notify},
        {{"ORCPT", 5}, set_orcpt},
    };
    *parameters = (struct dsn_recipient){0};
    struct parameter_reader reader = {
        known, sizeof known / sizeof known[0], arena, parameters, {false}};
    return read_parameters(&reader, text, keyword);
}
