/* What a trial is given in words: its envelope, what was verified, what upstreams say. */
#include <errno.h>

#include "auth/dmarc_from.h"
#include "cli/run_trial.h"
#include "cli/test.h"

/* The script finds it set before its first line, which stays the first. */
void trial_set_clock(struct worker_options *options, double now_s, struct arena *arena)
{
    test_add_modules(options, arena);
    options->source = str_of(arena_printf(arena, "require \"test.clock\" (%.17g); %.*s",
                                          now_s, STR_ARG(options->source)));
}

int trial_read_envelope(struct trial *trial, struct str from, struct str to,
                        struct err *err)
{
    struct message *message = trial->message;
    message->reverse_path.is_null = from.length == 0;
    if (from.length && mailbox_parse(from, message->arena, &message->reverse_path) < 0)
        return err_set(err, -EINVAL, "the sender \"%.*s\" is not an address",
                       STR_ARG(from));
    if (mailbox_parse(to, message->arena, &trial->recipient) < 0)
        return err_set(err, -EINVAL, "the recipient \"%.*s\" is not an address",
                       STR_ARG(to));
    return 0;
}

/* --- verdicts --- */

static int set_check(struct auth_verdict *verdict, struct str check,
                     enum auth_result result, struct err *err)
{
    if (str_equal(check, STR("spf")))
        verdict->spf.result = result;
    else if (str_equal(check, STR("dmarc")))
        verdict->dmarc.result = result;
    else if (str_equal(check, STR("arc")))
        verdict->arc.result = result;
    else if (str_equal(check, STR("dkim"))) {
        verdict->dkim[0].result = result;
        verdict->dkim_count = result != AUTH_NONE;
    } else
        return err_set(err, -EINVAL,
                       "\"%.*s\" is no check; there are spf, dkim, dmarc, arc",
                       STR_ARG(check));
    return 0;
}

int trial_read_auth(struct trial *trial, struct str text, struct err *err)
{
    struct auth_verdict *verdict = &trial->verdict;
    struct message *message = trial->message;
    struct str from_domain = {0}, reason;
    dmarc_from_domain(&message->header, message->arena, &from_domain, &reason);
    verdict->spf.domain = message->reverse_path.domain;
    verdict->dkim[0].domain = verdict->dmarc.from_domain = from_domain;
    trial->is_verified = true;
    while (text.length) {
        struct str word = str_cut(&text, ',');
        struct str check = str_trim(str_cut(&word, '='));
        enum auth_result result;
        if (!auth_result_from_name(str_trim(word), &result))
            return err_set(err, -EINVAL,
                           "\"%.*s=%.*s\" is no verdict; one is written dmarc=pass",
                           STR_ARG(check), STR_ARG(word));
        if (set_check(verdict, check, result, err) < 0)
            return err->code;
    }
    return 0;
}

/* --- upstreams --- */

/* "550 5.1.1 text"; what is left out is made up. */
static int read_reply(struct str text, struct arena *arena, struct reply *reply)
{
    const char *line = arena_printf(arena, "%.*s\r\n", STR_ARG(text));
    bool has_code = text.length >= 3 && (text.length == 3 || text.at[3] == ' ');
    if (!has_code || reply_parse(str_of(line), reply) <= 0)
        return -EINVAL;
    int class = reply->code / 100;
    if (class != 2 && class != 4 && class != 5)
        return -EINVAL;
    if (!reply->enhanced[0])
        *reply = reply_make(reply->code, arena_printf(arena, "%d.0.0", class), "%s",
                            reply->text);
    if (!reply->text[0])
        *reply = reply_make(reply->code, reply->enhanced, "as it was asked to say");
    return 0;
}

int trial_read_upstream(struct trial *trial, struct str text, struct err *err)
{
    struct trial_upstream *upstream = &trial->upstreams[trial->upstream_count];
    struct arena *arena = trial->message->arena;
    ptrdiff_t at = str_index(text, '@');
    struct str rest = str_from(text, at < 0 ? 0 : (size_t)at);
    struct str domain = str_cut(&rest, '=');
    struct str address = str_part(text, 0, (at < 0 ? 0 : (size_t)at) + domain.length);
    if (mailbox_parse(address, arena, &upstream->address) < 0)
        return err_set(err, -EINVAL,
                       "\"%.*s\" names no upstream; one is written me@dest.test=550",
                       STR_ARG(text));
    if (read_reply(str_trim(rest), arena, &upstream->reply) < 0)
        return err_set(err, -EINVAL,
                       "\"%.*s\" is nothing that an upstream says; it says \"250 2.0.0"
                       " taken\", \"451\", \"550 5.1.1 no such user\"",
                       STR_ARG(rest));
    trial->upstream_count++;
    return 0;
}
