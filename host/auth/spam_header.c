#include "auth/spam_header.h"

#include <stdlib.h>
#include <time.h>

#include "mail/address_list.h"

#define SUBJECT_GAP     8 /* blanks */
#define NUMBER_NAME     4 /* digits */
#define DATE_BYTES_MAX  80
#define ZONE_HOURS_MAX  14
#define RECIPIENTS_READ 4

static struct str value_of(const struct message *message, struct str name,
                           struct arena *arena)
{
    return header_value(&message->header, name, arena);
}

static bool has(const struct message *message, struct str name)
{
    size_t index = 0;
    return header_next(&message->header, name, &index) != NULL;
}

/* --- Date --- */

/* "+0200", "-0700 (PDT)", "GMT", "EST"; or nothing. */
static bool read_zone(const char *text, int *offset_s)
{
    *offset_s = 0;
    while (*text == ' ')
        text++;
    if (*text != '+' && *text != '-')
        return *text == '\0' || ascii_alpha(*text) || *text == '(';
    for (int i = 1; i <= 4; i++)
        if (!ascii_digit(text[i]))
            return false;
    int hours = (text[1] - '0') * 10 + (text[2] - '0');
    int minutes = (text[3] - '0') * 10 + (text[4] - '0');
    *offset_s = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
    return hours <= ZONE_HOURS_MAX && minutes < 60;
}

static bool read_date(struct str value, struct arena *arena, int64_t *unix_s)
{
    if (value.length > DATE_BYTES_MAX)
        return false;
    const char *text = arena_text(arena, value);
    const char *comma = strchr(text, ',');
    struct tm when = {0};
    int offset_s;
    const char *rest = strptime(comma ? comma + 1 : text, " %d %b %Y %H:%M", &when);
    if (rest && *rest == ':')
        rest = strptime(rest, ":%S", &when);
    if (!rest || when.tm_year < 70 || !read_zone(rest, &offset_s))
        return false;
    *unix_s = (int64_t)timegm(&when) - offset_s;
    return true;
}

static void note_date(const struct message *message, struct arena *arena,
                      struct spam_header *header)
{
    int64_t date_s;
    header->has_date = has(message, STR("Date"));
    header->is_date_sound =
        read_date(value_of(message, STR("Date"), arena), arena, &date_s);
    if (header->is_date_sound && message->received_at)
        header->date_ahead_s = date_s - (int64_t)(message->received_at / 1000);
}

/* --- Subject --- */

static void note_subject(const struct message *message, struct arena *arena,
                         struct spam_header *header)
{
    struct str subject = value_of(message, STR("Subject"), arena);
    size_t blanks = 0;
    header->subject = subject;
    for (size_t i = 0; i < subject.length; i++) {
        char c = subject.at[i];
        header->subject_letters += ascii_alpha(c);
        header->subject_capitals += c >= 'A' && c <= 'Z';
        header->subject_exclamations += c == '!';
        blanks = c == ' ' ? blanks + 1 : 0;
        header->has_subject_gap |= blanks == SUBJECT_GAP;
    }
}

/* --- addresses --- */

static bool read_mailbox(struct str value, struct arena *arena, struct mailbox *mailbox)
{
    return value.length && address_list_parse(value, arena, mailbox, 1) == 1;
}

/* In `"service@bank.test" <x@evil.test>`. */
static bool shows_other_address(struct str value, struct str domain)
{
    ptrdiff_t bracket = str_last_index(value, '<');
    if (bracket < 0)
        return false;
    struct str name = str_part(value, 0, (size_t)bracket);
    ptrdiff_t at = str_index(name, '@');
    if (at < 0)
        return false;
    struct str shown = str_from(name, (size_t)at + 1);
    size_t length = 0;
    while (length < shown.length && (ascii_alnum(shown.at[length]) ||
                                     shown.at[length] == '.' || shown.at[length] == '-'))
        length++;
    shown.length = length;
    return str_index(shown, '.') > 0 && !str_ends_nocase(domain, shown) &&
           !str_ends_nocase(shown, domain);
}

static bool is_number_name(struct str local)
{
    size_t digits = 0;
    for (size_t i = 0; i < local.length; i++)
        digits += ascii_digit(local.at[i]);
    return digits >= NUMBER_NAME;
}

