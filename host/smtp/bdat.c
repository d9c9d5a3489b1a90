/* BDAT (CHUNKING, RFC 3030). The bytes of a chunk follow its command at once, so they are read even when the
 * command is refused: else they would be taken for commands. */
#include "smtp/internal.h"

static struct reply skip_chunk(struct smtp_session *session, const struct smtp_chunk *chunk)
{
    int result = smtp_intake_skip(session, chunk->bytes);
    return result < 0 ? smtp_session_fail(session, result)
                      : smtp_transaction_refusal(session);
}

static struct reply take_chunk(struct smtp_session *session, const struct smtp_chunk *chunk)
{
    smtp_intake_open(session, false);
    int result = smtp_intake_chunk(session, chunk->bytes);
    if (result < 0)
        return smtp_session_fail(session, result);
    if (chunk->is_last)
        return smtp_intake_finish(session);
    return session->transaction->content.fault ? smtp_intake_refusal(session)
                                               : reply_chunk_ok(chunk->bytes);
}

static struct reply bdat_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    struct smtp_chunk chunk;
    if (!smtp_chunk_parse(command->argument, &chunk)) {
        session->is_ending = true;
        return reply_unreadable_chunk();
    }
    if (!smtp_transaction_has_recipients(session))
        return skip_chunk(session, &chunk);
    struct reply reply = take_chunk(session, &chunk);
    if (chunk.is_last)
        smtp_transaction_end(session);
    return reply;
}

const struct smtp_verb_steps smtp_bdat_steps = {NULL, bdat_proceed};
