/* usage: show_notice FILE return_path=… host=… [envid=…] [ret=1|2] RECIPIENT...: writes the notice about a message.
 * A recipient is original=… and what differs from nothing: recipient=… orcpt=… action=failed|delayed|relayed code=…
 * enhanced=… text=… peer=…; with a peer, the words are the peer's. */
#include <stdio.h>
#include <stdlib.h>

#include "delivery/notice.h"
#include "mail/message.h"

#define MESSAGE_BYTES_MAX ((size_t)4 << 20)
#define RECIPIENTS_MAX    100
#define HOUR_MS           ((uint64_t)60 * 60 * 1000)

struct request {
    struct notice_options options;
    struct store_message message;
    struct notice_recipient recipients[RECIPIENTS_MAX];
    struct reply replies[RECIPIENTS_MAX];
    size_t count;
};

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
        reply->code = atoi(value.at);
    else if (str_equal(name, STR("enhanced")))
        snprintf(reply->enhanced, sizeof reply->enhanced, "%s", value.at);
    else if (str_equal(name, STR("text")))
        snprintf(reply->text, sizeof reply->text, "%s", value.at);
    else if (str_equal(name, STR("peer"))) {
        recipient->peer = value;
        recipient->is_from_peer = true;
    }
}

static void begin_recipient(struct request *request, struct str original)
{
    uint64_t now_ms = request->message.created_ms + HOUR_MS;
    if (request->count < RECIPIENTS_MAX)
        request->recipients[request->count++] = (struct notice_recipient){
            .original = original,
            .recipient = original,
            .last_attempt_ms = now_ms,
            .retry_until_ms = now_ms + HOUR_MS,
        };
}

static void take(struct request *request, struct str name, struct str value)
{
    if (str_equal(name, STR("original")))
        begin_recipient(request, value);
    else if (request->count)
        take_of_recipient(&request->recipients[request->count - 1],
                          &request->replies[request->count - 1], name, value);
    else if (str_equal(name, STR("return_path")))
        request->message.return_path = value;
    else if (str_equal(name, STR("host")))
        request->options.host_name = value.at;
    else if (str_equal(name, STR("envid")))
        request->message.envid = value;
    else if (str_equal(name, STR("ret")))
        request->message.ret = (uint8_t)atoi(value.at);
}

static int show(struct request *request, struct arena *arena)
{
    struct store_message notice;
    struct store_leg leg;
    struct err err;
    if (notice_compose(&request->options, &request->message, request->recipients,
                       request->count, request->message.created_ms + HOUR_MS, arena,
                       &notice, &leg, &err) < 0) {
        fprintf(stderr, "show_notice: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < notice.part_count; i++)
        fwrite(notice.parts[i].at, 1, notice.parts[i].length, stdout);
    return 0;
}

int main(int count, char *words[])
{
    static struct request request = {
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
    request.message.parts = &raw;
    request.message.part_count = 1;
    for (int i = 2; i < count; i++) {
        struct str value = str_of(words[i]), name = str_cut(&value, '=');
        take(&request, name, value);
    }
    struct arena *arena = arena_new();
    int result = request.count ? show(&request, arena) : 2;
    arena_free(arena);
    return result;
}
