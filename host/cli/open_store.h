/* The store of a rules directory, for commands that look into it by hand: they work whether or not the service runs. */
#pragma once

#include "base/arena.h"
#include "store/store.h"

/* In a task. What the store reports goes to standard error behind `command` ("postern log"), which must stay; NULL with
 * the reason, also when nothing was ever kept there. */
struct store *cli_open_store(const char *command, const char *directory,
                             struct arena *arena, struct err *err);
