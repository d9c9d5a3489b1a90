/* Words that advertisements and swindles use and letters hardly do, as a table. */
#pragma once

#include "base/str.h"

#define SPAM_PHRASES_TENTHS_MAX 24U

/* The sum of the scores of the phrases that are in `text`, each once, in tenths up to SPAM_PHRASES_TENTHS_MAX.
 * `text` is in lower case, with one blank between words. `*first` becomes the weightiest, or "". */
unsigned spam_phrases_score(struct str text, const char **first);
