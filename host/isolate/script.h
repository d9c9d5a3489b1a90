/* The worker's script: loaded once, when the LOAD frame comes. */
#pragma once

#include "internal.h"

/* Loads the script of isolate->load and sends READY (true) or BROKEN (false). */
bool script_load(struct isolate *isolate);
