/* What verification finds out about a message: one value that route, rules, workers, the trail and
 * Authentication-Results all read. Views live in the message's arena. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The words of RFC 8601 section 2.7, in one set. */
enum auth_result {
    AUTH_NONE,
    AUTH_PASS,
    AUTH_FAIL,
    AUTH_SOFTFAIL,
    AUTH_NEUTRAL,
    AUTH_POLICY,
    AUTH_TEMPERROR,
    AUTH_PERMERROR,
};
const char *auth_result_name(enum auth_result result); /* "pass", "temperror" … */
/* The reverse, in any case; false for a word that is none of them. */
bool auth_result_from_name(struct str name, enum auth_result *result);

/* RFC 7208. */
struct auth_spf {
    enum auth_result result;
    bool
        is_of_helo; /* the reverse-path was null: HELO was checked (never feeds DMARC then but as RFC 9989 says) */
    struct str domain; /* that was checked, normal form */
    struct str
        mechanism;       /* that matched: "include:_spf.dest.test", "-all"; empty if none */
    struct str reason;   /* for errors: what is wrong, and with which domain's record */
    unsigned term_count; /* DNS look-up terms spent, of 10 */
    unsigned void_count; /* void look-ups, of 2 */
    unsigned query_count; /* questions asked in all */
};

/* RFC 6376; one per signature looked at. */
struct auth_dkim {
    enum auth_result result;
    struct str domain;    /* d= */
    struct str selector;  /* s= */
    struct str identity;  /* i=, or empty */
    struct str algorithm; /* a= */
    struct str
        signature; /* the first 8 characters of b=, to tell signatures apart (RFC 6008) */
    struct str reason; /* why not pass */
    unsigned key_bits;
};

#define AUTH_DKIM_MAX     10
#define AUTH_ARC_SETS_MAX 50

/* RFC 8617. */
struct auth_arc_set {
    unsigned instance;
    struct str sealer; /* d= of its ARC-Seal */
    struct str selector;
    enum auth_result results_dmarc; /* what its ARC-Authentication-Results say of dmarc= */
};

struct auth_arc {
    enum auth_result
        result; /* none, pass or fail (temperror when a key could not be asked for) */
    unsigned oldest_pass; /* RFC 8617 section 5.2; 0 when not meaningful */
    unsigned count;
    struct auth_arc_set sets[AUTH_ARC_SETS_MAX]; /* in order of instance */
    struct str reason;
};

/* What stands at "_dmarc.<domain>". */
enum auth_dmarc_found {
    DMARC_FOUND_NOTHING,
    DMARC_FOUND_RECORD,
    DMARC_FOUND_SEVERAL, /* which discard each other */
    DMARC_FOUND_FAILURE, /* of the DNS */
};
struct auth_dmarc_step {
    struct str domain;
    enum auth_dmarc_found found;
    struct str record; /* its text, cut at DMARC_RECORD_BYTES_TOLD */
};
#define AUTH_DMARC_STEPS_MAX    8
#define DMARC_RECORD_BYTES_TOLD 1024

/* RFC 9989. */
enum auth_dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };
const char *auth_dmarc_policy_name(enum auth_dmarc_policy policy);

struct auth_dmarc {
    enum auth_result result;
    struct str
        from_domain; /* of the one From address; empty if there is not exactly one domain */
    struct str policy_domain; /* whose record applies; empty if none was found */
    struct str organizational_domain;
    enum auth_dmarc_policy policy; /* to be applied: p, sp or np, one weaker when t=y */
    bool is_test;                  /* t=y */
    bool is_spf_aligned, is_dkim_aligned;
    struct str report_aggregate; /* rua=, as published and bounded; empty if none */
    struct str report_failure;   /* ruf= */
    struct str reason;
    unsigned query_count;
    struct auth_dmarc_step
        steps[AUTH_DMARC_STEPS_MAX]; /* of the tree walk from the Author Domain upwards */
    size_t step_count;
};

struct auth_list_hit {
    struct str zone;
    struct str code; /* "127.0.0.2" */
    bool is_allowed; /* it is an allow list */
    bool rejects;    /* the list's action is to reject */
};

/* What the client's address alone tells, asked at connect. */
struct auth_client {
    struct str hostname; /* forward-confirmed reverse name, or empty */
    /* RFC 8601 section 2.7.3: pass; fail, no name leads back; permerror, there is no name; temperror; none,
     * not asked */
    enum auth_result iprev;
    const struct auth_list_hit *hits;
    size_t hit_count;
    struct str
        note; /* lists that refuse our questions or did not answer, for the log; else empty */
};

/* What Rspamd would do with the message. */
enum auth_rspamd_action {
    RSPAMD_ACCEPT, /* "no action", and words that we do not know */
    RSPAMD_MARK,   /* "add header", "rewrite subject" */
    RSPAMD_DEFER,  /* "soft reject", "greylist" */
    RSPAMD_REJECT,
};

struct auth_rspamd {
    bool has_answered; /* else only `reason` counts */
    enum auth_rspamd_action action;
    struct str action_name; /* "soft-reject" */
    double score, required; /* it rejects where score is required */
    struct str symbols;     /* that count: "BAYES_SPAM=5.1 …" */
    struct str message;     /* what it would have the sender told, or empty */
    struct str reason;      /* why it has not answered; empty if it was not asked */
};

struct auth_verdict {
    struct auth_client client;
    struct auth_spf spf;
    struct auth_dkim dkim[AUTH_DKIM_MAX];
    size_t dkim_count;
    bool has_more_dkim; /* more signatures stood there than were looked at */
    struct auth_arc arc;
    struct auth_dmarc dmarc;
    struct auth_rspamd rspamd;
    bool is_arc_overridden;  /* DMARC failed, and a trusted sealer's chain let it pass */
    bool is_quarantined;     /* mark: a policy says so */
    double spam_score;       /* 0 to 5 */
    struct str spam_reasons; /* the rules that counted: "html_only=0.5 …" */
};
