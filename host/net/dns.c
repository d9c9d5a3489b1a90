/* libunbound on the loop. It resolves in a thread of its own and says on a file descriptor that answers
 * are there; its callbacks then run in ub_process(), in the loop's thread.
 *
 *     asked --on_answer--> answered --its task wakes, or gives up--> freed
 *       `--its task gives up--> abandoned --on_answer--> freed
 *
 * Invariants: a question is in dns->asked until its callback; the callback only files the result, and
 * tasks wake after ub_process() has returned, so that none of them runs within libunbound; whatever is
 * in dns->answered has a task that waits. */
#include "dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

#include <uv.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/task.h"
#include "net/dns_cache.h"
#include "net/dns_context.h"
#include "net/dns_rdata.h"

#define TIMEOUT_MS_DEFAULT 10000
#define NAME_BYTES_MAX     253
#define LABEL_BYTES_MAX    63
/* Of a name in presentation form: each byte may need four (\DDD), then the final dot and a NUL. */
#define PRESENTATION_BYTES (4 * NAME_BYTES_MAX + 2)
#define CLASS_IN           1
#define RCODE_NOERROR      0
#define RCODE_NXDOMAIN     3

struct dns {
    struct ub_ctx *unbound;
    uv_poll_t poll;
    struct list asked, answered; /* of struct question */
    struct dns_cache *cache;
    uint32_t timeout_ms;
};

struct question {
    struct dns *dns;
    struct list node;
    struct task_wait wait;
    struct ub_result *result; /* NULL: libunbound failed */
    bool is_answered, is_abandoned;
};

/* --- answers arrive --- */

static void question_free(struct question *question)
{
    list_remove(&question->node);
    ub_resolve_free(question->result);
    free(question);
}

static void on_answer(void *arg, int failure, struct ub_result *result)
{
    struct question *question = arg;
    (void)failure; /* then there is no result */
    question->result = result;
    question->is_answered = true;
    list_remove(&question->node);
    if (question->is_abandoned)
        question_free(question);
    else
        list_append(&question->dns->answered, &question->node);
}

static void question_give_up(struct question *question)
{
    question->is_abandoned = true;
    if (question->is_answered)
        question_free(question);
}

