/* What a refusal means: one table of enhanced codes (RFC 3463), reply codes and known texts, which queue, notices,
 * trail and worker errors share. */
#pragma once

#include <stdbool.h>

#include "smtp/reply.h"

#define FAILURE_CLASSES(X)                                                                 \
    X(HARD, "hard", "no such address there")                                               \
    X(SOFT, "soft", "not now")                                                             \
    X(QUOTA, "quota", "the mailbox is full")                                               \
    X(SIZE, "size", "the message is too big")                                              \
    X(POLICY, "policy", "refused by policy")                                               \
    X(SPAM, "spam", "taken for spam")                                                      \
    X(BLOCK, "block", "our address or domain is blocked")                                  \
    X(AUTHENTICATION, "authentication", "SPF, DKIM or DMARC did not satisfy")              \
    X(GREYLIST, "greylist", "told to come again in a while")                               \
    X(RATE, "rate", "too much at once")                                                    \
    X(DNS, "dns", "the destination's DNS gave no way there")                               \
    X(CONNECTION, "connection", "nobody could be reached")                                 \
    X(TLS, "tls", "no TLS as it is required")                                              \
    X(PROTOCOL, "protocol", "the peer's SMTP made no sense")                               \
    X(LOOP, "loop", "the message goes round")                                              \
    X(CONTENT, "content", "the message's form is not taken there")

enum failure_class {
#define X(id, name, meaning) FAILURE_##id,
    FAILURE_CLASSES(X)
#undef X
};

/* The class of a reply that is no success; `is_from_peer`: a peer's words, not ours. */
enum failure_class failure_classify(const struct reply *reply, bool is_from_peer);
const char *failure_name(enum failure_class failure);    /* "quota" */
const char *failure_meaning(enum failure_class failure); /* "the mailbox is full" */
/* What somebody can do about it, in a sentence: for notices and the log. */
const char *failure_advice(enum failure_class failure);
/* Whether the address itself is no good and may be kept from being written to again: a hard bounce. */
bool failure_is_hard_bounce(enum failure_class failure, const struct reply *reply);
