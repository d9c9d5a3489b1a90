/* The words of others in a notice: nothing in them can end a field, and a forwarding does not tell its destination. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "delivery/notice.h"

enum words_charset { WORDS_ASCII, WORDS_UTF8 };

/* One line of printable characters with '?' for all others, in words of at most 600 bytes, cut off after `bytes_max`
 * (at most 2,000). In the arena. */
struct str words_clean(struct str text, enum words_charset charset, size_t bytes_max,
                       struct arena *arena);

/* Whether the message went on to another address than the one it came for, which is nobody's business but the
 * recipient's. */
bool words_must_hide(const struct notice_recipient *recipient, struct arena *arena);

/* `text` with the address at this host in place of the destination's, and "(hidden)" in place of the destination's
 * domain and of hosts in it. A peer outside of its customer's domain can still give away who it is. In the arena. */
struct str words_hide(struct str text, const struct notice_recipient *recipient,
                      struct arena *arena);
