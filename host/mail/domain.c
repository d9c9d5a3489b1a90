/* Plain ASCII domains, nearly all there are, never reach libidn2: besides the time it takes, it refuses
 * names that are in use ("r3---sn-a.example.com"), and what an A-label decodes to is no concern of a
 * comparison. What libidn2 makes of the others is checked by the same rule, since its mapping can
 * yield any ASCII ("℀.com" -> "a/c.com"). */
#include "domain.h"

#include <errno.h>
#include <idn2.h>

#include "mail/utf8.h"

#define LABEL_BYTES_MAX   63
/* A U-label may take more bytes than its A-label, but no more than 4 for each of its characters. */
#define UNICODE_BYTES_MAX ((size_t)4 * DOMAIN_BYTES_MAX)

static bool is_label(struct str label)
{
    return label.length >= 1 && label.length <= LABEL_BYTES_MAX && label.at[0] != '-' &&
           label.at[label.length - 1] != '-';
}

/* Lower-cases an ASCII domain into `normal`, which has room for it. */
static int normalize_ascii(struct str domain, char *normal)
{
    size_t label = 0;
    for (size_t i = 0; i < domain.length; i++) {
        char c = ascii_lower(domain.at[i]);
        normal[i] = c;
        if (c == '.') {
            if (!is_label(str_part(domain, label, i - label)))
                return -EINVAL;
            label = i + 1;
        } else if (!ascii_alnum(c) && c != '-' && c != '_') {
            return -EINVAL;
        }
    }
    return is_label(str_from(domain, label)) ? 0 : -EINVAL;
}

static int normalize_labels(struct str domain, struct arena *arena, struct str *normal)
{
    if (domain.length && domain.at[domain.length - 1] == '.')
        domain.length--;
    if (domain.length == 0 || domain.length > DOMAIN_BYTES_MAX)
        return -EINVAL;
    char *text = arena_alloc(arena, domain.length + 1);
    *normal = (struct str){text, domain.length};
    return normalize_ascii(domain, text);
}

int domain_normalize(struct str domain, struct arena *arena, struct str *normal)
{
    if (domain.length > UNICODE_BYTES_MAX)
        return -EINVAL;
    if (utf8_is_ascii(domain))
        return normalize_labels(domain, arena, normal);
    if (str_index(domain, '\0') >= 0)
        return -EINVAL;
    char *ascii = NULL;
    if (idn2_to_ascii_8z(arena_text(arena, domain), &ascii,
                         IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return -EINVAL;
    int result = normalize_labels(str_of(ascii), arena, normal);
    idn2_free(ascii);
    return result;
}

/* libidn2 decodes anything ("xn--a.com" -> ".com"): what does not lead back is no form of the domain. */
struct str domain_to_unicode(struct str normal, struct arena *arena)
{
    char *text = NULL;
    struct str back;
    if (str_find(normal, STR("xn--")) < 0 ||
        idn2_to_unicode_8z8z(arena_text(arena, normal), &text, 0) != IDN2_OK)
        return arena_str(arena, normal);
    struct str unicode = arena_str(arena, str_of(text));
    idn2_free(text);
    bool is_same = domain_normalize(unicode, arena, &back) == 0 && str_equal(back, normal);
    return is_same ? unicode : arena_str(arena, normal);
}

bool domain_is_within(struct str name, struct str domain)
{
    if (domain.length == 0 || name.length < domain.length)
        return false;
    size_t above = name.length - domain.length;
    return str_equal(str_from(name, above), domain) &&
           (above == 0 || name.at[above - 1] == '.');
}
