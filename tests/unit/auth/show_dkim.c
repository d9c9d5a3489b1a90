/* usage: show_dkim RESOLVER [--arc] FILE...: verifies the DKIM signatures of messages and
 * prints a line for each: FILE, result, d=, s= and the reason, with tabs between. With --arc: a line for
 * the chain of each message: FILE, result, number of sets, the newest sealer and the reason. */
#include <stdio.h>
#include <string.h>

#include "show_message.h"

#include "auth/arc.h"
#include "auth/dkim.h"
#include "base/loop.h"
#include "base/task.h"

struct request {
    const char *resolver;
    char **paths;
};

static int show_signatures(struct dns *dns, const char *path)
{
    struct auth_verdict verdict;
    struct message *message = show_read_message(path);
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

static int show_chain(struct dns *dns, const char *path)
{
    struct auth_arc arc;
    struct message *message = show_read_message(path);
    int result = auth_arc_verify(dns, message, task_in_ms(10000), message->arena, &arc);
    struct str sealer = arc.count ? arc.sets[arc.count - 1].sealer : STR("");
    if (result == 0)
        printf("%s\t%s\t%u\t%.*s\t%.*s\n", path, auth_result_name(arc.result), arc.count,
               STR_ARG(sealer), STR_ARG(arc.reason));
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
    bool is_arc = strcmp(*request->paths, "--arc") == 0;
    for (char **path = request->paths + is_arc; *path && result == 0; path++)
        result = is_arc ? show_chain(dns, *path) : show_signatures(dns, *path);
    dns_close(dns);
    return result;
}

int main(int count, char *words[])
{
    if (count < 3) {
        fprintf(stderr, "usage: show_dkim RESOLVER [--arc] FILE...\n");
        return 2;
    }
    struct request request = {words[1], words + 2};
    return loop_run_task("show_dkim", show_all, &request) == 0 ? 0 : 1;
}
