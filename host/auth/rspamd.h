/* What an Rspamd that runs beside us says of a message (POST /checkv2): its score, and what it would do. When it
 * is down or slow, mail goes on without it. */
#pragma once

#include <stdint.h>

#include "auth/verdict.h"
#include "base/arena.h"
#include "base/err.h"
#include "mail/message.h"
#include "net/http_client.h"

/* How its place is written: "http://127.0.0.1:11333", with or without a slash at the end, which is left out of
 * *url. 0 or -EINVAL. */
int auth_rspamd_url(struct str text, struct str *url);

/* Asks about the message and fills in `rspamd`, in the message's arena: an answer, or the reason why there is
 * none. Returns 0, or -ECANCELED. */
int auth_rspamd_check(struct http_client *client, struct str url,
                      const struct message *message, uint64_t deadline_ms,
                      struct auth_rspamd *rspamd);

/* Reads an answer's JSON: 0, or -EBADMSG with `err` when it is not one of /checkv2. Texts are in the arena,
 * printable ASCII and bounded. */
int auth_rspamd_parse(struct str json, struct arena *arena, struct auth_rspamd *rspamd,
                      struct err *err);

/* Fills in the verdict's `spam_score` (5 where Rspamd rejects) and `spam_reasons` from its `rspamd`, which has
 * answered. */
void auth_rspamd_score(struct arena *arena, struct auth_verdict *verdict);
