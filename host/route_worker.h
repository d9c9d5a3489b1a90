/* What the files of a worker's part of the walk share. */
#pragma once

#include "route.h"

/* forward(): checks what the worker's script asks for, sends, and answers. */
void route_worker_forward(struct passage *passage, struct outcome *outcome,
                          const struct config_worker *worker,
                          const struct worker_forward *asked, struct arena *arena,
                          struct worker_answer *answer);

/* The answers to calls: what is not done, and what has become of a leg. */
void route_worker_refuse(struct worker_answer *answer, const char *code, struct str text);
void route_worker_answer(const struct leg *leg, struct arena *arena,
                         struct worker_answer *answer);
