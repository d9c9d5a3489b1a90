/* Paths of MAIL and RCPT: the first byte tells which. What was taken must be said again and mean the same. */
#include <stdint.h>

#include "base/mem.h"
#include "smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say_again(const struct mailbox *mailbox, enum smtp_path_kind kind,
                      struct arena *arena)
{
    struct mailbox again;
    struct str path = str_of(arena_printf(arena, "<%.*s>", STR_ARG(mailbox->text)));
    invariant(smtp_path_parse(&path, kind, arena, &again) == 0, "fuzz: refused its own");
    invariant(path.length == 0 && str_equal(again.local, mailbox->local) &&
                  str_equal(again.domain, mailbox->domain),
              "fuzz: the same path means another mailbox");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum smtp_path_kind kind = data[0] & 1 ? SMTP_FORWARD_PATH : SMTP_REVERSE_PATH;
    struct arena *arena = arena_new();
    struct str rest = {(const char *)data + 1, size - 1};
    struct mailbox mailbox;
    if (smtp_path_parse(&rest, kind, arena, &mailbox) == 0)
        say_again(&mailbox, kind, arena);
    arena_free(arena);
    return 0;
}
