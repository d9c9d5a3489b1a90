/* An address, or a list of them, is refused, or what comes out of it parses to the same again. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/address_list.h"
#include "mail/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const struct mailbox *mailbox, struct arena *arena)
{
    struct str forms[] = {mailbox->text, mailbox_ascii_text(mailbox, arena)};
    for (size_t i = 0; i < 2; i++) {
        struct mailbox again;
        invariant(forms[i].length <= MAILBOX_BYTES_MAX, "length within bounds");
        invariant(mailbox_parse(forms[i], arena, &again) == 0, "it parses again");
        invariant(mailbox_same(mailbox, &again), "to the same");
        invariant(str_equal(mailbox->local, again.local), "case kept");
        invariant(str_index(forms[i], '\r') < 0 && str_index(forms[i], '\n') < 0 &&
                      str_index(forms[i], '\0') < 0,
                  "on one line");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str input = {(const char *)bytes, length};
    struct mailbox mailboxes[4];
    if (mailbox_parse(input, arena, mailboxes) == 0)
        check(mailboxes, arena);
    int count = address_list_parse(input, arena, mailboxes, 4);
    for (int i = 0; i < count; i++)
        check(&mailboxes[i], arena);
    arena_free(arena);
    return 0;
}
