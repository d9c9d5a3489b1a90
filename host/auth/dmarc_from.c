/* RFC 5322 wants one From field, which may name several authors. Which of several fields or domains a
 * reader is shown nobody knows (RFC 9989 section 11.5), so more than one is an error, not a choice. */
#include "dmarc_from.h"

#include <errno.h>

#include "mail/address_list.h"

#define AUTHORS_MAX 32

static int one_domain(const struct mailbox authors[], size_t count, struct str *reason)
{
    for (size_t i = 0; i < count; i++) {
        if (authors[i].domain.at[0] == '[') {
            *reason = STR("From has an address without a domain name");
            return -EINVAL;
        }
        if (!str_equal(authors[i].domain, authors[0].domain)) {
            *reason = STR("From has addresses of several domains");
            return -EINVAL;
        }
    }
    return 0;
}

static int read_field(const struct header_field *from, struct arena *arena,
                      struct str *domain, struct str *reason)
{
    struct mailbox *authors = arena_array(arena, struct mailbox, AUTHORS_MAX);
    int count = address_list_parse(from->value, arena, authors, AUTHORS_MAX);
    if (count < 0) {
        *reason = STR("From is no list of addresses");
        return -EINVAL;
    }
    int result = one_domain(authors, (size_t)count, reason);
    if (result == 0)
        *domain = authors[0].domain;
    return result;
}

/* What keeps the header from having exactly one From field, or empty. */
static struct str field_fault(const struct header *header)
{
    size_t count = header_count(header, STR("From"));
    if (count == 0)
        return STR("there is no From field");
    if (count > 1)
        return STR("there are several From fields");
    if (header->count == HEADER_FIELDS_MAX)
        return STR("there may be more From fields than could be looked for");
    return (struct str){0};
}

int dmarc_from_domain(const struct header *header, struct arena *arena, struct str *domain,
                      struct str *reason)
{
    size_t index = 0;
    const struct header_field *from = header_next(header, STR("From"), &index);
    *domain = (struct str){0};
    *reason = field_fault(header);
    if (!from || reason->length)
        return -EINVAL;
    return read_field(from, arena, domain, reason);
}
