/* The spam score of an Rspamd that runs beside us, by its HTTP interface (POST /checkv2). */
#pragma once

#include <stdint.h>

#include "auth/verdict.h"
#include "base/arena.h"
#include "base/err.h"
#include "mail/message.h"

/* How its place is written: "http://127.0.0.1:11333", an IP address with a port. 0 or -EINVAL. */
int auth_rspamd_address(struct str url, struct net_address *address);

/* Asks about the message: its score, of what Rspamd rejects at, becomes `spam_score` (0 to 5), its action and
 * symbols `spam_reasons` (in the message's arena). Returns 0; or, with the verdict as it was and `err` filled
 * in, a negative errno value: no connection, no answer in time, an answer that is none. */
int auth_rspamd_score(const struct net_address *rspamd, const struct message *message,
                      uint64_t deadline_ms, struct auth_verdict *verdict, struct err *err);
