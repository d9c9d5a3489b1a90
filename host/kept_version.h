/* The version of a script that a new one is tried beside (rollout.h), kept in the state folder for as long as that takes: a host
 * that starts meanwhile tries both too, and does not give the new one all messages. Kept are script and modules;
 * variables and bindings are then those of host.yaml. */
#pragma once

#include "config.h"

/* The file, in the arena. */
const char *kept_version_path(const struct config *config, struct str worker,
                              struct arena *arena);
/* Brings what is kept in line with the snapshot that has taken effect: writes what its new rollouts need, and removes the rest. On any
 * thread; blocks. What cannot be written is not kept. */
void kept_versions_update(const struct config *config);
/* What is kept for just this version of the script, in the memory of its snapshot and without a `worker` of its own yet; or
 * NULL. Blocks. */
struct config_worker *kept_version_read(const struct config_worker *worker);
