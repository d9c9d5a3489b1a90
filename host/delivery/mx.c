/* Where mail for a domain goes. A failure of DNS is temporary always: it must not bounce mail. */
#include "mx.h"

#include <stdlib.h>

#include "base/task.h"

/* Of each family; more would only make a dead host slower to give up. */
#define ADDRESSES_PER_FAMILY_MAX 8

/* --- hosts --- */

struct candidate {
    struct str name;
    uint16_t preference;
    uint32_t lot; /* decides among equals */
};

static int by_preference(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->preference != right->preference)
        return left->preference < right->preference ? -1 : 1;
    return (left->lot > right->lot) - (left->lot < right->lot);
}

static bool is_address(struct str name)
{
    struct net_address address;
    return net_address_parse(name, 0, &address) == 0;
}

static bool is_null_mx(const struct dns_answer *answer)
{
    return answer->count == 1 && answer->records[0].name.length == 0;
}

/* Sorts, and keeps the names up to our own (RFC 5321 section 5.1: else mail would go in circles). */
static void choose(const struct dns_answer *answer, struct str own_name,
                   struct arena *arena, struct mx_hosts *hosts)
{
    struct candidate *candidates = arena_array(arena, struct candidate, answer->count);
    uint32_t own_preference = UINT32_MAX;
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        if (str_equal_nocase(record->name, own_name) && record->preference < own_preference)
            own_preference = record->preference;
        if (record->name.length > 0 && !is_address(record->name))
            candidates[count++] =
                (struct candidate){record->name, record->preference, arc4random()};
    }
    qsort(candidates, count, sizeof *candidates, by_preference);
    hosts->names = arena_array(arena, struct str, count);
    for (size_t i = 0; i < count && candidates[i].preference < own_preference; i++)
        hosts->names[hosts->count++] = candidates[i].name;
}

static void use_domain_itself(struct str domain, struct arena *arena,
                              struct mx_hosts *hosts)
{
    hosts->names = arena_new_of(arena, struct str);
    hosts->names[0] = domain;
    hosts->count = 1;
}

static bool dns_has_failed(int asked, const struct dns_answer *answer, struct str name,
                           struct reply *why)
{
    if (asked == 0 && answer->status != DNS_FAILED)
        return false;
    *why = reply_make(451, "4.4.3", "DNS gives no answer for %.*s: %s", STR_ARG(name),
                      asked == 0 ? answer->why : "the time is over");
    return true;
}

bool mx_find(struct dns *dns, struct str domain, struct str own_name, struct arena *arena,
             struct mx_hosts *hosts, struct reply *why)
{
    struct dns_answer answer;
    *hosts = (struct mx_hosts){0};
    task_stage("asking for the MX of %.*s", STR_ARG(domain));
    int asked = dns_ask(dns, domain, DNS_MX, arena, &answer);
    if (dns_has_failed(asked, &answer, domain, why))
        return false;
    if (answer.status == DNS_NO_NAME)
        *why = reply_make(550, "5.1.2", "the domain %.*s does not exist", STR_ARG(domain));
    else if (answer.status == DNS_NO_RECORDS)
        use_domain_itself(domain, arena, hosts);
    else if (is_null_mx(&answer))
        *why = reply_make(556, "5.1.10", "%.*s takes no mail (null MX)", STR_ARG(domain));
    else
        choose(&answer, own_name, arena, hosts);
    if (answer.status == DNS_OK && hosts->count == 0 && !is_null_mx(&answer))
        *why = reply_make(554, "5.4.6", "no MX of %.*s is a host to deliver to",
                          STR_ARG(domain));
    return hosts->count > 0;
}

/* --- addresses --- */

struct address_question {
    struct dns *dns;
    struct str host;
    enum dns_type type;
    struct arena *arena;
    struct dns_answer answer;
};

static int ask_for_addresses(void *arg)
{
    struct address_question *question = arg;
    return dns_ask(question->dns, question->host, question->type, question->arena,
                   &question->answer);
}

static void take_turns(const struct address_question questions[2], uint16_t port,
                       struct mx_addresses *found)
{
    for (size_t i = 0; i < ADDRESSES_PER_FAMILY_MAX; i++) {
        for (size_t family = 0; family < 2; family++) {
            const struct dns_answer *answer = &questions[family].answer;
            if (answer->status != DNS_OK || i >= answer->count)
                continue;
            struct net_address *address = &found->addresses[found->count++];
            *address = answer->records[i].address;
            /* the port is at the same place in both families */
            address->socket.v4.sin_port = htons(port);
        }
    }
}

static bool use_address_itself(const struct mx_host *host, struct arena *arena,
                               struct mx_addresses *found)
{
    struct net_address address;
    if (net_address_parse(host->name, host->port, &address) < 0)
        return false;
    found->addresses = arena_new_of(arena, struct net_address);
    found->addresses[0] = address;
    found->count = 1;
    return true;
}

bool mx_find_addresses(struct dns *dns, const struct mx_host *host, struct arena *arena,
                       struct mx_addresses *found, struct reply *why)
{
    *found = (struct mx_addresses){0};
    if (use_address_itself(host, arena, found))
        return true;
    struct address_question questions[2] = {
        {dns, host->name, DNS_AAAA, arena, {.status = DNS_NO_RECORDS}},
        {dns, host->name, DNS_A, arena, {.status = DNS_NO_RECORDS}},
    };
    struct task_job jobs[2] = {{ask_for_addresses, &questions[0], 0},
                               {ask_for_addresses, &questions[1], 0}};
    task_stage("asking for the address of %.*s", STR_ARG(host->name));
    if (host->use_ipv6)
        task_gather("address", jobs, 2);
    else
        jobs[1].result = ask_for_addresses(&questions[1]);
    found->addresses = arena_array(arena, struct net_address, 2 * ADDRESSES_PER_FAMILY_MAX);
    take_turns(questions, host->port, found);
    if (found->count > 0)
        return true;
    for (size_t i = 0; i < 2; i++)
        if (dns_has_failed(jobs[i].result, &questions[i].answer, host->name, why))
            return false;
    *why =
        reply_make(550, "5.4.4", "the mail host %.*s has no address", STR_ARG(host->name));
    return false;
}
