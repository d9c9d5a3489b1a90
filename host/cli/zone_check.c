/* What is published is judged by the code that judges it in the mail of others: auth/spf.h, auth/dmarc_record.h. */
#include "auth/dmarc_record.h"
#include "auth/spf.h"
#include "auth/spf_record.h"
#include "base/mem.h"
#include "base/task.h"
#include "cli/zone.h"
#include "mail/tag_list.h"

static void judge(struct zone_record *record, enum zone_verdict verdict, const char *reason)
{
    record->verdict = verdict;
    record->reason = reason;
}

/* Returns 0 with an answer that has records; 1 with the record judged if there are none or no answer came; or
 * -ECANCELED. */
static int ask(const struct zone_check *check, struct zone_record *record,
               struct dns_answer *answer)
{
    int result =
        dns_ask(check->dns, record->name, record->purpose == ZONE_MX ? DNS_MX : DNS_TXT,
                check->arena, answer);
    if (result < 0)
        return result;
    record->published = arena_array(check->arena, struct str, answer->count);
    if (answer->status == DNS_OK)
        return 0;
    if (answer->status == DNS_FAILED)
        judge(record, ZONE_UNKNOWN, arena_text(check->arena, str_of(answer->why)));
    else
        judge(record, ZONE_MISSING, "there is no such record");
    return 1;
}

static void add_published(struct zone_record *record, struct str text)
{
    record->published[record->published_count++] = text;
}

/* p= without the white space that may be in it, and k=. */
static struct str key_text(struct str text, struct arena *arena)
{
    struct tag_list tags;
    if (tag_list_parse(text, &tags) < 0)
        return STR("");
    struct str type = tag_list_value(&tags, STR("k"));
    struct str key = tag_list_value(&tags, STR("p"));
    char *compact = arena_alloc(arena, key.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < key.length; i++)
        if (key.at[i] != ' ' && key.at[i] != '\t')
            compact[length++] = key.at[i];
    return str_of(arena_printf(arena, "%.*s:%.*s", STR_ARG(type.length ? type : STR("rsa")),
                               (int)length, compact));
}

static int check_key(const struct zone_check *check, struct zone_record *record)
{
    struct dns_answer answer;
    int result = ask(check, record, &answer);
    if (result != 0)
        return result < 0 ? result : 0;
    struct str ours = key_text(record->value, check->arena);
    bool is_there = false;
    for (size_t i = 0; i < answer.count; i++) {
        struct str text = answer.records[i].text;
        is_there = is_there || str_equal(key_text(text, check->arena), ours);
        add_published(record, text);
    }
    if (!is_there)
        judge(record, ZONE_DIFFERS, "another key is published");
    else if (answer.count > 1)
        judge(record, ZONE_DIFFERS, "several records are published: verifiers take none");
    else
        judge(record, ZONE_OK, NULL);
    return 0;
}

/* Mail comes to the hosts with the lowest preference first. */
static void judge_mx(const struct zone_check *check, struct zone_record *record,
                     const struct dns_answer *answer)
{
    struct str host = check->host_name;
    unsigned ours = UINT32_MAX, least = UINT32_MAX;
    struct str best = {0};
    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *mx = &answer->records[i];
        bool is_ours = str_equal(mx->name, host);
        add_published(record, str_of(arena_printf(check->arena, "%u %.*s.", mx->preference,
                                                  STR_ARG(mx->name))));
        if (is_ours && mx->preference < ours)
            ours = mx->preference;
        if (!is_ours && mx->preference < least) {
            least = mx->preference;
            best = mx->name;
        }
    }
    if (ours == UINT32_MAX)
        judge(record, ZONE_DIFFERS,
              best.length ? arena_printf(check->arena, "mail goes to %.*s", STR_ARG(best))
                          : "it says that the domain takes no mail");
    else if (least < ours)
        judge(record, ZONE_DIFFERS,
              arena_printf(check->arena, "%.*s is preferred to us", STR_ARG(best)));
    else
        judge(record, ZONE_OK, NULL);
}

static int check_mx(const struct zone_check *check, struct zone_record *record)
{
    struct dns_answer answer;
    int result = ask(check, record, &answer);
    if (result == 0)
        judge_mx(check, record, &answer);
    return result < 0 ? result : 0;
}

