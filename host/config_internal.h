/* Shared by config.c (host.yaml) and config_workers.c (the scripts). */
#pragma once

#include "config.h"

extern const struct option_table config_worker_options;

/* Reads `workers:` (may be NULL). */
void config_read_workers(struct config *config, struct node *section,
                         struct problem_list *problems);
/* The worker of this name, declared in host.yaml or simply a script <name>.lua in the scripts folder; NULL if
 * there is neither. Problems of the script's file are reported at `where` (may be NULL). */
struct config_worker *config_find_worker(struct config *config, struct str name,
                                         struct problem_list *problems);
/* Adds a worker for one script file, named at `where` (may be NULL) in host.yaml. */
struct config_worker *config_add_worker(struct config *config, struct str name,
                                        const char *path, const struct node *where,
                                        struct problem_list *problems);
/* `path` as it stands when absolute, else within `base`: in the arena. */
const char *config_path(struct config *config, const char *base, const char *path);
