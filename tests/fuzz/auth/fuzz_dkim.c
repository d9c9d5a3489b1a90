/* A whole verification: the input up to the first 0xFF is the record that DNS has for every key, the rest is the
 * message. dns_ask() is a function of this file, so nothing waits. Whatever is signed, results are few,
 * have reasons, and none passes by accident. */
#include <stdint.h>

#include "auth/dkim.h"
#include "auth/dkim_explain.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/task.h"

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct str record;
static unsigned asked;

int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer)
{
    (void)dns, (void)name;
    invariant(type == DNS_TXT, "a key is a TXT record");
    asked++;
    *answer = (struct dns_answer){.status = record.length ? DNS_OK : DNS_NO_NAME};
    if (answer->status == DNS_OK) {
        answer->count = 1;
        answer->records = arena_new_of(arena, struct dns_record);
        answer->records[0].text = record;
    }
    return 0;
}

static void check(const struct auth_dkim *outcome)
{
    invariant(outcome->result != AUTH_NONE, "each signature has a result");
    invariant(outcome->result == AUTH_PASS || outcome->reason.length, "or a reason");
    invariant(outcome->result != AUTH_PASS || outcome->key_bits >= 253, "by a true key");
    invariant(outcome->signature.length <= 8, "it has a short name");
}

static int verify(void *arg)
{
    struct message *message = arg;
    struct auth_verdict verdict;
    struct auth_dkim_body explanation;
    int result = auth_dkim_verify(NULL, message, TASK_FOREVER, message->arena, &verdict);
    invariant(result == 0, "nobody waits");
    invariant(verdict.dkim_count <= AUTH_DKIM_MAX && asked <= verdict.dkim_count,
              "bounded");
    for (size_t i = 0; i < verdict.dkim_count; i++)
        check(&verdict.dkim[i]);
    auth_dkim_explain_body(message, 0, message->arena, &explanation);
    return 0;
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
    (void)count, (void)words;
    loop_open();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str input = {(const char *)bytes, length};
    struct message *message = message_new();
    record = str_cut(&input, '\xFF');
    asked = 0;
    message->raw = blob_copy(input);
    message->received_at = 1795321752000;
    header_parse(blob_view(message->raw), message->arena, &message->header);
    struct task *task = task_start("verify", verify, message);
    loop_run();
    task_join(task);
    message_release(message);
    return 0;
}
