/* Who hosts run as: the user of host.yaml when the supervisor is root, with no capability and no way to gain one. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define PRIVILEGE_GROUPS_MAX 64

struct privilege {
    bool is_changed; /* false: hosts stay who the supervisor is */
    const char *user;
    uid_t uid;
    gid_t gid;
    gid_t groups[PRIVILEGE_GROUPS_MAX]; /* of that user: a key's group may be among them */
    int group_count;
};

/* Both names may be NULL. Asks the system's user database; an error when only root could change to that user. */
int privilege_find(const char *user, const char *group, struct privilege *privilege,
                   struct err *err);
/* Creates the folder, and gives it to that user when it is root's. */
int privilege_own_folder(const struct privilege *privilege, const char *path,
                         struct err *err);
/* Can the user open this file or folder for reading? 0, or the reason, which names both. */
int privilege_check_readable(const struct privilege *privilege, const char *path,
                             struct err *err);
/* In the host, before it reads anything: becomes that user, if it is to change, and gives up capabilities and the
 * gain of any by a later exec. */
int privilege_drop(const struct privilege *privilege, struct err *err);
