/* A header field of HTTP. */
#pragma once

#include "base/str.h"

struct http_field {
    const char *name;
    struct str value;
};
