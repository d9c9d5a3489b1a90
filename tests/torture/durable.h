/* What would be left if the power failed now: a copy of each file as it was when it was last fsynced, under the name that
 * its directory had for it when that was last fsynced. */
#pragma once

/* Copies go into `directory`: <inode> for a file's content, <inode>.names for a directory's "name inode" lines. */
void durable_begin(const char *directory);
/* `fd`, a file or a directory, has just been fsynced. */
void durable_keep(int fd);
/* `path` is about to be unlinked: another file may come to have its inode, if this was its only name. */
void durable_forget(const char *path);
