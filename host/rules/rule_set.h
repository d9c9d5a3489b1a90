/* The rules of all domains: immutable once loaded, counted, so that a message keeps the set it started
 * with (DESIGN.md 5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "mail/message.h"
#include "rules/condition.h"
#include "rules/document.h"
#include "rules/pattern.h"

enum rule_action { RULE_FORWARD, RULE_WORKER, RULE_DROP, RULE_REJECT };

/* What becomes of a message that a next hop does not take for now. */
enum rule_soft_failure {
    RULE_SOFT_QUEUE, /* Postern keeps it and tries again; its sender has a 250 */
    RULE_SOFT_DEFER, /* its sender keeps it and comes again */
};

struct rule {
    struct str name; /* given, or the pattern */
    enum rule_action action;
    enum rule_soft_failure on_soft_failure;
    struct mailbox *destinations; /* RULE_FORWARD */
    size_t destination_count;
    struct str worker;      /* RULE_WORKER */
    struct str reject_text; /* RULE_REJECT */
    struct str file;        /* where it stands */
    unsigned line;
};

struct domain_rules {
    struct str domain; /* normal form */
    bool subaddressing;
    struct str subaddress_separators; /* each of its bytes is one; "+" unless set */
    bool is_local_part_case_sensitive;
    unsigned recipients_per_transaction;
};

/* How the rule was found, in the words of `postern explain`. */
enum rule_step {
    RULE_BY_ADDRESS,
    RULE_BY_SUBADDRESS,
    RULE_BY_PATTERN,
    RULE_BY_CATCH_ALL,
    RULE_BY_POSTMASTER
};

struct rule_match {
    const struct domain_rules *domain;
    const struct rule *rule;
    enum rule_step step;
    struct rule_capture *captures; /* rules/pattern.h: name and value */
    size_t capture_count;
    struct str
        detail; /* the "tag" of user+tag@ (of the recipient's own text), when found by subaddress */
};

enum rule_found {
    RULE_FOUND,
    RULE_MAYBE,        /* at RCPT: rules match the address whose `when` needs the message */
    RULE_NO_RECIPIENT, /* our domain, nothing matches: 550 5.1.1 */
    RULE_NO_DOMAIN,    /* not ours: 550 5.7.1 */
    RULE_TOO_COSTLY,   /* a pattern hit its match limit: 451, never a wrong answer */
};

/* What the loader must know of the rest of the configuration; NULL functions allow everything. */
struct rule_vocabulary {
    void *arg;
    bool (*has_worker)(void *arg, struct str name);
    bool (*is_verified)(void *arg, const struct mailbox *destination);
    struct str
        postmaster; /* where mail to postmaster@ of a domain without a rule for it goes; may be "" */
};

struct rule_set;

/* Loads every *.yaml, *.yml and *.json but host.yaml of the directory, in the order of their names.
 * All errors are appended to `problems`; NULL if there was any. */
struct rule_set *rule_set_load(const char *directory,
                               const struct rule_vocabulary *vocabulary,
                               struct problem_list *problems);
struct rule_set *rule_set_keep(struct rule_set *set);
void rule_set_release(struct rule_set *set);

/* The same from text: each entry is what a file would hold. */
struct rule_text {
    struct str file;
    struct str text;
};
struct rule_set *rule_set_parse(const struct rule_text texts[], size_t count,
                                const struct rule_vocabulary *vocabulary,
                                struct problem_list *problems);

/* Finds the rule for a recipient: exact, then subaddress fallback, then patterns in order, then, for
 * postmaster@, the address configured for it, then catch-all. A rule whose `when` does not hold is passed
 * over. `message` NULL (at RCPT): conditions that need the content are taken as open (RULE_MAYBE), those on
 * sender and client are judged from `envelope`. With the message they are all judged. Captures go to the
 * arena. Whatever is found, `match->domain` is set unless it is RULE_NO_DOMAIN; the other fields only with
 * RULE_FOUND. `explain` (may be NULL) is told each step in words. */
struct rule_question {
    const struct mailbox *recipient;
    const struct message
        *envelope; /* reverse_path and client; NULL: conditions on them are open */
    const struct message *message; /* NULL before DATA */
    const struct rule_auth *auth;  /* of the message; NULL: nothing was verified */
    void (*explain)(void *arg, const char *sentence);
    void *explain_arg;
};
enum rule_found rule_set_match(const struct rule_set *set,
                               const struct rule_question *question, struct arena *arena,
                               struct rule_match *match);

/* Whether a text may be said in an SMTP reply: one line of printable ASCII, and some. */
#define RULE_REJECT_BYTES_MAX ((size_t)400)
bool rule_is_reject_text(struct str text);

/* Of the rules that are enabled. */
size_t rule_set_rule_count(const struct rule_set *set);
size_t rule_set_domain_count(const struct rule_set *set);
/* The domain of this name, in normal form; NULL when it is not ours. */
const struct domain_rules *rule_set_find_domain(const struct rule_set *set,
                                                struct str domain);
/* The n-th domain, for listings; NULL past the last. */
const struct domain_rules *rule_set_domain(const struct rule_set *set, size_t n);
