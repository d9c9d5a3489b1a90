/* Tells a task that something in a directory has changed: files written, created, renamed into place or
 * removed. A burst of changes is one, reported once it is quiet again. */
#pragma once

#include <stdint.h>

#include "err.h"

struct watch;

struct watch *watch_open(struct err *err);
/* Watches the entries of the directory itself, not of those below it; adding it again changes nothing.
 * Returns 0, or a negative errno value: then, as when the directory goes away later, its path is tried
 * again while somebody waits, and its coming is a change. */
int watch_add(struct watch *watch, const char *directory);
/* Waits until something has changed and no more has for 100 ms (under steady change: for 1 s): 0,
 * -ETIMEDOUT or -ECANCELED. A change that nobody waited for is told to the next who waits. */
int watch_wait(struct watch *watch, uint64_t deadline_ms);
/* NULL is ignored; a task that waits gets -ECANCELED. */
void watch_close(struct watch *watch);
