/* RFC 5782: an address is on a list when its reversed bytes (or nibbles) below the list's zone have an A
 * record in 127/8; what the record says is the list's own affair. 127.0.0.1 and 127.255.255/24 are how the
 * well-known lists say "you may not ask": a hit only where the options name those codes. */
#include "auth/block_list.h"

#include "base/task.h"
#include "mail/domain.h"

#define NAMES_MAX      5 /* of the client, that are looked up again */
#define NOTE_BYTES_MAX 500

/* --- lists --- */

struct list_question {
    const struct auth_list *list;
    struct dns *dns;
    struct arena *arena;
    struct str reversed;      /* "2.0.0.127" */
    struct auth_list_hit hit; /* zone is empty: none */
    const char *note;         /* why the list said nothing of use, or NULL */
};

static bool is_refusal(const unsigned char ip[4])
{
    static const unsigned char local[] = {127, 0, 0, 1};
    static const unsigned char refused[] = {127, 255, 255};
    return memcmp(ip, local, sizeof local) == 0 || memcmp(ip, refused, sizeof refused) == 0;
}

static bool is_wanted(const struct auth_list *list, const struct net_address *answer)
{
    for (size_t i = 0; i < list->code_count; i++)
        if (net_block_contains(&list->codes[i], answer))
            return true;
    return list->code_count == 0 &&
           !is_refusal((const unsigned char *)net_address_bytes(answer).at);
}

static void read_codes(struct list_question *question, const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        const struct net_address *code = &answer->records[i].address;
        const unsigned char *ip = (const unsigned char *)net_address_bytes(code).at;
        if (ip[0] != 127)
            continue;
        char text[NET_ADDRESS_TEXT_BYTES];
        struct str code_text = str_of(net_address_ip_text(code, text));
        if (is_wanted(question->list, code)) {
            question->hit = (struct auth_list_hit){
                .zone = question->list->zone,
                .code = arena_str(question->arena, code_text),
                .is_allowed = question->list->is_allowed,
                .rejects = question->list->rejects && !question->list->is_allowed};
            return;
        }
        if (is_refusal(ip))
            question->note =
                arena_printf(question->arena, "refuses our question (%s)", text);
    }
}

static int ask_list(void *arg)
{
    struct list_question *question = arg;
    struct str zone = question->list->zone;
    struct str name = str_of(arena_printf(question->arena, "%.*s.%.*s",
                                          STR_ARG(question->reversed), STR_ARG(zone)));
    if (name.length > DOMAIN_BYTES_MAX)
        return 0;
    task_stage("asking %.*s", STR_ARG(name));
    struct dns_answer answer;
    int result = dns_ask(question->dns, name, DNS_A, question->arena, &answer);
    if (result < 0 || answer.status == DNS_FAILED)
        question->note = "no answer";
    else if (answer.status == DNS_OK)
        read_codes(question, &answer);
    return 0;
}

/* --- the reverse name (RFC 8601 section 3) --- */

struct reverse_question {
    struct dns *dns;
    struct arena *arena;
    const struct net_address *client;
    struct str hostname;
    enum auth_result iprev;
};

struct name_question {
    const struct reverse_question *reverse;
    struct str name;
    enum auth_result result;
};

static int confirm_name(void *arg)
{
    struct name_question *question = arg;
    const struct reverse_question *reverse = question->reverse;
    task_stage("asking for addresses of %.*s", STR_ARG(question->name));
    struct dns_answer answer;
    int result = dns_ask(reverse->dns, question->name,
                         net_address_is_v6(reverse->client) ? DNS_AAAA : DNS_A,
                         reverse->arena, &answer);
    question->result = AUTH_FAIL;
    if (result < 0 || answer.status == DNS_FAILED)
        question->result = AUTH_TEMPERROR;
    else if (answer.status == DNS_OK)
        for (size_t i = 0; i < answer.count; i++)
            if (net_address_same_ip(&answer.records[i].address, reverse->client))
                question->result = AUTH_PASS;
    return 0;
}

