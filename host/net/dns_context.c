/* How libunbound asks. It is made for the servers of the whole tree, and learns of each how long it may take: a server
 * whose answers stay out is waited for ever longer and, from 12 s on, is asked no more but by one question at a time;
 * all others fail at once. A forwarder answers for everybody's names, though, and is silent for those whose own servers
 * are. So:
 *
 *     one forwarder    each try waits FORWARDER_MS, whatever was silent before: nothing is learned
 *     several          they are chosen by what is learned, which is forgotten after a second
 *     none: the roots  as libunbound does it */
#include "net/dns_context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unbound.h>
#include <unistd.h>

#define RESOLV_CONF  "/etc/resolv.conf"
#define FORWARDER_MS "5000" /* as the C library's resolver does */

struct setting {
    const char *name, *value;
};

static const struct setting common[] = {
    {"do-not-query-localhost:", "no"}, /* a resolver on this machine */
    {"unblock-lan-zones:", "yes"},     /* the resolver may know private reverse names */
    {"infra-keep-probing:", "yes"},    /* a resolver that was down is soon back */
    {"outgoing-range:", "1024"},       /* a question that waits holds one */
    {"num-queries-per-thread:", "1024"},
    {"msg-cache-size:", "8m"},
    {"rrset-cache-size:", "16m"},
    {"cache-max-negative-ttl:", "300"},
    {NULL, NULL},
};

static const struct setting any_forwarders[] = {
    {"infra-host-ttl:", "1"},
    {NULL, NULL},
};

static const struct setting one_forwarder[] = {
    {"infra-cache-min-rtt:", FORWARDER_MS},
    {"infra-cache-max-rtt:", FORWARDER_MS},
    {NULL, NULL},
};

static int set_all(struct ub_ctx *unbound, const struct setting *settings, struct err *err)
{
    for (; settings->name; settings++)
        if (ub_ctx_set_option(unbound, settings->name, settings->value) != 0)
            return err_set(err, -EINVAL, "libunbound knows no %s", settings->name);
    return 0;
}

/* As many as libunbound will find there. */
static size_t count_name_servers(void)
{
    char line[1024];
    size_t count = 0;
    FILE *file = fopen(RESOLV_CONF, "re");
    while (file && fgets(line, sizeof line, file))
        count += strncmp(line + strspn(line, " \t"), "nameserver", 10) == 0;
    if (file)
        fclose(file);
    return count;
}

static int set_forwarders(struct ub_ctx *unbound, const struct dns_options *options,
                          struct err *err)
{
    size_t count = options->resolver ? 1 : count_name_servers();
    if (!options->resolver)
        ub_ctx_resolvconf(unbound, RESOLV_CONF); /* without one: from the roots */
    else if (ub_ctx_set_fwd(unbound, options->resolver) != 0)
        return err_set(err, -EINVAL,
                       "resolver \"%s\": expected \"192.0.2.1\" or \"192.0.2.1@53\"",
                       options->resolver);
    int result = count ? set_all(unbound, any_forwarders, err) : 0;
    return result == 0 && count == 1 ? set_all(unbound, one_forwarder, err) : result;
}

int dns_context_configure(struct ub_ctx *unbound, const struct dns_options *options,
                          struct err *err)
{
    int result = set_all(unbound, common, err);
    if (result < 0)
        return result;
    if (options->trust_anchor_file && access(options->trust_anchor_file, R_OK) != 0)
        return err_set(err, -errno, "%s: %s", options->trust_anchor_file, strerror(errno));
    if (options->trust_anchor_file)
        ub_ctx_add_ta_file(unbound, options->trust_anchor_file);
    else
        ub_ctx_set_option(unbound, "module-config:", "iterator");
    result = set_forwarders(unbound, options, err);
    if (result < 0)
        return result;
    ub_ctx_debugout(unbound, NULL);
    ub_ctx_async(unbound, 1);
    /* Built in, libunbound answers below "test." by itself; closed networks use it. This call also puts
     * the settings into effect. */
    int failure = ub_ctx_zone_remove(unbound, "test.");
    if (failure)
        return err_set(err, -EINVAL, "libunbound: %s", ub_strerror(failure));
    return 0;
}
