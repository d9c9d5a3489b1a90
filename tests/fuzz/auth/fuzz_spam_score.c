/* Any message has a score between nothing and five, with reasons on one line, and keeps its other parts. */
#include <stdint.h>

#include "auth/spam_score.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct message *message = message_new();
    struct auth_verdict verdict = {0};
    message->raw = blob_copy((struct str){(const char *)bytes, length});
    header_parse(blob_view(message->raw), message->arena, &message->header);
    message->received_at = UINT64_C(1795168800000);
    auth_spam_score(message, message->arena, &verdict);
    invariant(verdict.spam_score >= 0 && verdict.spam_score <= AUTH_SPAM_SCORE_MAX,
              "the score is within its bounds");
    for (size_t i = 0; i < verdict.spam_reasons.length; i++)
        invariant(verdict.spam_reasons.at[i] >= ' ', "reasons are on one line");
    message_release(message);
    return 0;
}