/* The first name, in the order of the answer, that leads back to the client. */
static void confirm_names(struct reverse_question *reverse, const struct dns_answer *names)
{
    struct name_question questions[NAMES_MAX] = {{0}};
    struct task_job jobs[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < names->count && count < NAMES_MAX; i++) {
        struct str name;
        if (domain_normalize(names->records[i].name, reverse->arena, &name) < 0)
            continue;
        questions[count] = (struct name_question){reverse, name, AUTH_FAIL};
        jobs[count] = (struct task_job){confirm_name, &questions[count], 0};
        count++;
    }
    task_gather("reverse name", jobs, count);
    reverse->iprev = AUTH_FAIL;
    for (size_t i = count; i-- > 0;) {
        if (questions[i].result == AUTH_PASS) {
            reverse->iprev = AUTH_PASS;
            reverse->hostname = questions[i].name;
        } else if (questions[i].result == AUTH_TEMPERROR && reverse->iprev != AUTH_PASS) {
            reverse->iprev = AUTH_TEMPERROR;
        }
    }
}

static int ask_reverse(void *arg)
{
    struct reverse_question *reverse = arg;
    struct str name = dns_reverse_name(reverse->client, reverse->arena);
    task_stage("asking for the name %.*s", STR_ARG(name));
    struct dns_answer answer;
    int result = dns_ask(reverse->dns, name, DNS_PTR, reverse->arena, &answer);
    if (result < 0 || answer.status == DNS_FAILED)
        reverse->iprev = AUTH_TEMPERROR;
    else if (answer.status != DNS_OK)
        reverse->iprev = AUTH_PERMERROR;
    else
        confirm_names(reverse, &answer);
    return 0;
}

/* --- all of it --- */

/* What dns_reverse_name makes, without ".in-addr.arpa" or ".ip6.arpa". */
static struct str reversed_bytes(const struct net_address *client, struct arena *arena)
{
    struct str name = dns_reverse_name(client, arena);
    name.length -=
        net_address_is_v6(client) ? STR(".ip6.arpa").length : STR(".in-addr.arpa").length;
    return name;
}

static void collect_hits(const struct list_question questions[], size_t count,
                         struct arena *arena, struct auth_client *result)
{
    struct auth_list_hit *hits = arena_array(arena, struct auth_list_hit, count);
    bool is_allowed = false;
    for (size_t i = 0; i < count; i++) {
        if (questions[i].hit.zone.length)
            hits[result->hit_count++] = questions[i].hit;
        is_allowed |= questions[i].hit.is_allowed;
    }
    for (size_t i = 0; i < result->hit_count; i++)
        hits[i].rejects &= !is_allowed;
    result->hits = hits;
}

static struct str collect_notes(const struct list_question questions[], size_t count,
                                struct arena *arena)
{
    struct str notes = STR("");
    for (size_t i = 0; i < count && notes.length < NOTE_BYTES_MAX; i++)
        if (questions[i].note)
            notes = str_of(arena_printf(
                arena, "%.*s%s%.*s: %s", STR_ARG(notes), notes.length ? "; " : "",
                STR_ARG(questions[i].list->zone), questions[i].note));
    return notes;
}

void auth_client_check(struct dns *dns, const struct auth_options *options,
                       const struct net_address *client, uint64_t deadline_ms,
                       struct arena *arena, struct auth_client *result)
{
    size_t count =
        options->list_count < AUTH_LISTS_MAX ? options->list_count : AUTH_LISTS_MAX;
    struct list_question *lists = arena_array(arena, struct list_question, count);
    struct task_job jobs[AUTH_LISTS_MAX + 1];
    struct reverse_question reverse = {.dns = dns, .arena = arena, .client = client};
    struct str reversed = reversed_bytes(client, arena);
    for (size_t i = 0; i < count; i++) {
        lists[i] = (struct list_question){
            .list = &options->lists[i], .dns = dns, .arena = arena, .reversed = reversed};
        jobs[i] = (struct task_job){ask_list, &lists[i], 0};
    }
    jobs[count] = (struct task_job){ask_reverse, &reverse, 0};
    uint64_t own_deadline_ms = task_deadline_set(deadline_ms);
    if (own_deadline_ms < deadline_ms)
        task_deadline_set(own_deadline_ms);
    task_gather("client check", jobs, count + 1);
    task_deadline_set(own_deadline_ms);

    *result = (struct auth_client){.hostname = reverse.hostname, .iprev = reverse.iprev};
    collect_hits(lists, count, arena, result);
    result->note = collect_notes(lists, count, arena);
}
