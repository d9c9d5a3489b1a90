/* Any bytes are no answer of Rspamd's, or one whose texts are printable and bounded and whose score stays within
 * ours. */
#include <stdint.h>

#include "auth/rspamd.h"
#include "auth/spam_score.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_text(struct str text, size_t bytes_max)
{
    invariant(text.length <= bytes_max, "bounded");
    for (size_t i = 0; i < text.length; i++)
        invariant(text.at[i] >= ' ' && text.at[i] <= '~', "printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct auth_verdict *verdict = arena_new_of(arena, struct auth_verdict);
    struct auth_rspamd *rspamd = &verdict->rspamd;
    if (auth_rspamd_parse((struct str){(const char *)bytes, length}, arena, rspamd, NULL) ==
        0) {
        invariant(rspamd->has_answered && rspamd->required > 0, "an answer");
        check_text(rspamd->action_name, 64);
        check_text(rspamd->symbols, 1000);
        check_text(rspamd->message, 200);
        auth_rspamd_score(arena, verdict);
        invariant(verdict->spam_score >= 0 && verdict->spam_score <= AUTH_SPAM_SCORE_MAX,
                  "a score of ours");
    } else {
        invariant(!rspamd->has_answered, "no answer");
    }
    arena_free(arena);
    return 0;
}
