#include "activity_fields.h"

#define TEXT_MAX    1000
#define ACTIONS_MAX 8192
#define TRAIL_MAX   32768

#define ROW(member)                                                                        \
    {                                                                                      \
        offsetof(struct store_activity, member), TEXT_MAX, false                           \
    }
#define ATTEMPT(member)                                                                    \
    {                                                                                      \
        offsetof(struct store_attempt, member), TEXT_MAX, false                            \
    }

const struct store_fields store_activity_fields = {
    20,
    {ROW(message_id),
     ROW(recipient),
     ROW(from),
     ROW(subject),
     ROW(header_message_id),
     ROW(client),
     ROW(helo),
     ROW(spf),
     ROW(dkim),
     ROW(dmarc),
     ROW(arc),
     ROW(rule),
     ROW(worker),
     ROW(worker_version),
     ROW(worker_outcome),
     ROW(action),
     ROW(status),
     ROW(reply),
     {offsetof(struct store_activity, actions), ACTIONS_MAX, true},
     {offsetof(struct store_activity, trail), TRAIL_MAX, true}}};

const struct store_fields store_attempt_fields = {
    8,
    {ATTEMPT(message_id), ATTEMPT(recipient), ATTEMPT(destination), ATTEMPT(peer),
     ATTEMPT(tls), ATTEMPT(reply), ATTEMPT(failure_class), ATTEMPT(status)}};

const struct str *store_field_of(const void *thing, const struct store_field *field)
{
    return (const struct str *)(const void *)((const char *)thing + field->offset);
}

struct str *store_field_of_copy(void *thing, const struct store_field *field)
{
    return (struct str *)(void *)((char *)thing + field->offset);
}
