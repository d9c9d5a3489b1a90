/* A MIME field with parameters (RFC 2045 section 5.1, RFC 2231), such as Content-Type, read as tolerantly as
 * mail needs: values without quotes may hold blanks, and encoded words. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

#define MIME_PARAMETERS_MAX 64

struct mime_parameter {
    struct str name;  /* lower case, without RFC 2231's "*" and number */
    struct str value; /* UTF-8 if the sender's character set was right */
};

struct mime_parameters {
    struct str value; /* what stands in front: "text/plain", "attachment"; lower case */
    struct mime_parameter items[MIME_PARAMETERS_MAX];
    size_t count;
    bool
        is_broken; /* something was odd: an unknown character set, more than MIME_PARAMETERS_MAX, … */
};

/* Reads a field's value, folded or not; all of the result is in the arena. */
void mime_parameters_read(struct str field, struct arena *arena,
                          struct mime_parameters *parameters);
/* The value of a parameter; an empty view when there is none. */
struct str mime_parameter(const struct mime_parameters *parameters, const char *name);
