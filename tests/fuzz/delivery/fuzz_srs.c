/* No text is taken for an address of ours. What is an address comes back through one forwarder and through two; and
 * with any one byte changed it is forged, or the same without regard to case.
 *
 * Input: the text; its last two bytes say which byte is changed, to what. */
#include <stdint.h>

#include "../../unit/secret_of.h"

#include "base/mem.h"
#include "delivery/srs.h"

#define NOW_MS UINT64_C(1795305600000)
#define PREFIX 5 /* "SRS0=" */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct secret *secret(void)
{
    static struct secret *opened;
    if (!opened)
        opened = secret_of(SECRET_COUNTING "\n");
    return opened;
}

static void check_change(const struct mailbox *rewritten, const struct mailbox *original,
                         const uint8_t change[2], struct arena *arena)
{
    struct mailbox changed = *rewritten, back;
    char *local = arena_text(arena, rewritten->local);
    size_t at = PREFIX + change[0] % (rewritten->local.length - PREFIX);
    bool is_same = ascii_lower(local[at]) == ascii_lower((char)change[1]);
    local[at] = (char)change[1];
    changed.local.at = local;
    enum srs_result result = srs_decode(secret(), &changed, NOW_MS, arena, &back);
    invariant(result == (is_same ? SRS_OK : SRS_FORGED), "a change is a forgery");
    invariant(!is_same || mailbox_same(&back, original), "or changes case alone");
}

static void check(const struct mailbox *original, const uint8_t change[2],
                  struct arena *arena)
{
    struct mailbox once, twice, back, expected;
    if (srs_encode(secret(), original, STR("one.test"), NOW_MS, arena, &once) < 0 ||
        str_equal(original->domain, STR("one.test")))
        return;
    invariant(srs_is_address(&once) && once.text.length <= MAILBOX_BYTES_MAX, "rewritten");
    invariant(srs_decode(secret(), &once, NOW_MS, arena, &back) == SRS_OK, "it comes back");
    invariant(srs_is_address(original) || mailbox_same(&back, original), "as it was");
    check_change(&once, &back, change, arena);
    if (srs_encode(secret(), &once, STR("two.test"), NOW_MS, arena, &twice) < 0)
        return;
    expected = str_starts(once.local, STR("SRS0")) ? once : back;
    invariant(srs_decode(secret(), &twice, NOW_MS, arena, &back) == SRS_OK, "again");
    invariant(mailbox_same(&back, &expected), "to the first forwarder");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;
    struct arena *arena = arena_new();
    struct mailbox mailbox, original;
    struct str text = {(const char *)bytes, length - 2};
    struct mailbox raw = {.local = text, .domain = STR("one.test")};
    invariant(srs_decode(secret(), &raw, NOW_MS, arena, &original) == SRS_FORGED, "forged");
    srs_expires_ms(&raw, NOW_MS);
    if (mailbox_parse(text, arena, &mailbox) == 0)
        check(&mailbox, bytes + length - 2, arena);
    arena_free(arena);
    return 0;
}
