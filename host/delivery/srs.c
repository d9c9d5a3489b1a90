/* After draft-mengwong-sender-rewrite, as libsrs2 and postsrsd write and read it:
 *
 *   SRS0-local = "SRS0" sep hash "=" stamp "=" domain "=" local-part
 *   SRS1-local = "SRS1" sep opaque "=" domain "=" SRS0-rest     ; SRS0-rest: what followed "SRS0" there, sep first
 *   sep        = "=" / "+" / "-"
 *   stamp      = 2 base32 digits: days since 1970, modulo 1024
 *
 * Two things are ours. The hash has 8 base32 digits instead of 4 of base64: once case is folded away, those are some
 * 20 bits, a morning's work for a bot that may ask a hundred times a second, against 40 of chance. And what only its
 * author reads of an SRS1 address, the opaque part, ends with a stamp too, so that these expire as well.
 *
 * The MAC is over kind, stamp, domain and what follows, in lower case (ASCII), since MTAs on the way may fold. */
#include "srs.h"

#include <errno.h>

#include "mail/base32.h"

#define TAG_DIGITS   8
#define STAMP_DIGITS 2
#define STAMP_DAYS   1024
#define KIND_BYTES   4 /* "SRS0" */
#define DAY_MS       UINT64_C(86400000)

/* What a rewritten local part says. */
struct parts {
    char kind; /* '0', '1' */
    struct str tag;
    struct str stamp;
    struct str domain;
    struct str rest;
};

static bool is_separator(char c)
{
    return c == '=' || c == '+' || c == '-';
}

/* '0' or '1', or 0 when it is neither. */
static char kind_of(struct str local)
{
    if (local.length <= KIND_BYTES || !str_starts_nocase(local, STR("SRS")) ||
        !is_separator(local.at[KIND_BYTES]))
        return 0;
    char kind = local.at[KIND_BYTES - 1];
    return kind == '0' || kind == '1' ? kind : 0;
}

bool srs_is_address(const struct mailbox *address)
{
    return kind_of(address->local) != 0;
}

/* --- time --- */

static unsigned stamp_of(uint64_t now_ms)
{
    return (unsigned)(now_ms / DAY_MS % STAMP_DAYS);
}

/* How many days ago the stamp was made, modulo 1024: a clock that is a day ahead of ours makes it 1023. */
static unsigned age_days(struct str stamp, uint64_t now_ms)
{
    unsigned day =
        (unsigned)base32_value(stamp.at[0]) << 5 | (unsigned)base32_value(stamp.at[1]);
    return (stamp_of(now_ms) - day) % STAMP_DAYS;
}

static bool is_in_time(struct str stamp, uint64_t now_ms)
{
    unsigned age = age_days(stamp, now_ms);
    return age <= SRS_VALID_DAYS || age == STAMP_DAYS - 1;
}

/* --- the text --- */

static struct str join(const struct str pieces[], size_t count, struct arena *arena)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += pieces[i].length;
    char *text = arena_alloc(arena, length + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].length)
            memcpy(text + at, pieces[i].at, pieces[i].length);
        at += pieces[i].length;
    }
    return (struct str){text, length};
}

/* The MAC's input. */
static struct str covered(const struct parts *parts, struct arena *arena)
{
    const struct str pieces[] = {
        {&parts->kind, 1}, parts->stamp, parts->domain, STR("="), parts->rest};
    struct str text = join(pieces, sizeof pieces / sizeof *pieces, arena);
    char *lower = arena_alloc(arena, text.length);
    for (size_t i = 0; i < text.length; i++)
        lower[i] = ascii_lower(text.at[i]);
    return (struct str){lower, text.length};
}

/* Takes apart one of ours: false when it cannot be. */
static bool parse(struct str local, struct parts *parts)
{
    parts->kind = kind_of(local);
    size_t stamp = KIND_BYTES + 1 + TAG_DIGITS + (parts->kind == '0' ? 1 : 0);
    size_t domain = stamp + STAMP_DIGITS + 1;
    if (!parts->kind || local.length <= domain || local.at[domain - 1] != '=' ||
        (parts->kind == '0' && local.at[stamp - 1] != '='))
        return false;
    parts->tag = str_part(local, KIND_BYTES + 1, TAG_DIGITS);
    parts->stamp = str_part(local, stamp, STAMP_DIGITS);
    parts->rest = str_from(local, domain);
    parts->domain = str_cut(&parts->rest, '=');
    return base32_value(parts->stamp.at[0]) >= 0 && base32_value(parts->stamp.at[1]) >= 0 &&
           parts->domain.length && parts->rest.length &&
           (parts->kind == '0' || is_separator(parts->rest.at[0]));
}

