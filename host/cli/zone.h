/* Records that an administrator is to publish, and what DNS answers for them. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "delivery/key_ring.h"
#include "net/dns.h"

enum zone_purpose { ZONE_MX, ZONE_SPF, ZONE_DKIM, ZONE_DMARC };

enum zone_verdict {
    ZONE_UNASKED,
    ZONE_OK,
    ZONE_MISSING,
    ZONE_DIFFERS,
    ZONE_UNKNOWN, /* DNS did not answer */
};

struct zone_record {
    enum zone_purpose purpose;
    struct str name;  /* without the final dot */
    struct str value; /* the text; of MX "10 mx.ours.test." */
    enum zone_verdict verdict;
    const char *reason;    /* why not ok */
    struct str *published; /* what DNS answers of this kind */
    size_t published_count;
};

struct zone_record zone_key_record(const struct signing_key *key, struct arena *arena);

/* Whom is asked, for which domain, and the host that its mail comes to and leaves from. */
struct zone_check {
    struct dns *dns;
    struct arena *arena;
    struct str domain, host_name;
};

/* Fills in verdict, reason and what is published of each; asks for all at once. Returns 0 or -ECANCELED. */
#define ZONE_RECORDS_MAX 16
int zone_check(const struct zone_check *check, struct zone_record records[], size_t count);

/* A line of a zone file; text in strings of at most 255 bytes. */
void zone_print(const struct zone_record *record);
/* What was answered, and the verdict. */
void zone_print_check(const struct zone_record *record);
json_t *zone_json(const struct zone_record *record);
