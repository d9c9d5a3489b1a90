/* What several operations do with the rows of legs, messages and destinations, within a transaction. */
#pragma once

#include "body.h"
#include "query.h"
#include "store.h"

/* Of its envelope, which must not be another one when it is sent. */
void store_leg_checksum(const struct store_leg *leg, struct str message_id,
                        struct str reverse_path,
                        unsigned char checksum[STORE_CHECKSUM_BYTES]);

/* The owner of those that came and have not been due yet. Free legs are in order of their destinations, so that each
 * would change another page; these are in order of their times, which are much the same for those that come at the same
 * time. Whoever frees one takes it from here; once due, they are freed many at a time. */
#define STORE_ARRIVALS 0
/* Frees those that are due, ARRIVALS_FREED_MAX at most. */
int store_arrivals_free(struct store_database *database, uint64_t now_ms);

/* A leg has become free: its destination waits for it. Nothing for one that is not free. */
int store_destination_wait_for_leg(struct store_database *database, uint64_t leg_id);

int store_leg_delete(struct store_database *database, uint64_t leg_id);

/* The columns of a leg with its message, for store_leg_take. Conditions follow. */
#define STORE_LEG_SELECT                                                                   \
    "SELECT leg.id, message.id, leg.recipient, leg.destination, leg.original, leg.orcpt,"  \
    " leg.notify, leg.next_ms, leg.attempts, leg.is_delay_told, leg.state,"                \
    " leg.last_reply, leg.last_peer, leg.created_ms, message.bytes, owner.name,"           \
    " message.reverse_path, leg.checksum"                                                  \
    " FROM leg JOIN message ON message.number = leg.message"                               \
    " LEFT JOIN owner ON owner.number = leg.owner"
/* One whose envelope is not what it was is STORE_SET_ASIDE, whatever its row says. */
void store_leg_take(struct store_query *query, struct arena *arena, struct store_leg *leg);

/* Takes the message out when it has no leg left. `*file` is then its id (in the arena) when its content was in a file,
 * which is to be removed once this is committed. */
int store_message_end(struct store_database *database, uint64_t number, struct arena *arena,
                      struct str *file);

/* Makes legs free whose owner's lease has ended. */
int store_owner_reap(struct store_database *database, uint64_t now_ms);
/* Makes free what this owner has, and forgets it. */
int store_owner_end(struct store_database *database, uint64_t number);
