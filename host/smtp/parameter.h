/* The parameters of MAIL and RCPT (RFC 5321 section 4.1.2), read without I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "mail/delivery_notice.h"

/* One of the parameters of MAIL and RCPT. */
struct smtp_parameter {
    struct str keyword;
    struct str value;
    bool has_value;
};

/* Cuts the next parameter off `rest`: 1, 0 at the end, or -EINVAL when it is malformed. */
int smtp_parameter_next(struct str *rest, struct smtp_parameter *parameter);

/* What MAIL's parameters say. */
struct smtp_mail_parameters {
    uint64_t size;           /* SIZE=, 0 if not said; saturates */
    bool is_8bit;            /* BODY=8BITMIME */
    bool is_utf8;            /* SMTPUTF8 */
    bool wants_prdr;         /* PRDR */
    struct dsn_envelope dsn; /* RET=, ENVID= */
};

enum smtp_parameter_problem {
    SMTP_PARAMETERS_OK,
    SMTP_PARAMETERS_MALFORMED, /* no keyword to name */
    SMTP_PARAMETER_UNKNOWN,
    SMTP_PARAMETER_BAD_VALUE,
    SMTP_PARAMETER_TWICE,
};

/* Both read all of the parameters, and keep texts in the arena; *keyword is the one at fault, else the last one,
 * empty when there is none. */
enum smtp_parameter_problem
smtp_mail_parameters_parse(struct str text, struct arena *arena,
                           struct smtp_mail_parameters *parameters, struct str *keyword);
/* RCPT's: NOTIFY= and ORCPT=. */
enum smtp_parameter_problem smtp_rcpt_parameters_parse(struct str text, struct arena *arena,
                                                       struct dsn_recipient *parameters,
                                                       struct str *keyword);
