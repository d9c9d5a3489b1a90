/* Encoded words (RFC 2047) for people to read. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* `text` with its encoded words in UTF-8; blanks between two of them go. A word that is malformed, of a character set
 * that is not known, or not well formed in it stays as it stands; so do all other bytes, whatever they are: the result
 * is as hostile as the text. In the arena. */
struct str decode_words(struct str text, struct arena *arena);
