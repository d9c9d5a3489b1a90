/* A whole SPF check: the input, cut at newlines, is the HELO name, the local part and what DNS answers, one
 * line each, asked again from the first when none is left. dns_ask() is a function of this file, so nothing
 * waits. However the records refer to each other, the limits hold. */
#include <stdint.h>

#include "auth/spf.h"
#include "base/loop.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct str answers, rest;
static unsigned asked;

static void set_record(enum dns_type type, struct str line, struct arena *arena,
                       struct dns_record *record)
{
    *record = (struct dns_record){.name = line, .text = line};
    bool is_address = type == DNS_A || type == DNS_AAAA;
    const char *text = line.length % 2 ? "192.0.2.1" : "2001:db8::1";
    if (is_address && net_address_parse(str_of(text), 0, &record->address) < 0)
        record->text = arena_str(arena, line);
}

/* "!" fails, "-" and "0" are nothing, a digit is so many of the next. */
int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer)
{
    (void)dns, (void)name;
    asked++;
    if (rest.length == 0)
        rest = answers;
    struct str line = str_cut(&rest, '\n');
    char kind = line.length ? line.at[0] : '-';
    *answer = (struct dns_answer){.status = DNS_OK, .count = 1, .why = "SERVFAIL"};
    if (kind == '!')
        answer->status = DNS_FAILED;
    else if (kind == '-' || kind == '0')
        answer->status = DNS_NO_NAME;
    else if (ascii_digit(kind))
        answer->count = (size_t)(kind - '0') * 3;
    if (answer->status != DNS_OK)
        answer->count = 0;
    if (ascii_digit(kind))
        line = str_from(line, 1);
    answer->records = arena_array(arena, struct dns_record, answer->count);
    for (size_t i = 0; i < answer->count; i++)
        set_record(type, line, arena, &answer->records[i]);
    return 0;
}

struct str dns_reverse_name(const struct net_address *address, struct arena *arena)
{
    (void)address;
    return arena_str(arena, STR("1.2.0.192.in-addr.arpa"));
}

static void check(struct str input, const char *client)
{
    struct auth_spf spf;
    struct arena *arena = arena_new();
    struct mailbox sender = {.domain = STR("sender.test")};
    struct auth_spf_question question = {.sender = &sender};
    question.helo = str_cut(&input, '\n');
    sender.local = str_cut(&input, '\n');
    net_address_parse(str_of(client), 0, &question.client);
    answers = rest = input;
    asked = 0;
    invariant(auth_spf_check(NULL, &question, arena, &spf) == 0, "there is an answer");
    invariant(spf.query_count == asked && asked <= 221, "questions are counted");
    invariant(spf.term_count <= AUTH_SPF_TERMS_MAX, "terms are counted");
    invariant(spf.void_count <= AUTH_SPF_VOIDS_MAX, "voids are counted");
    bool is_error = spf.result == AUTH_TEMPERROR || spf.result == AUTH_PERMERROR;
    invariant(is_error == (spf.reason.length > 0), "errors have a reason");
    for (size_t i = 0; i < spf.reason.length; i++)
        invariant(spf.reason.at[i] >= ' ' && spf.reason.at[i] <= '~', "in plain words");
    invariant(spf.mechanism.length <= 200 && spf.reason.length <= 400, "of some length");
    arena_free(arena);
}

static int run_task(void *arg)
{
    struct str input = *(struct str *)arg;
    check(input, "192.0.2.1");
    check(input, "2001:db8::1");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str input = {(const char *)bytes, length};
    return loop_run_task("fuzz", run_task, &input);
}
