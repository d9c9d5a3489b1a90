/* Whether a file system has room left, for who must say so before it is too late: asked often, it answers at once
 * with what it knew up to a second ago. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct space;

/* Watches the file system of `directory`, where at least so much is to be free for us (the part kept for root is
 * not). Asks it once: blocks. */
struct space *space_open(const char *directory, uint64_t bytes_min, uint64_t inodes_min);
/* NULL is ignored. */
void space_free(struct space *space);

/* In a process with tasks. A file system that cannot be asked is low; one that does not count inodes (btrfs) is
 * never low on them. */
bool space_is_low(struct space *space);
