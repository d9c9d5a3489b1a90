/* RFC 3834 section 2: an automatic answer goes to people only, or two robots talk to each other for
 * ever. "noreply@" is not among the refused senders: no rule of the RFC names it, mail from it that is
 * automatic says so in its header, and an answer to it starts no loop since nobody answers back. */
#include "reply_check.h"

#include <errno.h>

#include "mail/address_list.h"
#include "mail/references.h"
#include "mail/utf8.h"

#define LINE_BYTES_MAX 998

/* --- the original --- */

static int refuse(struct err *err, const char *reason)
{
    return err_set(err, -EPERM, "no reply to this message: %s", reason);
}

static int check_sender(const struct mailbox *sender, struct err *err)
{
    if (sender->is_null)
        return refuse(err, "its sender is empty (<>), so it is itself a notification");
    if (str_equal_nocase(sender->local, STR("mailer-daemon")) ||
        str_ends_nocase(sender->local, STR("-request")) ||
        str_starts_nocase(sender->local, STR("owner-")) ||
        str_ends_nocase(sender->local, STR("-owner")))
        return refuse(err, "its sender is a mail system or a mailing list (RFC 3834)");
    return 0;
}

/* Without the comment and the parameters that RFC 3834 section 5 allows behind it. */
static struct str keyword(struct str value)
{
    struct str word = str_cut(&value, ';');
    return str_trim(str_cut(&word, '('));
}

static bool is_one_of(struct str word, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_nocase(word, str_of(words[i])))
            return true;
    return false;
}

static bool suppresses_replies(struct str value)
{
    static const char *const words[] = {"All", "AutoReply", "OOF"};
    while (value.length)
        if (is_one_of(str_trim(str_cut(&value, ',')), words, 3))
            return true;
    return false;
}

/* Why a field says that its message is automatic; NULL when it does not. */
static const char *automatic_reason(const struct header_field *field)
{
    static const char *const precedences[] = {"bulk", "list", "junk"};
    if (str_starts_nocase(field->name, STR("List-")))
        return "it came through a mailing list (List-… header)";
    if (str_equal_nocase(field->name, STR("Auto-Submitted")) &&
        !str_equal_nocase(keyword(field->value), STR("no")))
        return "it was sent automatically (Auto-Submitted header)";
    if (str_equal_nocase(field->name, STR("Precedence")) &&
        is_one_of(keyword(field->value), precedences, 3))
        return "it is bulk mail (Precedence header)";
    if (str_equal_nocase(field->name, STR("X-Auto-Response-Suppress")) &&
        suppresses_replies(field->value))
        return "its sender asks for no automatic reply (X-Auto-Response-Suppress header)";
    return NULL;
}

static struct str original_id(const struct message *original)
{
    size_t index = 0;
    const struct header_field *field =
        header_next(&original->header, STR("Message-ID"), &index);
    return field ? str_trim(field->value) : STR("");
}

int reply_check_original(const struct message *original, struct err *err)
{
    const struct header *header = &original->header;
    int result = check_sender(&original->reverse_path, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < header->count; i++) {
        const char *reason = automatic_reason(&header->fields[i]);
        if (reason)
            return refuse(err, reason);
    }
    if (header_count(header, STR("Message-ID")) != 1 ||
        !message_id_is_valid(original_id(original)))
        return refuse(err, "it has no usable Message-ID, which In-Reply-To must name");
    if (references_count(header) > REFERENCES_MAX)
        return refuse(err, "it has more than 100 References, so it may be a loop");
    return 0;
}

/* --- a whole answer --- */

static int check_lines(struct str raw, struct err *err)
{
    if (str_index(raw, '\0') >= 0)
        return err_set(err, -EINVAL, "the message has a NUL in it");
    while (raw.length) {
        struct str line = str_cut(&raw, '\n');
        if (line.length > LINE_BYTES_MAX + 1)
            return err_set(err, -EINVAL,
                           "a line is longer than %d bytes: encode its part as "
                           "quoted-printable or base64",
                           LINE_BYTES_MAX);
        if (str_index(line, '\r') != (ptrdiff_t)line.length - 1)
            return err_set(err, -EINVAL, "a line does not end with CRLF");
    }
    return 0;
}

/* The section ends with an empty line or with the message, not with a line that is no field. */
static int check_section(struct str raw, const struct header *header, struct err *err)
{
    if (header->count == 0)
        return err_set(err, -EINVAL, "the first line is no header field");
    struct header_field last = header->fields[header->count - 1];
    size_t end = (size_t)(last.whole.at - raw.at) + last.whole.length;
    if (header->body_offset == end && end < raw.length)
        return err_set(err, -EINVAL,
                       "after %.*s comes a line that is no header field; an empty line "
                       "ends the header",
                       STR_ARG(last.name));
    return 0;
}

/* RFC 5322 section 3.6: how often a field may be there. */
struct field_limit {
    const char *name;
    size_t least, most;
};

