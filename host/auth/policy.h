/* What follows from a verdict: whether the message is taken. The only place where a result of a check
 * becomes a refusal. */
#pragma once

#include <stdbool.h>

#include "auth/options.h"
#include "auth/verdict.h"
#include "mail/message.h"

enum auth_action {
    AUTH_ACCEPT,
    AUTH_DEFER,  /* 4xx: a temporary failure of DNS keeps us from knowing */
    AUTH_REJECT, /* 5xx */
};

struct auth_decision {
    enum auth_action action;
    unsigned code;        /* 550, 451 …; 0 when accepted */
    const char *enhanced; /* "5.7.26"; "" when accepted */
    struct str
        text; /* one line for the sender: names the check and how to pass it; no code in it */
    const char *
        check; /* "dmarc", "spf", "dkim", "arc", "from", "authentication", "block list", or "" */
    bool is_quarantined; /* accepted, with a mark: `check` says whose */
    bool
        is_arc_overridden; /* DMARC failed, and a trusted sealer says that it had passed before */
};

/* For the client alone, before there is a message (at connect or RCPT). The text is in the arena. */
struct auth_decision auth_policy_decide_client(const struct net_address *address,
                                               const struct auth_client *client,
                                               struct arena *arena);

/* For the message, of a client that was let in. The text is in the message's arena. */
struct auth_decision auth_policy_decide(const struct auth_options *options,
                                        const struct message *message,
                                        const struct auth_verdict *verdict);
