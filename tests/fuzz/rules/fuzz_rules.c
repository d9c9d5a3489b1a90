/* Any bytes as a file of rules: a set or problems. A set answers for some recipients, with and without the
 * message. */
#include "rules/rule_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void match_all(const struct rule_set *set, const struct message *message,
                      struct arena *arena)
{
    static const char *const addresses[] = {
        "support@example.com",    "user+tag@example.com", "order-12@example.com",
        "postmaster@example.com", "\"a b\"@example.com",  "x@[192.0.2.1]"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct mailbox recipient;
        struct rule_match match;
        if (mailbox_parse(str_of(addresses[i]), arena, &recipient) < 0)
            continue;
        struct rule_question question = {.recipient = &recipient, .envelope = message};
        rule_set_match(set, &question, arena, &match);
        question.message = message;
        rule_set_match(set, &question, arena, &match);
    }
}

static void ask(const struct rule_set *set, struct arena *arena)
{
    struct message message = {.arena = arena};
    message.raw = blob_copy(STR("Subject: Refund\r\nFrom: a@b.test\r\n\r\ntext\r\n"));
    header_parse(blob_view(message.raw), arena, &message.header);
    mailbox_parse(STR("ben@corp.test"), arena, &message.reverse_path);
    net_address_parse(STR("192.0.2.7"), 25, &message.client.address);
    match_all(set, &message, arena);
    blob_release(message.raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct rule_vocabulary vocabulary = {
        .postmaster = {"pm@corp.test", sizeof "pm@corp.test" - 1}};
    struct arena *arena = arena_new();
    struct problem_list problems;
    problem_list_open(&problems);
    struct rule_text file = {STR("fuzz.yaml"), {(const char *)bytes, length}};
    struct rule_set *set = rule_set_parse(&file, 1, &vocabulary, &problems);
    if (set)
        ask(set, arena);
    else if (problems.count == 0)
        __builtin_trap();
    rule_set_release(set);
    problem_list_close(&problems);
    arena_free(arena);
    return 0;
}
