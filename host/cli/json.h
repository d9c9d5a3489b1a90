/* JSON of what mail says. */
#pragma once

#include <jansson.h>

#include "base/str.h"

/* Mail is bytes; JSON is UTF-8: what is not UTF-8 is read as Latin-1, so that nothing is left out. */
json_t *cli_json_bytes(struct str bytes);

/* Prints it for people and programs, and lets go of it. */
void cli_json_print(json_t *json);

/* A member of an object; 0 or "" when it is not there or something else. */
long long cli_json_number(const json_t *object, const char *key);
const char *cli_json_text(const json_t *object, const char *key);
