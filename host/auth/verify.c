#include "auth/verify.h"

#include "auth/arc.h"
#include "auth/arc_chain.h"
#include "auth/dkim.h"
#include "auth/dmarc.h"
#include "auth/rspamd.h"
#include "auth/spam_score.h"
#include "auth/spf.h"
#include "base/task.h"

struct verification {
    struct dns *dns;
    struct http_client *http;
    const struct auth_options *options;
    struct message *message;
    struct auth_verdict *verdict;
    uint64_t deadline_ms;
};

static int verify_spf(void *arg)
{
    struct verification *work = arg;
    const struct message *message = work->message;
    struct auth_spf_question question = {
        .client = message->client.address,
        .helo = message->client.helo,
        .sender = &message->reverse_path,
        .deadline_ms = work->deadline_ms,
    };
    return auth_spf_check(work->dns, &question, message->arena, &work->verdict->spf);
}

static int verify_dkim(void *arg)
{
    struct verification *work = arg;
    return auth_dkim_verify(work->dns, work->message, work->deadline_ms,
                            work->message->arena, work->verdict);
}

static int verify_arc(void *arg)
{
    struct verification *work = arg;
    return auth_arc_verify(work->dns, work->message, work->deadline_ms,
                           work->message->arena, &work->verdict->arc);
}

static int evaluate_dmarc(const struct verification *work)
{
    struct auth_dmarc_input input = {
        .message = work->message,
        .spf = &work->verdict->spf,
        .dkim = work->verdict->dkim,
        .dkim_count = work->verdict->dkim_count,
    };
    return auth_dmarc_evaluate(work->dns, &input, work->deadline_ms, work->message->arena,
                               &work->verdict->dmarc);
}

static int ask_rspamd(void *arg)
{
    struct verification *work = arg;
    const struct auth_options *options = work->options;
    uint64_t deadline_ms = task_in_ms(options->rspamd_timeout_ms);
    if (deadline_ms > work->deadline_ms)
        deadline_ms = work->deadline_ms;
    return auth_rspamd_check(work->http, options->rspamd_url, work->message, deadline_ms,
                             &work->verdict->rspamd);
}

static void score_spam(const struct verification *work)
{
    struct arena *arena = work->message->arena;
    if (work->verdict->rspamd.has_answered)
        auth_rspamd_score(arena, work->verdict);
    else if (work->options->scores_spam)
        auth_spam_score(work->message, arena, work->verdict);
}

int auth_verify(struct dns *dns, struct http_client *http,
                const struct auth_options *options, struct message *message,
                struct auth_verdict *verdict)
{
    struct verification work = {dns,     http,    options,
                                message, verdict, task_in_ms(options->message_timeout_ms)};
    struct task_job jobs[4];
    size_t count = 0;
    task_stage("verifying the sender");
    if (options->spf != AUTH_OFF)
        jobs[count++] = (struct task_job){verify_spf, &work, 0};
    if (options->dkim != AUTH_OFF)
        jobs[count++] = (struct task_job){verify_dkim, &work, 0};
    if (options->arc != AUTH_OFF && arc_chain_is_there(&message->header))
        jobs[count++] = (struct task_job){verify_arc, &work, 0};
    if (options->rspamd != AUTH_OFF && http)
        jobs[count++] = (struct task_job){ask_rspamd, &work, 0};
    int result = task_gather("verification", jobs, count);
    if (result == 0 && options->dmarc != AUTH_OFF)
        result = evaluate_dmarc(&work);
    if (result == 0)
        score_spam(&work);
    return result;
}