static bool is_undisclosed(struct str to)
{
    return str_starts_nocase(to, STR("undisclosed")) ||
           str_starts_nocase(to, STR("<undisclosed")) ||
           str_starts_nocase(to, STR("\"undisclosed"));
}

static void note_addresses(const struct message *message, struct arena *arena,
                           struct spam_header *header)
{
    struct mailbox mailbox;
    struct mailbox recipients[RECIPIENTS_READ];
    struct str from = value_of(message, STR("From"), arena);
    struct str to = value_of(message, STR("To"), arena);
    header->has_from = from.length > 0;
    header->has_recipients = to.length > 0 || has(message, STR("Cc"));
    header->is_undisclosed = is_undisclosed(to);
    if (read_mailbox(value_of(message, STR("Reply-To"), arena), arena, &mailbox))
        header->reply_domain = mailbox.domain;
    header->is_from_sound = read_mailbox(from, arena, &mailbox);
    if (!header->is_from_sound)
        return;
    header->from_domain = mailbox.domain;
    header->is_from_number_name = is_number_name(mailbox.local);
    header->has_other_address = shows_other_address(from, mailbox.domain);
    header->is_to_itself =
        address_list_parse(to, arena, recipients, RECIPIENTS_READ) == 1 &&
        mailbox_same(&recipients[0], &mailbox);
}

static void note_message_id(const struct message *message, struct arena *arena,
                            struct spam_header *header)
{
    struct str id = value_of(message, STR("Message-ID"), arena);
    ptrdiff_t at = str_index(id, '@');
    header->has_message_id = id.length > 0;
    header->is_message_id_sound = at > 1 && id.at[0] == '<' &&
                                  id.at[id.length - 1] == '>' &&
                                  (size_t)at + 2 < id.length && str_index(id, ' ') < 0;
}

/* --- the body's form --- */

static bool is_known_charset(struct str charset)
{
    static const char *const starts[] = {
        "us-ascii", "ascii", "utf-8",  "iso-8859-", "windows-",  "cp",          "koi8-",
        "gb",       "big5",  "euc-",   "shift_jis", "iso-2022-", "ks_c",        "tis-620",
        "utf8",     "utf-7", "utf-16", "macintosh", "x-mac",     "unknown-8bit"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (str_starts_nocase(charset, str_of(starts[i])))
            return true;
    return false;
}

static bool has_odd_charset(struct str content_type)
{
    for (; content_type.length; str_cut(&content_type, ';')) {
        struct str parameter = str_trim(content_type);
        if (!str_starts_nocase(parameter, STR("charset=")))
            continue;
        struct str charset = str_from(parameter, STR("charset=").length);
        if (charset.length && charset.at[0] == '"')
            charset = str_from(charset, 1);
        return !is_known_charset(charset);
    }
    return false;
}

static void note_form(const struct message *message, struct arena *arena,
                      struct spam_header *header)
{
    struct str type = value_of(message, STR("Content-Type"), arena);
    struct str encoding = value_of(message, STR("Content-Transfer-Encoding"), arena);
    bool is_text = type.length == 0 || str_starts_nocase(type, STR("text/"));
    header->is_html = str_starts_nocase(type, STR("text/html"));
    header->is_base64_text = is_text && str_starts_nocase(encoding, STR("base64"));
    header->is_quoted_printable = str_starts_nocase(encoding, STR("quoted-printable"));
    header->has_odd_charset = is_text && has_odd_charset(type);
}

void spam_header_read(const struct message *message, struct arena *arena,
                      struct spam_header *header)
{
    *header = (struct spam_header){0};
    note_date(message, arena, header);
    note_subject(message, arena, header);
    note_addresses(message, arena, header);
    note_message_id(message, arena, header);
    note_form(message, arena, header);
    header->has_8bit =
        !message->is_utf8 && (str_has_8bit(header->subject) ||
                              str_has_8bit(value_of(message, STR("From"), arena)));
    header->is_answer = has(message, STR("In-Reply-To")) || has(message, STR("References"));
    header->is_urgent = str_starts(value_of(message, STR("X-Priority"), arena), STR("1"));
    header->received_count = header_count(&message->header, STR("Received"));
}
