/* Text from strangers, for a terminal. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* What a terminal would obey or turn round (control bytes, C1, bidirectional overrides, zero-width characters, separators
 * of lines) is shown escaped, as "\x1b" or "\u202e"; so are bytes that are no UTF-8. In the arena. */
const char *printable(struct str text, struct arena *arena);
/* The same, cut to so many characters, the last of which is then an ellipsis. */
const char *printable_cut(struct str text, size_t characters_max, struct arena *arena);
/* How many places it takes, one for each character. */
size_t printable_width(const char *text);