/* A task may close `dns` or give up other questions here; `dns` is freed in a later turn of the loop. */
static void wake_answered(struct dns *dns, int result)
{
    while (!list_empty(&dns->answered)) {
        struct question *question = list_entry(dns->answered.next, struct question, node);
        list_remove(&question->node);
        task_wake(&question->wait, result);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct dns *dns = poll->data;
    (void)events;
    invariant(status == 0 && ub_process(dns->unbound) == 0, "dns: the resolver is gone");
    wake_answered(dns, 0);
}

/* --- opening and closing --- */

struct configuring {
    struct ub_ctx *unbound;
    const struct dns_options *options;
    struct err *err;
    int result;
};

static void configure_work(void *arg)
{
    struct configuring *work = arg;
    work->result = dns_context_configure(work->unbound, work->options, work->err);
}

struct dns *dns_open(const struct dns_options *options, struct err *err)
{
    struct ub_ctx *unbound = ub_ctx_create();
    invariant(unbound != NULL, "dns: no memory for a resolver");
    struct configuring work = {.unbound = unbound, .options = options, .err = err};
    /* It reads files, and libunbound parses with more stack than a task has. */
    if (task_current())
        task_work(configure_work, &work);
    else
        configure_work(&work);
    if (work.result < 0) {
        ub_ctx_delete(unbound);
        return NULL;
    }
    struct dns *dns = mem_zero(1, sizeof *dns);
    dns->unbound = unbound;
    dns->cache = dns_cache_new();
    dns->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS_DEFAULT;
    list_init(&dns->asked);
    list_init(&dns->answered);
    dns->poll.data = dns;
    int result = uv_poll_init(task_loop(), &dns->poll, ub_fd(unbound));
    invariant(result == 0, "dns: the resolver has no file descriptor");
    uv_poll_start(&dns->poll, UV_READABLE, on_readable);
    return dns;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_asked(struct dns *dns)
{
    list_foreach (node, &dns->asked) {
        struct question *question = list_entry(node, struct question, node);
        list_remove(node);
        if (question->is_abandoned)
            question_free(question);
        else
            task_wake(&question->wait, -ECANCELED);
    }
}

void dns_close(struct dns *dns)
{
    if (!dns)
        return;
    uv_close((uv_handle_t *)&dns->poll, on_closed);
    ub_ctx_delete(dns->unbound); /* joins its thread; no callback runs any more */
    end_asked(dns);
    wake_answered(dns, -ECANCELED);
    dns_cache_free(dns->cache);
}

/* --- what an answer says --- */

__attribute__((format(printf, 3, 4))) static void
answer_failed(struct dns_answer *answer, struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    answer->status = DNS_FAILED;
    answer->why = arena_vprintf(arena, format, args);
    va_end(args);
}

static const char *rcode_name(int rcode)
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    bool is_known = rcode >= 0 && (size_t)rcode < sizeof names / sizeof *names;
    return is_known ? names[rcode] : "an unknown code";
}

/* Malformed records are left out: whoever has one beside good ones still gets his mail. */
static void read_records(const struct ub_result *result, struct arena *arena,
                         struct dns_answer *answer)
{
    size_t count = 0;
    while (count < DNS_RECORDS_MAX && result->data[count])
        count++;
    answer->records = arena_array(arena, struct dns_record, count);
    for (size_t i = 0; i < count; i++) {
        struct str rdata = {result->data[i],
                            result->len[i] > 0 ? (size_t)result->len[i] : 0};
        if (dns_rdata_parse((enum dns_type)result->qtype, rdata, arena,
                            &answer->records[answer->count]) == 0)
            answer->count++;
    }
    if (answer->count > 0)
        answer->status = DNS_OK;
    else
        answer_failed(answer, arena, "malformed records");
}

static void read_answer(const struct ub_result *result, struct arena *arena,
                        struct dns_answer *answer)
{
    answer->is_secure = result->secure;
    answer->ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
    if (result->bogus)
        answer_failed(answer, arena, "DNSSEC: %s",
                      result->why_bogus ? result->why_bogus : "bogus");
    else if (result->rcode == RCODE_NXDOMAIN)
        answer->status = DNS_NO_NAME;
    else if (result->rcode != RCODE_NOERROR)
        answer_failed(answer, arena, "the resolver answered %s", rcode_name(result->rcode));
    else if (!result->havedata)
        answer->status = DNS_NO_RECORDS;
    else
        read_records(result, arena, answer);
}

/* --- asking --- */

static bool is_name(struct str name)
{
    if (name.length == 0 || name.length > NAME_BYTES_MAX || name.at[name.length - 1] == '.')
        return false;
    for (struct str rest = name; rest.length > 0;) {
        struct str label = str_cut(&rest, '.');
        if (label.length == 0 || label.length > LABEL_BYTES_MAX)
            return false;
    }
    return true;
}

/* Presentation form with the final dot; SPF macros can make names of any bytes. */
static void write_name(struct str name, char text[PRESENTATION_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; i < name.length; i++) {
        char byte = name.at[i];
        if (ascii_alnum(byte) || byte == '-' || byte == '_' || byte == '.')
            text[used++] = byte;
        else
            used += (size_t)snprintf(text + used, PRESENTATION_BYTES - used, "\\%03u",
                                     (unsigned char)byte);
    }
    text[used++] = '.';
    text[used] = '\0';
}

static struct question *question_ask(struct dns *dns, struct str name, enum dns_type type)
{
    char text[PRESENTATION_BYTES];
    write_name(name, text);
    struct question *question = mem_zero(1, sizeof *question);
    question->dns = dns;
    task_wait_init(&question->wait);
    list_append(&dns->asked, &question->node);
    if (ub_resolve_async(dns->unbound, text, (int)type, CLASS_IN, question, on_answer,
                         NULL) == 0)
        return question;
    question_free(question);
    return NULL;
}

static bool task_has_time_left(void)
{
    uint64_t deadline = task_deadline_set(TASK_FOREVER);
    task_deadline_set(deadline);
    return task_now_ms() < deadline;
}

static int ask_resolver(struct dns *dns, struct str name, enum dns_type type,
                        struct arena *arena, struct dns_answer *answer)
{
    struct question *question = question_ask(dns, name, type);
    if (!question) {
        answer_failed(answer, arena, "libunbound takes no question");
        return 0;
    }
    uint32_t timeout_ms = dns->timeout_ms;
    int result = task_wait(&question->wait, task_in_ms(timeout_ms));
    if (!question->wait.done) {
        question_give_up(question);
        if (result != -ETIMEDOUT || !task_has_time_left())
            return result;
        answer_failed(answer, arena, "no answer within %u ms", timeout_ms);
        return 0;
    }
    if (result == 0 && question->result)
        read_answer(question->result, arena, answer);
    else if (result == 0)
        answer_failed(answer, arena, "libunbound has failed");
    question_free(question);
    return result;
}

int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer)
{
    *answer = (struct dns_answer){.status = DNS_NO_NAME};
    if (!is_name(name) ||
        dns_cache_get(dns->cache, name, type, task_now_ms(), arena, answer))
        return 0;
    int result = ask_resolver(dns, name, type, arena, answer);
    if (result == 0)
        dns_cache_put(dns->cache, name, type, task_now_ms(), answer);
    return result;
}

/* --- reverse names --- */

struct str dns_reverse_name(const struct net_address *address, struct arena *arena)
{
    struct str bytes = net_address_bytes(address);
    const unsigned char *octet = (const unsigned char *)bytes.at;
    if (!net_address_is_v6(address))
        return str_of(arena_printf(arena, "%u.%u.%u.%u.in-addr.arpa", octet[3], octet[2],
                                   octet[1], octet[0]));
    char nibbles[16 * 4 + 1];
    for (size_t i = 0; i < bytes.length; i++)
        snprintf(nibbles + 4 * i, 5, "%x.%x.", octet[15 - i] & 0xFU, octet[15 - i] >> 4U);
    return str_of(arena_printf(arena, "%sip6.arpa", nibbles));
}
