/* UTF-8 (RFC 3629) as mail meets it: hostile until checked. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

bool utf8_is_ascii(struct str s);
/* No stray or missing continuation byte, no overlong form, no surrogate, nothing above U+10FFFF. */
bool utf8_is_valid(struct str s);
/* The bytes of the character at the start of `s`: 1-4, or 0 when it is malformed or `s` is empty. */
size_t utf8_character_bytes(struct str s);
/* At most the first so many bytes, without a part of a character at the end. */
struct str utf8_cut(struct str s, size_t bytes_max);
