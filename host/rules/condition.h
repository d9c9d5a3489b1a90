/* The `when` of a rule: conditions on sender, client, size, header and what was verified. Keys of a map must all hold, of a list
 * one must, `not` turns its map around. A text is compared as a whole, without regard to case; a pattern is
 * searched for (in a header's unfolded value with the case as written, in a sender in any case):
 *
 *   when:
 *     header: {subject: /refund/i, auto-submitted: [no, ""]}
 *     size: "<1MiB"
 *     sender: [ben@corp.test, "@partner.test", /^billing-/, "<>"]
 *     client: [192.0.2.0/24, "2001:db8::1"]
 *     auth: {dmarc: pass, spf: [fail, softfail]}
 *     not: {header: {precedence: bulk}}
 */
#pragma once

#include "base/arena.h"
#include "mail/message.h"
#include "rules/document.h"
#include "rules/pattern.h"

struct condition;

/* Ordered so that "all of" is the least and "one of" the greatest of its parts. */
enum verdict {
    VERDICT_NO,
    VERDICT_TOO_COSTLY, /* a pattern hit its limit */
    VERDICT_OPEN,       /* needs what is not known yet */
    VERDICT_YES
};

/* In the arena, its patterns in the set. What is wrong is reported; the result is then NULL or lacks parts,
 * and only fit to be thrown away. */
struct condition *condition_parse(struct node *when, struct arena *arena,
                                  struct pattern_set *patterns,
                                  struct problem_list *problems);

/* What was verified of a message, in the words of RFC 8601 ("pass", "temperror" …): of DKIM the best
 * signature's. */
struct rule_auth {
    struct str spf, dkim, dmarc, arc;
};

/* What is known when a rule is looked for: `envelope` for sender and client, `message` for the content, `auth`
 * beside it; each may be NULL. With a message, no `auth` is "none" for every check. */
struct evidence {
    const struct rule_auth *auth;
    const struct message *envelope;
    const struct message *message;
    struct arena *arena; /* for unfolded header values */
};
enum verdict condition_judge(const struct condition *condition,
                             const struct evidence *evidence);
