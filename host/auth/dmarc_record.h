/* A DMARC policy record (RFC 9989 sections 4.7 and 4.8), as published at "_dmarc.<domain>". */
#pragma once

#include <stdbool.h>

#include "auth/verdict.h"
#include "base/arena.h"
#include "base/str.h"

/* Reporting addresses past these are not kept. */
#define DMARC_REPORT_URIS_MAX      8
#define DMARC_REPORT_URI_BYTES_MAX 512

enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_NO, DMARC_PSD_YES };

/* What a policy tag says. */
enum dmarc_request {
    DMARC_REQUEST_ABSENT,
    DMARC_REQUEST_INVALID,
    DMARC_REQUEST_NONE,
    DMARC_REQUEST_QUARANTINE,
    DMARC_REQUEST_REJECT,
};

struct dmarc_record {
    enum dmarc_request policy, subdomain_policy, nonexistent_policy; /* p, sp, np */
    enum dmarc_psd psd;
    bool is_test;                       /* t=y */
    bool is_dkim_strict, is_spf_strict; /* adkim=s, aspf=s */
    struct str report_aggregate,
        report_failure; /* valid URIs, "," between; empty if none */
};

/* True if `text` is a DMARC record at all: its first tag is v=DMARC1. */
bool dmarc_record_is_one(struct str text);

/* Reads such a record; any bytes may follow the version. Unknown tags and those of RFC 7489 that are
 * historic (pct, rf, ri) are ignored, as are values that are no such (but those of policies are told);
 * of a tag that stands there twice the first counts. What it keeps is in the arena. */
void dmarc_record_parse(struct str text, struct arena *arena, struct dmarc_record *record);

/* RFC 9989 section 4.10.1: p is missing or invalid, or sp or np invalid. With a reporting address the
 * record then counts as p=none (dmarc_record_parse has made it so); false: it does not count at all. */
bool dmarc_record_is_usable(const struct dmarc_record *record);
