/* A field is refused, or read within bounds; ours, made of any bytes, is one field that reads back. */
#include <stdint.h>

#include "auth/results_header.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_reading(struct str input, struct arena *arena)
{
    struct auth_results results;
    if (auth_results_parse(input, arena, &results) < 0)
        return;
    invariant(results.authserv_id.length || str_starts(str_trim(input), STR("\"")) ||
                  str_index(input, '(') >= 0,
              "no id but an empty quoted one");
    invariant(results.count <= AUTH_RESULTS_ITEMS_MAX, "items are bounded");
    for (size_t i = 0; i < results.count; i++) {
        invariant(results.items[i].method.length && results.items[i].result.length,
                  "an item has method and result");
        invariant(results.items[i].property_count <= AUTH_RESULTS_PROPERTIES_MAX,
                  "properties are bounded");
    }
}

/* What is left of the message has nothing forged in it. */
static void check_forged(struct str raw, struct arena *arena)
{
    struct header header;
    struct str *ranges;
    header_parse(raw, arena, &header);
    size_t count = auth_results_forged(raw, &header, STR("mx.test"), arena, &ranges);
    struct str before = str_part(raw, 0, 0);
    for (size_t i = 0; i < count; i++) {
        invariant(ranges[i].at >= before.at + before.length &&
                      ranges[i].at + ranges[i].length <= raw.at + header.body_offset,
                  "ranges are within the header, in order");
        before = ranges[i];
    }
}

static void check_writing(struct str evil, struct arena *arena)
{
    struct message *message = message_new();
    struct auth_options options = {.authserv_id = STR("mx.test"),
                                   .spf = AUTH_MARK,
                                   .dkim = AUTH_MARK,
                                   .dmarc = AUTH_MARK};
    message->reverse_path.text = message->client.helo = evil;
    message->client.address.socket.any.sa_family = AF_INET;
    struct auth_verdict verdict = {
        .client = {.hostname = evil, .iprev = AUTH_FAIL},
        .spf = {.result = AUTH_FAIL, .domain = evil, .mechanism = evil, .reason = evil},
        .dkim = {{AUTH_FAIL, evil, evil, evil, evil, evil, evil, 0}},
        .dkim_count = 1,
        .dmarc = {.result = AUTH_FAIL, .from_domain = evil, .policy_domain = evil},
    };
    struct str written = auth_results_fields(&options, message, &verdict, "", arena);
    struct header header;
    struct auth_results results;
    header_parse(written, arena, &header);
    invariant(header.count == 1 && header.body_offset == written.length, "one field");
    invariant(auth_results_parse(header.fields[0].value, arena, &results) == 0,
              "it reads back");
    invariant(results.count == 4, "with each check once");
    message_release(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str input = {(const char *)bytes, length};
    check_reading(input, arena);
    check_forged(input, arena);
    check_writing(input, arena);
    arena_free(arena);
    return 0;
}
