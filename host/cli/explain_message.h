/* `postern explain --message`: what Postern would find out about a message that a client brings, what it would do
 * with it, and why. */
#pragma once

#include "config.h"

#include "auth/dkim_explain.h"
#include "auth/policy.h"
#include "auth/verdict.h"
#include "cli/cli.h"
#include "mail/message.h"

/* As the command line says it; NULL: not given. */
struct cli_explain_message {
    const char *file, *ip, *helo, *from, *to, *resolver, *directory, *as_json;
};

/* Returns the exit code: 0 when the message would be accepted, 1 when not, 2 for a mistake. */
int cli_explain_message(const struct cli_command *command,
                        const struct cli_explain_message *asked);

/* --- what was found, for the two who print it --- */

struct cli_explanation {
    const char *file;
    const struct config *config;
    struct message *message;
    struct auth_verdict verdict;
    struct auth_decision decision;
    struct str fields;   /* the header fields that would go on top */
    size_t forged_count; /* of fields that would be left out */
    struct auth_dkim_body bodies[AUTH_DKIM_MAX]; /* of the signature at the same place */
    bool has_body[AUTH_DKIM_MAX];                /* its body hash was compared */
    struct mailbox recipient;                    /* null: not given */
    bool is_unverified; /* it is for postmaster: nothing of this would be asked */
    bool has_match;     /* the recipient was looked up in the rules */
    enum rule_found found;
    struct rule_match match;
};

void cli_explain_as_text(const struct cli_explanation *explanation);
void cli_explain_as_json(const struct cli_explanation *explanation);

/* "accept", "defer" or "reject". */
const char *cli_explain_action(const struct auth_decision *decision);
/* "nothing", "record", "several" or "failure". */
const char *cli_explain_found(enum auth_dmarc_found found);
/* Which rule it is and what it does. */
int cli_explain_match(enum rule_found found, const struct rule_match *match);
