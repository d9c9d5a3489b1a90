/* How SMTP's DSN parameters write what a parameter's value may not hold: xtext (RFC 3461 section 4) and its
 * form for addresses in UTF-8 (RFC 6533 section 3). */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* Decodes into the arena: 0, or -EINVAL for what is no xtext (a blank, "=", a byte above 126, "+" without two
 * hexadecimal digits). The result may hold any bytes below 256. */
int xtext_decode(struct str text, struct arena *arena, struct str *decoded);
/* Any bytes, as xtext. */
struct str xtext_encode(struct str bytes, struct arena *arena);

/* utf-8-addr-xtext and utf-8-addr-unitext: 0, or -EINVAL. The result is valid UTF-8 and may hold control
 * characters. */
int xtext_decode_utf8(struct str text, struct arena *arena, struct str *decoded);
/* UTF-8 as utf-8-addr-xtext: ASCII, which every peer takes. Malformed bytes become U+FFFD. */
struct str xtext_encode_utf8(struct str text, struct arena *arena);
