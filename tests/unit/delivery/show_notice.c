/* usage: show_notice FILE return_path=… host=… [envid=…] [ret=1|2] RECIPIENT...: writes the notice about a message.
 * A recipient is original=… and what differs from nothing: recipient=… orcpt=… action=failed|delayed|relayed code=…
 * enhanced=… text=… peer=…; with a peer, the words are the peer's. */
#include <stdio.h>

#include "delivery/notice.h"
#include "mail/message.h"

#define MESSAGE_BYTES_MAX ((size_t)4 << 20)
#define RECIPIENTS_MAX    100
#define HOUR_MS           ((uint64_t)60 * 60 * 1000)

struct question {
    struct notice_options options;
    struct store_message message;
    struct notice_recipient recipients[RECIPIENTS_MAX];
    struct reply replies[RECIPIENTS_MAX];
    size_t count;
};

static int number_of(struct str digits)
{
    unsigned long long number;
    return str_to_number(digits, &number) ? (int)number : 0;
}

static enum notice_action action_of(struct str name)
{
    return str_equal(name, STR("delayed"))   ? NOTICE_DELAYED
           : str_equal(name, STR("relayed")) ? NOTICE_RELAYED
                                             : NOTICE_FAILED;
}

static void take_of_recipient(struct notice_recipient *recipient, struct reply *reply,
                              struct str name, struct str value)
{
    recipient->reply = reply;
    if (str_equal(name, STR("recipient")))
        recipient->recipient = value;
    else if (str_equal(name, STR("orcpt")))
        recipient->orcpt = value;
    else if (str_equal(name, STR("action")))
        recipient->action = action_of(value);
    else if (str_equal(name, STR("code")))
        reply->code = number_of(value);
    else if (str_equal(name, STR("enhanced")))
        snprintf(reply->enhanced, sizeof reply->enhanced, "%s", value.at);
    else if (str_equal(name, STR("text")))
        snprintf(reply->text, sizeof reply->text, "%s", value.at);
    else if (str_equal(name, STR("peer"))) {
        recipient->peer = value;
        recipient->is_from_peer = true;
    }
}

static void begin_recipient(struct question *question, struct str original)
{
    uint64_t now_ms = question->message.created_ms + HOUR_MS;
    if (question->count < RECIPIENTS_MAX)
        question->recipients[question->count++] = (struct notice_recipient){
            .original = original,
            .recipient = original,
            .last_attempt_ms = now_ms,
            .retry_until_ms = now_ms + HOUR_MS,
        };
}

static void take(struct question *question, struct str name, struct str value)
{
    if (str_equal(name, STR("original")))
        begin_recipient(question, value);
    else if (question->count)
        take_of_recipient(&question->recipients[question->count - 1],
                          &question->replies[question->count - 1], name, value);
    else if (str_equal(name, STR("return_path")))
        question->message.return_path = value;
    else if (str_equal(name, STR("host")))
        question->options.host_name = value.at;
    else if (str_equal(name, STR("envid")))
        question->message.envid = value;
    else if (str_equal(name, STR("ret")))
        question->message.ret = (uint8_t)number_of(value);
}

static int show(struct question *question, struct arena *arena)
{
    struct store_message notice;
    struct store_leg leg;
    struct err err;
    const struct notice_request request = {
        .options = &question->options,
        .message = &question->message,
        .recipients = question->recipients,
        .count = question->count,
        .now_ms = question->message.created_ms + HOUR_MS,
        .arena = arena,
    };
    if (notice_compose(&request, &notice, &leg, &err) < 0) {
        fprintf(stderr, "show_notice: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < notice.part_count; i++)
        fwrite(notice.parts[i].at, 1, notice.parts[i].length, stdout);
    return 0;
}

int main(int count, char *words[])
{
    struct question question = {
        .options = {.host_name = "mx.gate.test"},
        .message = {.id = {"0abc", 4}, .created_ms = 1795321752000},
    };
    static char bytes[MESSAGE_BYTES_MAX];
    FILE *file = count > 3 ? fopen(words[1], "rb") : NULL;
    if (!file) {
        fprintf(stderr,
                "usage: show_notice FILE return_path=… original=… [name=value]...\n");
        return 2;
    }
    struct str raw = {bytes, fread(bytes, 1, sizeof bytes, file)};
    fclose(file);
    question.message.parts = &raw;
    question.message.part_count = 1;
    for (int i = 2; i < count; i++) {
        struct str value = str_of(words[i]), name = str_cut(&value, '=');
        take(&question, name, value);
    }
    struct arena *arena = arena_new();
    int result = question.count ? show(&question, arena) : 2;
    arena_free(arena);
    return result;
}