static int check_counts(const struct header *header, const struct field_limit limits[],
                        size_t limit_count, struct err *err)
{
    for (size_t i = 0; i < limit_count; i++) {
        size_t count = header_count(header, str_of(limits[i].name));
        if (count < limits[i].least)
            return err_set(err, -EINVAL, "%s: is missing", limits[i].name);
        if (count > limits[i].most)
            return err_set(err, -EINVAL,
                           limits[i].most ? "%s: must be there only once"
                                          : "%s: must not be there",
                           limits[i].name);
    }
    return 0;
}

static int check_reply_counts(const struct header *header, struct err *err)
{
    static const struct field_limit limits[] = {
        {"From", 1, 1},         {"To", 1, 1},           {"Cc", 0, 0},
        {"Bcc", 0, 0},          {"Sender", 0, 1},       {"Reply-To", 0, 1},
        {"Subject", 0, 1},      {"Date", 0, 1},         {"Message-ID", 0, 1},
        {"In-Reply-To", 1, 1},  {"References", 0, 1},   {"Auto-Submitted", 0, 1},
        {"MIME-Version", 0, 1}, {"Content-Type", 0, 1}, {"Content-Transfer-Encoding", 0, 1},
    };
    return check_counts(header, limits, sizeof limits / sizeof *limits, err);
}

static int check_message_counts(const struct header *header, struct err *err)
{
    static const struct field_limit limits[] = {
        {"From", 1, 1},         {"To", 0, 1},           {"Cc", 0, 1},
        {"Bcc", 0, 0},          {"Sender", 0, 1},       {"Reply-To", 0, 1},
        {"Subject", 0, 1},      {"Date", 0, 1},         {"Message-ID", 0, 1},
        {"In-Reply-To", 0, 1},  {"References", 0, 1},   {"Auto-Submitted", 0, 1},
        {"MIME-Version", 0, 1}, {"Content-Type", 0, 1}, {"Content-Transfer-Encoding", 0, 1},
        {"Return-Path", 0, 0},  {"Received", 0, 0},
    };
    return check_counts(header, limits, sizeof limits / sizeof *limits, err);
}

/* The one address of a field. */
static int read_mailbox(const struct header *header, const char *name, struct arena *arena,
                        struct mailbox *mailbox, struct err *err)
{
    struct str value = header_value(header, str_of(name), arena);
    if (address_list_parse(value, arena, mailbox, 1) != 1)
        return err_set(err, -EINVAL,
                       "%s: must be one address, as \"Anna <anna@example.com>\"", name);
    return 0;
}

static int check_addresses(const struct header *header, const struct message *original,
                           const struct mailbox *recipient, struct arena *arena,
                           struct err *err)
{
    struct mailbox from, to;
    int result = read_mailbox(header, "From", arena, &from, err);
    if (result == 0)
        result = read_mailbox(header, "To", arena, &to, err);
    if (result < 0)
        return result;
    if (!str_equal(from.domain, recipient->domain))
        return err_set(err, -EINVAL,
                       "From: must be an address of %.*s, which got the message",
                       STR_ARG(recipient->domain));
    if (!mailbox_same(&to, &original->reverse_path))
        return err_set(err, -EINVAL, "To: must be %.*s, the sender of the message",
                       STR_ARG(original->reverse_path.text));
    return 0;
}

static int check_thread(const struct header *header, const struct message *original,
                        struct arena *arena, struct err *err)
{
    struct str id = original_id(original);
    if (!str_equal(header_value(header, STR("In-Reply-To"), arena), id))
        return err_set(err, -EINVAL,
                       "In-Reply-To: must be %.*s, the Message-ID of the message",
                       STR_ARG(id));
    if (references_count(header) > REFERENCES_MAX)
        return err_set(err, -EINVAL, "References: has more than %d message identifiers",
                       REFERENCES_MAX);
    return 0;
}

int reply_check_raw(struct str raw, const struct message *original,
                    const struct mailbox *recipient, struct err *err)
{
    int result = check_lines(raw, err);
    if (result < 0)
        return result;
    struct arena *arena = arena_new();
    struct header header;
    header_parse(raw, arena, &header);
    if (header.count == HEADER_FIELDS_MAX)
        result = err_set(err, -EINVAL, "the message has too many header fields");
    else if (!original->is_utf8 && !utf8_is_ascii(str_part(raw, 0, header.body_offset)))
        result = err_set(err, -EINVAL,
                         "the header must be ASCII: write other text as RFC 2047 has it");
    else
        result = check_section(raw, &header, err);
    if (result == 0)
        result = check_reply_counts(&header, err);
    if (result == 0)
        result = check_addresses(&header, original, recipient, arena, err);
    if (result == 0)
        result = check_thread(&header, original, arena, err);
    arena_free(arena);
    return result;
}

int reply_check_message(struct str raw, struct arena *arena, struct mailbox *from,
                        struct err *err)
{
    struct header header;
    int result = check_lines(raw, err);
    if (result < 0)
        return result;
    header_parse(raw, arena, &header);
    if (header.count == HEADER_FIELDS_MAX)
        return err_set(err, -EINVAL, "the message has too many header fields");
    result = check_section(raw, &header, err);
    if (result == 0)
        result = check_message_counts(&header, err);
    return result < 0 ? result : read_mailbox(&header, "From", arena, from, err);
}
