/* `postern status`: status.c asks the hosts and adds up, status_print.c prints. */
#pragma once

#include <jansson.h>

/* The sum of the hosts' reports. */
void status_print(const json_t *report);
