#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int no_such(struct err *err, const char *kind, const char *name)
{
    return err_set(err, -ENOENT, "%s: there is no %s \"%s\" on this machine", kind, kind,
                   name);
}

int privilege_find(const char *user, const char *group, struct privilege *privilege,
                   struct err *err)
{
    *privilege = (struct privilege){.user = user};
    if (!user)
        return group ? err_set(err, -EINVAL, "group: needs `user:` too") : 0;
    const struct passwd *person = getpwnam(user);
    if (!person)
        return no_such(err, "user", user);
    privilege->uid = person->pw_uid;
    privilege->gid = person->pw_gid;
    const struct group *named = group ? getgrnam(group) : NULL;
    if (group && !named)
        return no_such(err, "group", group);
    if (named)
        privilege->gid = named->gr_gid;
    privilege->group_count = PRIVILEGE_GROUPS_MAX;
    if (getgrouplist(user, privilege->gid, privilege->groups, &privilege->group_count) < 0)
        return err_set(err, -E2BIG, "user: %s is in more than %d groups", user,
                       PRIVILEGE_GROUPS_MAX);
    if (geteuid() != 0 && geteuid() != privilege->uid)
        return err_set(err, -EPERM, "user: only root can change to %s", user);
    privilege->is_changed = geteuid() == 0 && privilege->uid != 0;
    return 0;
}

int privilege_own_folder(const struct privilege *privilege, const char *path,
                         struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!privilege->is_changed)
        return 0;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat facts = {0};
    int result = folder < 0 || fstat(folder, &facts) < 0 ? -errno : 0;
    if (result == 0 && facts.st_uid == 0 &&
        fchown(folder, privilege->uid, privilege->gid) < 0)
        result = -errno;
    if (folder >= 0)
        close(folder);
    return result < 0 ? err_set(err, result, "%s: %s", path, strerror(-result)) : 0;
}

/* --- reading as that user --- */

static int open_as(const struct privilege *privilege, const char *path)
{
    gid_t groups[PRIVILEGE_GROUPS_MAX];
    gid_t gid = getegid();
    int group_count = getgroups(PRIVILEGE_GROUPS_MAX, groups);
    int result = -EPERM;
    if (group_count < 0)
        return -errno;
    if (setgroups((size_t)privilege->group_count, privilege->groups) == 0 &&
        setegid(privilege->gid) == 0 && seteuid(privilege->uid) == 0) {
        int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        result = file < 0 ? -errno : 0;
        if (file >= 0)
            close(file);
    }
    if (seteuid(0) < 0 || setegid(gid) < 0 || setgroups((size_t)group_count, groups) < 0)
        result = -errno;
    return result;
}

int privilege_check_readable(const struct privilege *privilege, const char *path,
                             struct err *err)
{
    if (!privilege->is_changed)
        return 0;
    int result = open_as(privilege, path);
    return result < 0 ? err_set(err, result, "%s cannot be read by user %s: %s", path,
                                privilege->user, strerror(-result))
                      : 0;
}

/* --- dropping --- */

static int change_user(const struct privilege *privilege)
{
    if (setgroups((size_t)privilege->group_count, privilege->groups) < 0 ||
        setresgid(privilege->gid, privilege->gid, privilege->gid) < 0 ||
        setresuid(privilege->uid, privilege->uid, privilege->uid) < 0)
        return -errno;
    /* The change of user has made the process one that leaves no core dump. */
    return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

/* The supervisor may hold CAP_NET_BIND_SERVICE; hosts open no ports. */
static int give_up_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, none) < 0)
        return -errno;
    return 0;
}

int privilege_drop(const struct privilege *privilege, struct err *err)
{
    int result = privilege->is_changed ? change_user(privilege) : 0;
    if (result == 0 && geteuid() != 0)
        result = give_up_capabilities();
    if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        result = -errno;
    return result < 0
               ? err_set(err, result, "cannot give up privileges: %s", strerror(-result))
               : 0;
}
