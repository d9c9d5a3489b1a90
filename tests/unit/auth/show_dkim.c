/* usage: show_dkim RESOLVER FILE...: verifies the DKIM signatures of messages and
 * prints a line for each: FILE, result, d=, s= and the reason, with tabs between. */
#include <stdio.h>
#include <string.h>

#include "auth/dkim.h"
#include "base/loop.h"
#include "base/task.h"

#define MESSAGE_BYTES_MAX ((size_t)64 << 20)

struct request {
    const char *resolver;
    char **paths;
};

static int read_file(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    for (size_t bytes = 1; bytes;) {
        char *room = buf_reserve(content, 65536);
        bytes = room ? fread(room, 1, 65536, file) : 0;
        buf_extend(content, bytes);
    }
    return fclose(file);
}

static struct message *read_message(const char *path)
{
    struct buf content;
    struct message *message = message_new();
    buf_init(&content, MESSAGE_BYTES_MAX);
    if (read_file(path, &content) < 0)
        fprintf(stderr, "show_dkim: cannot read %s\n", path);
    message->raw = blob_copy(buf_view(&content));
    message->received_at = unix_now_ms();
    header_parse(blob_view(message->raw), message->arena, &message->header);
    buf_free(&content);
    return message;
}

static int show(struct dns *dns, const char *path)
{
    struct auth_verdict verdict;
    struct message *message = read_message(path);
    int result =
        auth_dkim_verify(dns, message, task_in_ms(10000), message->arena, &verdict);
    for (size_t i = 0; i < verdict.dkim_count && result == 0; i++) {
        const struct auth_dkim *outcome = &verdict.dkim[i];
        printf("%s\t%s\t%.*s\t%.*s\t%.*s\n", path, auth_result_name(outcome->result),
               STR_ARG(outcome->domain), STR_ARG(outcome->selector),
               STR_ARG(outcome->reason));
    }
    message_release(message);
    return result;
}

static int show_all(void *arg)
{
    const struct request *request = arg;
    struct err err;
    struct dns *dns = dns_open(&(struct dns_options){.resolver = request->resolver}, &err);
    if (!dns) {
        fprintf(stderr, "show_dkim: %s\n", err.text);
        return err.code;
    }
    int result = 0;
    for (char **path = request->paths; *path && result == 0; path++)
        result = show(dns, *path);
    dns_close(dns);
    return result;
}

int main(int count, char *words[])
{
    if (count < 3) {
        fprintf(stderr, "usage: show_dkim RESOLVER FILE...\n");
        return 2;
    }
    struct request request = {words[1], words + 2};
    return loop_run_task("show_dkim", show_all, &request) == 0 ? 0 : 1;
}
