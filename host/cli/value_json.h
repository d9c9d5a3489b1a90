/* Values of scripts as JSON, and back. */
#pragma once

#include <jansson.h>

#include "worker/wire.h"

/* A table with the keys 1, 2, 3 … is a list, another one an object whose keys are texts. Bytes that are no UTF-8 are read
 * as Latin-1. */
json_t *cli_json_of_value(const struct value *value);
/* The same of what value_decode reads; a text that says so when it is none. */
json_t *cli_json_of_value_bytes(struct str bytes);
/* Writes it as a value: 0 or -ENOBUFS. null is nil. */
int cli_value_of_json(const json_t *json, struct buf *out);
