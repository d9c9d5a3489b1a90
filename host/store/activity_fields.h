/* The texts of the activity log's rows: where they are in the struct, which column, and how long they may be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

#define STORE_FIELDS_MAX 20

struct store_field {
    size_t offset;
    size_t length_max;
    bool is_whole; /* a part of it would be of no use: left out when too long */
};

struct store_fields {
    size_t count;
    struct store_field fields[STORE_FIELDS_MAX];
};

extern const struct store_fields store_activity_fields;
extern const struct store_fields store_attempt_fields;

/* The columns, the texts first, in the order of the fields. */
#define STORE_ACTIVITY_COLUMNS                                                             \
    "message_id, recipient, sender, subject, header_message_id, client, helo, spf, dkim,"  \
    " dmarc, arc, rule, worker, worker_version, worker_outcome, action, status, reply,"    \
    " actions, trail, time_ms, bytes, spam_score"
#define STORE_ATTEMPT_COLUMNS                                                              \
    "message_id, recipient, destination, peer, tls, reply, failure_class, status, "        \
    "time_ms,"                                                                             \
    " duration_ms"

const struct str *store_field_of(const void *thing, const struct store_field *field);
struct str *store_field_of_copy(void *thing, const struct store_field *field);
