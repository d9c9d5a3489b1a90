/* Any reply has a class with words, whoever said it, and only a permanent one is a hard bounce. */
#include <stdint.h>

#include "base/mem.h"
#include "delivery/failure.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const struct reply *reply, bool is_from_peer)
{
    enum failure_class failure = failure_classify(reply, is_from_peer);
    invariant(failure <= FAILURE_CONTENT, "a class");
    invariant(failure_name(failure)[0] && failure_meaning(failure)[0] &&
                  failure_advice(failure)[0],
              "has words");
    if (failure_is_hard_bounce(failure, reply))
        invariant(reply_is_permanent(reply) &&
                      (failure == FAILURE_HARD || failure == FAILURE_DNS),
                  "a hard bounce is for ever");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct reply reply;
    if (reply_parse((struct str){(const char *)bytes, length}, &reply) <= 0)
        return 0;
    check(&reply, true);
    check(&reply, false);
    return 0;
}
