/* RFC 9989 section 4.8:
 *
 *   dmarc-record  = dmarc-version *(dmarc-sep dmarc-tag) [dmarc-sep]
 *   dmarc-version = "v" equals %s"DMARC1"
 *   dmarc-sep     = *WSP ";" *WSP
 *   equals        = *WSP "=" *WSP
 *   dmarc-urilist = dmarc-uri *(*WSP "," *WSP dmarc-uri)
 *
 * One pass over the text, whatever its length; syntax errors after the version are passed over, as the
 * RFC asks, so this does not share the strict tag=value list of DKIM. */
#include "dmarc_record.h"

#include "mail/domain.h"

/* --- values --- */

static enum dmarc_request read_request(struct str value)
{
    static const char *const names[] = {"none", "quarantine", "reject"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_equal_nocase(value, str_of(names[i])))
            return DMARC_REQUEST_NONE + (enum dmarc_request)i;
    return DMARC_REQUEST_INVALID;
}

static bool is_letter(struct str value, char letter)
{
    return value.length == 1 && ascii_lower(value.at[0]) == letter;
}

static bool is_hex(char c)
{
    return ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

/* RFC 3986: unreserved, reserved but "," and "!", and whole percent-encodings. */
static bool is_uri_text(struct str s)
{
    static const char others[] = "-._~:/?#[]@$&'()*+;=";
    for (size_t i = 0; i < s.length; i++) {
        char c = s.at[i];
        if (c == '%') {
            if (s.length - i < 3 || !is_hex(s.at[i + 1]) || !is_hex(s.at[i + 2]))
                return false;
            i += 2;
        } else if (!ascii_alnum(c) && (c == '\0' || !strchr(others, c))) {
            return false;
        }
    }
    return s.length > 0;
}

static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!ascii_alnum(s.at[i]) && (s.at[i] == '\0' || !strchr("+-.", s.at[i])))
            return false;
    return s.length > 0 && ascii_alpha(s.at[0]);
}

/* An address: mailto (RFC 6068) needs a local part and a domain. */
static bool is_report_uri(struct str uri, struct arena *arena)
{
    if (uri.length > DMARC_REPORT_URI_BYTES_MAX || str_index(uri, ':') < 0)
        return false;
    struct str rest = uri;
    struct str scheme = str_cut(&rest, ':');
    if (!is_scheme(scheme) || !is_uri_text(rest))
        return false;
    if (!str_equal_nocase(scheme, STR("mailto")))
        return true;
    struct str address = str_cut(&rest, '?');
    struct str domain;
    ptrdiff_t at = str_last_index(address, '@');
    return at > 0 &&
           domain_normalize(str_from(address, (size_t)at + 1), arena, &domain) == 0;
}

/* The valid URIs of the list, without the obsolete "!10m" (RFC 9989: to be ignored) behind them. */
static struct str read_uris(struct str list, struct arena *arena)
{
    char *kept = NULL;
    size_t length = 0;
    for (size_t count = 0; list.length && count < DMARC_REPORT_URIS_MAX; count++) {
        struct str item = str_cut(&list, ',');
        struct str uri = str_trim(str_cut(&item, '!'));
        if (!is_report_uri(uri, arena))
            continue;
        if (!kept)
            kept = arena_alloc(arena, (DMARC_REPORT_URI_BYTES_MAX + 1) *
                                          (size_t)DMARC_REPORT_URIS_MAX);
        if (length)
            kept[length++] = ',';
        memcpy(kept + length, uri.at, uri.length);
        length += uri.length;
    }
    return (struct str){kept, length};
}

/* --- tags --- */

enum tag {
    TAG_P,
    TAG_SP,
    TAG_NP,
    TAG_PSD,
    TAG_T,
    TAG_ADKIM,
    TAG_ASPF,
    TAG_RUA,
    TAG_RUF,
    TAGS
};

static enum tag find_tag(struct str name)
{
    static const char *const names[TAGS] = {"p",     "sp",   "np",  "psd", "t",
                                            "adkim", "aspf", "rua", "ruf"};
    enum tag tag = 0;
    while (tag < TAGS && !str_equal_nocase(name, str_of(names[tag])))
        tag++;
    return tag;
}

static enum dmarc_psd read_psd(struct str value)
{
    if (is_letter(value, 'y'))
        return DMARC_PSD_YES;
    return is_letter(value, 'n') ? DMARC_PSD_NO : DMARC_PSD_UNKNOWN;
}

static void read_tag(enum tag tag, struct str value, struct arena *arena,
                     struct dmarc_record *record)
{
    switch (tag) {
    case TAG_P:
        record->policy = read_request(value);
        break;
    case TAG_SP:
        record->subdomain_policy = read_request(value);
        break;
    case TAG_NP:
        record->nonexistent_policy = read_request(value);
        break;
    case TAG_PSD:
        record->psd = read_psd(value);
        break;
    case TAG_T:
        record->is_test = is_letter(value, 'y');
        break;
    case TAG_ADKIM:
        record->is_dkim_strict = is_letter(value, 's');
        break;
    case TAG_ASPF:
        record->is_spf_strict = is_letter(value, 's');
        break;
    case TAG_RUA:
        record->report_aggregate = read_uris(value, arena);
        break;
    case TAG_RUF:
        record->report_failure = read_uris(value, arena);
        break;
    case TAGS:
        break;
    }
}

bool dmarc_record_is_one(struct str text)
{
    struct str value = str_cut(&text, ';');
    if (value.length == 0 || ascii_lower(value.at[0]) != 'v')
        return false;
    struct str name = str_trim(str_cut(&value, '='));
    return name.length == 1 && str_equal(str_trim(value), STR("DMARC1"));
}

/* RFC 9989 section 4.10.1: what is wrong with the policies makes it p=none for those who would be told. */
static void weaken_if_invalid(struct dmarc_record *record)
{
    bool is_valid = record->policy > DMARC_REQUEST_INVALID &&
                    record->subdomain_policy != DMARC_REQUEST_INVALID &&
                    record->nonexistent_policy != DMARC_REQUEST_INVALID;
    if (is_valid)
        return;
    record->policy =
        record->report_aggregate.length ? DMARC_REQUEST_NONE : DMARC_REQUEST_INVALID;
    record->subdomain_policy = record->nonexistent_policy = DMARC_REQUEST_ABSENT;
}

void dmarc_record_parse(struct str text, struct arena *arena, struct dmarc_record *record)
{
    bool is_seen[TAGS + 1] = {false};
    *record = (struct dmarc_record){0};
    str_cut(&text, ';');
    while (text.length) {
        struct str value = str_cut(&text, ';');
        if (str_index(value, '=') < 0)
            continue;
        enum tag tag = find_tag(str_trim(str_cut(&value, '=')));
        if (!is_seen[tag])
            read_tag(tag, str_trim(value), arena, record);
        is_seen[tag] = true;
    }
    weaken_if_invalid(record);
}

bool dmarc_record_is_usable(const struct dmarc_record *record)
{
    return record->policy > DMARC_REQUEST_INVALID;
}
