/* What refusals say: phrases of the large providers and of the usual servers, with what each of them means. */
#pragma once

#include <stddef.h>

#include "delivery/failure.h"

struct failure_text {
    const char *phrase; /* in lower case, one blank between words */
    enum failure_class failure;
};

/* The first one that occurs decides: what is told apart stands in front of what is less certain. */
extern const struct failure_text failure_texts[];
extern const size_t failure_text_count;
