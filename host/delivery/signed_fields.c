#include "signed_fields.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/canonical.h"

/* STR() is no constant. */
#define NAME(text)                                                                         \
    {                                                                                      \
        "" text, sizeof(text) - 1                                                          \
    }

/* RFC 6376 section 5.4.1, RFC 8058 section 4 (List-Unsubscribe-Post), and what MIME says of the body. What every hop
 * changes is not there: trace fields, those of ARC, and verdicts. */
static const struct signed_name {
    struct str name;
    bool is_oversigned;
} signed_names[] = {
    {NAME("From"), true},
    {NAME("To"), true},
    {NAME("Cc"), true},
    {NAME("Reply-To"), true},
    {NAME("Subject"), true},
    {NAME("Date"), true},
    {NAME("Message-ID"), true},
    {NAME("MIME-Version"), true},
    {NAME("Content-Type"), true},
    {NAME("Content-Transfer-Encoding"), true},
    {NAME("Content-Disposition"), false},
    {NAME("Content-ID"), false},
    {NAME("Content-Description"), false},
    {NAME("Sender"), false},
    {NAME("In-Reply-To"), false},
    {NAME("References"), false},
    {NAME("Resent-Date"), false},
    {NAME("Resent-From"), false},
    {NAME("Resent-Sender"), false},
    {NAME("Resent-To"), false},
    {NAME("Resent-Cc"), false},
    {NAME("Resent-Message-ID"), false},
    {NAME("List-Id"), false},
    {NAME("List-Help"), false},
    {NAME("List-Unsubscribe"), false},
    {NAME("List-Unsubscribe-Post"), false},
    {NAME("List-Subscribe"), false},
    {NAME("List-Post"), false},
    {NAME("List-Owner"), false},
    {NAME("List-Archive"), false},
};
#define NAME_COUNT (sizeof signed_names / sizeof *signed_names)

struct choice {
    const struct header *header;
    uint8_t *kinds; /* of each field its place in signed_names, or NAME_COUNT */
    struct buf *names, *text;
    size_t named_count;
};

static size_t kind_of(struct str name)
{
    size_t kind = 0;
    while (kind < NAME_COUNT && !str_equal_nocase(signed_names[kind].name, name))
        kind++;
    return kind;
}

static void put_name(struct choice *choice, struct str name)
{
    int result = 0;
    if (choice->named_count++)
        result = buf_append(choice->names, STR(":"));
    if (result == 0)
        result = buf_append(choice->names, name);
    invariant(result == 0, "seal: there is room for h=");
}

/* Section 5.4.2: from below. */
static void choose_name(struct choice *choice, size_t kind)
{
    const struct signed_name *wanted = &signed_names[kind];
    for (size_t i = choice->header->count; i-- > 0;) {
        if (choice->kinds[i] != kind)
            continue;
        if (choice->named_count == SIGNED_FIELDS_MAX)
            return;
        put_name(choice, wanted->name);
        int result = canonical_field(CANONICAL_RELAXED, choice->header->fields[i].whole,
                                     choice->text);
        invariant(result == 0, "seal: there is room for the header");
    }
    if (wanted->is_oversigned && choice->named_count < SIGNED_FIELDS_MAX)
        put_name(choice, wanted->name);
}

void signed_fields_choose(const struct header *header, struct buf *names, struct buf *text)
{
    struct choice choice = {header, mem_alloc(header->count), names, text, 0};
    for (size_t i = 0; i < header->count; i++)
        choice.kinds[i] = (uint8_t)kind_of(header->fields[i].name);
    for (size_t kind = 0; kind < NAME_COUNT; kind++)
        choose_name(&choice, kind);
    free(choice.kinds);
}
