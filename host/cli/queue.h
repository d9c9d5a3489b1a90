/* What `postern queue` prints. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

void cli_queue_print_list_head(void);
void cli_queue_print_list_row(const struct store_leg *leg);
void cli_queue_print_sum(const struct store_queue_sum *sum);
/* {"recipients": […], "sum": {…}} */
void cli_queue_print_list_json(const struct store_leg legs[], size_t count,
                               const struct store_queue_sum *sum);

/* One message, its recipients and what became of them. `message` is NULL when it is corrupt. */
void cli_queue_print_message(const struct store_message *message,
                             const struct store_leg legs[], size_t count);
void cli_queue_print_message_json(const struct store_message *message,
                                  const struct store_leg legs[], size_t count);
