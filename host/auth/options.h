/* What an administrator sets for the verification of mail; host/config.c's option table fills it in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/address.h"

/* How much a check may do. */
enum auth_mode {
    AUTH_OFF,     /* it is not asked */
    AUTH_MARK,    /* it is asked and told */
    AUTH_ENFORCE, /* its failure refuses the message */
};

/* A DNS list of addresses (RFC 5782). */
struct auth_list {
    struct str zone; /* normal form */
    bool is_allowed; /* an allow list: a hit keeps every block list from rejecting */
    bool rejects;    /* a hit refuses the client, else it is only told */
    const struct net_block *codes; /* the answers that count, in 127/8; none: all there */
    size_t code_count;
};

#define AUTH_LISTS_MAX 32

struct auth_options {
    struct str authserv_id; /* in Authentication-Results: the host's name */

    enum auth_mode spf;  /* enforce: `fail` is refused; mark */
    enum auth_mode dkim; /* enforce: no valid signature is refused; mark */
    enum auth_mode arc;  /* enforce: a broken chain is refused; mark */
    /* With mark, these three quarantine what enforce would refuse. */
    enum auth_mode dmarc;          /* enforce: p=reject is obeyed; enforce */
    enum auth_mode authentication; /* neither SPF pass nor valid DKIM; enforce */
    enum auth_mode from;           /* not one From with one domain; enforce */

    const struct auth_list *lists;
    size_t list_count;

    /* Whose chain of custody is believed when it says that DMARC passed before them (RFC 8617 section 7);
     * domains in normal form, to match the d= of an ARC-Seal exactly. */
    const struct str *trusted_sealers;
    size_t trusted_sealer_count;

    /* Whose mail is neither refused nor quarantined, whatever the checks find: */
    const struct str
        *exempt_from; /* domains (and what is below them) or addresses, normal form */
    size_t exempt_from_count;
    const struct net_block *exempt_clients;
    size_t exempt_client_count;

    uint32_t client_timeout_ms;  /* for what is asked about the client: 5 s */
    uint32_t message_timeout_ms; /* for what is asked about a message: 20 s */

    bool scores_spam; /* by our own rules; true */
    /* Rspamd gives the score instead, our own stands in where it does not answer. enforce: it is obeyed; mark:
     * what it rejects is quarantined. */
    enum auth_mode rspamd;
    struct str rspamd_url;      /* "http://127.0.0.1:11333" */
    uint32_t rspamd_timeout_ms; /* 5 s */
};
