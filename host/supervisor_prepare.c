/* What the supervisor does before its loop runs, as root if it was started so: whom the hosts run as and whether they
 * can read what they need, the state folder, and the sockets of every host. */
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "supervised.h"
#include "supervisor_hosts.h"

#include "base/mem.h"
#include "net/listening_socket.h"

/* --- files --- */

static int check_one(const struct privilege *privilege, const char *path, struct err *err)
{
    struct err reason = {0};
    int result = privilege_check_readable(privilege, path, &reason);
    if (result < 0 && result != -ENOENT) /* what is not there, the host tells better */
        return err_set(err, result, "%s", reason.text);
    return 0;
}

static int check_keys(const struct supervisor *supervisor, struct err *err)
{
    struct arena *arena = arena_new();
    const struct config *config = supervisor->config;
    const char *pattern = arena_printf(arena, "%s/*/*.pem", config->keys_directory);
    glob_t found;
    int result = 0;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
            result = check_one(&supervisor->privilege, found.gl_pathv[i], err);
        globfree(&found);
    }
    arena_free(arena);
    return result;
}

/* What hosts read, but the supervisor's root could read for itself only. */
static int check_files(const struct supervisor *supervisor, struct err *err)
{
    const struct privilege *privilege = &supervisor->privilege;
    const struct config *config = supervisor->config;
    int result = check_one(privilege, config->directory, err);
    if (result == 0)
        result = check_one(privilege, config->scripts_directory, err);
    for (size_t i = 0; i < config->certificate_count && result == 0; i++) {
        result = check_one(privilege, config->certificates[i].chain_file, err);
        if (result == 0)
            result = check_one(privilege, config->certificates[i].key_file, err);
    }
    return result == 0 ? check_keys(supervisor, err) : result;
}

/* --- sockets --- */

/* Sockets that share a port do not mind another service's: that is found out here. */
static int check_port_is_free(const struct net_address *address, struct err *err)
{
    if (net_address_port(address) == 0)
        return 0;
    int probe = net_listening_socket_open(address, NET_SOCKET_ALONE, err);
    if (probe >= 0)
        close(probe);
    return probe < 0 ? probe : 0;
}

static int prepare_listeners(struct supervisor *supervisor, struct err *err)
{
    const struct smtp_options *smtp = &supervisor->config->smtp;
    const struct http_options *http = &supervisor->config->http;
    size_t count = smtp->listener_count + http->listener_count;
    if (count > SUPERVISED_SOCKETS_MAX)
        return err_set(err, -E2BIG, "listen: more than %d listeners",
                       SUPERVISED_SOCKETS_MAX);
    supervisor->smtp_listener_count = smtp->listener_count;
    supervisor->listener_count = count;
    supervisor->addresses = mem_zero(count, sizeof *supervisor->addresses);
    for (size_t i = 0; i < smtp->listener_count; i++)
        supervisor->addresses[i] = smtp->listeners[i].address;
    for (size_t i = 0; i < http->listener_count; i++)
        supervisor->addresses[smtp->listener_count + i] = http->listeners[i].address;
    for (size_t i = 0; i < count; i++)
        if (check_port_is_free(&supervisor->addresses[i], err) < 0)
            return err->code;
    return 0;
}

/* --- hosts --- */

static unsigned core_count(void)
{
    cpu_set_t cores;
    unsigned count =
        sched_getaffinity(0, sizeof cores, &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
    return count > SHARED_HOSTS_MAX ? SHARED_HOSTS_MAX : count;
}

static int prepare_hosts(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->config;
    unsigned count = config->host_count ? config->host_count : core_count();
    supervisor->hosts = mem_zero(count, sizeof *supervisor->hosts);
    supervisor->shared = shared_new(count, &supervisor->shared_fd, err);
    if (!supervisor->shared)
        return err->code;
    for (; supervisor->host_count < count; supervisor->host_count++) {
        unsigned number = supervisor->host_count;
        if (hosted_open(&supervisor->hosts[number], supervisor, number, err) < 0) {
            hosted_close(&supervisor->hosts[number]);
            return err->code;
        }
    }
    return 0;
}

int supervisor_prepare(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->config;
    if (privilege_find(config->user, config->group, &supervisor->privilege, err) < 0 ||
        check_files(supervisor, err) < 0)
        return err->code;
    if (privilege_own_folder(&supervisor->privilege, config->state_directory, err) < 0)
        return err_prefix(err, "state");
    if (prepare_listeners(supervisor, err) < 0)
        return err->code;
    return prepare_hosts(supervisor, err);
}

void supervisor_release(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->host_count; i++)
        hosted_close(&supervisor->hosts[i]);
    free(supervisor->hosts);
    free(supervisor->addresses);
    shared_unmap(supervisor->shared);
    if (supervisor->shared_fd >= 0)
        close(supervisor->shared_fd);
    config_release(supervisor->config);
}