/* local@domain, the local part quoted where it needs to be. */
static int make_mailbox(struct str local, struct str domain, struct arena *arena,
                        struct mailbox *mailbox)
{
    struct mailbox unquoted = {.local = local, .domain = domain};
    return mailbox_parse(mailbox_ascii_text(&unquoted, arena), arena, mailbox);
}

/* The address that the parts lead back to. */
static int restore(const struct parts *parts, struct arena *arena, struct mailbox *original)
{
    const struct str srs0[] = {STR("SRS0"), parts->rest};
    struct str local = parts->kind == '0' ? parts->rest : join(srs0, 2, arena);
    return make_mailbox(local, parts->domain, arena, original);
}

/* --- rewriting --- */

/* Another forwarder's SRS1: the first forwarder is kept, and what that one wrote; the second is left out. False
 * when it only looks like one. */
static bool take_over_srs1(struct str local, struct arena *arena, struct parts *parts)
{
    struct str rest = str_from(local, KIND_BYTES + 1);
    str_cut(&rest, '=');
    parts->kind = '1';
    parts->domain = str_cut(&rest, '=');
    parts->rest = rest;
    struct mailbox first;
    if (!rest.length || !is_separator(rest.at[0]) || restore(parts, arena, &first) < 0)
        return false;
    parts->domain = first.domain;
    return true;
}

static void choose_parts(const struct mailbox *original, struct arena *arena,
                         struct parts *parts)
{
    char kind = kind_of(original->local);
    if (kind == '1' && take_over_srs1(original->local, arena, parts))
        return;
    parts->kind = kind == '0' ? '1' : '0';
    parts->domain = original->domain;
    parts->rest = kind == '0' ? str_from(original->local, KIND_BYTES) : original->local;
}

int srs_encode(const struct secret *secret, const struct mailbox *original,
               struct str domain, uint64_t now_ms, struct arena *arena,
               struct mailbox *rewritten)
{
    *rewritten = *original;
    if (original->is_null || str_equal_nocase(original->domain, domain))
        return 0;
    struct parts parts;
    unsigned day = stamp_of(now_ms);
    char stamp[STAMP_DIGITS] = {base32_digit(day >> 5), base32_digit(day)};
    char tag[TAG_DIGITS];
    choose_parts(original, arena, &parts);
    parts.stamp = (struct str){stamp, sizeof stamp};
    parts.tag = (struct str){tag, sizeof tag};
    secret_tag(secret, SECRET_SRS, covered(&parts, arena), tag, sizeof tag);
    const struct str pieces[] = {parts.kind == '0' ? STR("SRS0=") : STR("SRS1="),
                                 parts.tag,
                                 parts.kind == '0' ? STR("=") : STR(""),
                                 parts.stamp,
                                 STR("="),
                                 parts.domain,
                                 STR("="),
                                 parts.rest};
    struct str local = join(pieces, sizeof pieces / sizeof *pieces, arena);
    /* All of it was in addresses already: nothing but its length can be wrong. */
    return make_mailbox(local, domain, arena, rewritten) < 0 ? -ENAMETOOLONG : 0;
}

/* --- and back --- */

enum srs_result srs_decode(const struct secret *secret, const struct mailbox *address,
                           uint64_t now_ms, struct arena *arena, struct mailbox *original)
{
    struct parts parts;
    bool is_parsed = parse(address->local, &parts);
    *original = (struct mailbox){0};
    if (!is_parsed ||
        !secret_tag_verify(secret, SECRET_SRS, covered(&parts, arena), parts.tag) ||
        restore(&parts, arena, original) < 0)
        return SRS_FORGED;
    return is_in_time(parts.stamp, now_ms) ? SRS_OK : SRS_EXPIRED;
}

uint64_t srs_expires_ms(const struct mailbox *address, uint64_t now_ms)
{
    struct parts parts;
    if (!parse(address->local, &parts))
        return 0;
    uint64_t end = now_ms / DAY_MS + 1 + SRS_VALID_DAYS;
    unsigned age = age_days(parts.stamp, now_ms);
    if (age == STAMP_DAYS - 1)
        return (end + 1) * DAY_MS;
    return end > age ? (end - age) * DAY_MS : 0;
}
