/* libunbound's settings. */
#pragma once

#include "base/err.h"
#include "net/dns.h"

struct ub_ctx;

/* Settles all there is to settle before the first question. Reads files. Returns 0, or -EINVAL and others with words. */
int dns_context_configure(struct ub_ctx *unbound, const struct dns_options *options,
                          struct err *err);