/* What the published record says of one of our addresses. */
static int check_address(const struct zone_check *check, struct zone_record *record,
                         const struct net_address *address)
{
    struct auth_spf spf;
    struct mailbox sender = {.local = STR("postmaster"), .domain = check->domain};
    struct auth_spf_question asked = {
        .client = *address, .helo = check->host_name, .sender = &sender};
    int result = auth_spf_check(check->dns, &asked, check->arena, &spf);
    if (result < 0 || spf.result == AUTH_PASS || record->verdict != ZONE_OK)
        return result;
    char text[NET_ADDRESS_TEXT_BYTES];
    struct str why = spf.reason.length ? spf.reason : spf.mechanism;
    judge(record, spf.result == AUTH_TEMPERROR ? ZONE_UNKNOWN : ZONE_DIFFERS,
          arena_printf(check->arena, "our address %s gets %s%s%.*s",
                       net_address_ip_text(address, text), auth_result_name(spf.result),
                       why.length ? ", " : "", STR_ARG(why)));
    return 0;
}

static int check_addresses(const struct zone_check *check, struct zone_record *record)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA};
    struct str host = check->host_name;
    size_t count = 0;
    int result = 0;
    judge(record, ZONE_OK, NULL);
    for (size_t t = 0; t < 2 && result == 0; t++) {
        struct dns_answer answer;
        result = dns_ask(check->dns, host, types[t], check->arena, &answer);
        for (size_t i = 0; result == 0 && i < answer.count; i++, count++)
            result = check_address(check, record, &answer.records[i].address);
    }
    if (result == 0 && count == 0)
        judge(record, ZONE_DIFFERS,
              arena_printf(check->arena, "%.*s, from where we send, has no address",
                           STR_ARG(host)));
    return result;
}

static int check_spf(const struct zone_check *check, struct zone_record *record)
{
    struct dns_answer answer;
    int result = ask(check, record, &answer);
    if (result != 0)
        return result < 0 ? result : 0;
    for (size_t i = 0; i < answer.count; i++)
        if (spf_record_is(answer.records[i].text))
            add_published(record, answer.records[i].text);
    if (record->published_count)
        return check_addresses(check, record);
    judge(record, ZONE_MISSING, "there is no such record");
    return 0;
}

/* Any policy will do: it is the domain's own choice. */
static int check_dmarc(const struct zone_check *check, struct zone_record *record)
{
    struct dns_answer answer;
    struct dmarc_record parsed;
    int result = ask(check, record, &answer);
    if (result != 0)
        return result < 0 ? result : 0;
    for (size_t i = 0; i < answer.count; i++)
        if (dmarc_record_is_one(answer.records[i].text))
            add_published(record, answer.records[i].text);
    if (record->published_count == 0)
        judge(record, ZONE_MISSING, "there is no such record");
    else if (record->published_count > 1)
        judge(record, ZONE_DIFFERS, "several records are published: they count as none");
    else {
        dmarc_record_parse(record->published[0], check->arena, &parsed);
        judge(record, dmarc_record_is_usable(&parsed) ? ZONE_OK : ZONE_DIFFERS,
              dmarc_record_is_usable(&parsed) ? NULL : "it has no policy that is one (p=)");
    }
    return 0;
}

struct errand {
    const struct zone_check *check;
    struct zone_record *record;
};

static int check_record(void *arg)
{
    static int (*const checks[])(const struct zone_check *, struct zone_record *) = {
        [ZONE_MX] = check_mx,
        [ZONE_SPF] = check_spf,
        [ZONE_DKIM] = check_key,
        [ZONE_DMARC] = check_dmarc,
    };
    const struct errand *errand = arg;
    return checks[errand->record->purpose](errand->check, errand->record);
}

int zone_check(const struct zone_check *check, struct zone_record records[], size_t count)
{
    struct errand errands[ZONE_RECORDS_MAX];
    struct task_job jobs[ZONE_RECORDS_MAX];
    invariant(count <= ZONE_RECORDS_MAX, "zone: a domain has few records of ours");
    for (size_t i = 0; i < count; i++) {
        errands[i] = (struct errand){check, &records[i]};
        jobs[i] = (struct task_job){check_record, &errands[i], 0};
    }
    return task_gather("question", jobs, count);
}
