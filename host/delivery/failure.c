/* What a peer has said is asked in this order: its words (failure_texts.c), since half of the net says 5.7.1 or 554 to
 * whatever it does not like; its enhanced code; its reply code. What we have said ourselves has an enhanced code that we
 * chose, so its words are not asked.
 *
 * Enhanced codes: RFC 3463 and its registry (RFC 7372, 7504, 8616 …), and what Gmail and Exchange Online give beyond. */
#include "failure.h"

#include <string.h>

#include "base/str.h"
#include "delivery/failure_texts.h"

/* --- codes --- */

struct enhanced_row {
    const char *pattern; /* "x" stands for any number */
    enum failure_class failure;
};

/* The first row that fits decides. */
static const struct enhanced_row rows[] = {
    {"x.1.7", FAILURE_POLICY}, /* 1.7, 1.8: the sender's address */
    {"x.1.8", FAILURE_POLICY},
    {"x.1.9", FAILURE_CONTENT},
    {"x.1.90", FAILURE_RATE},
    {"x.1.x", FAILURE_HARD},

    {"4.2.0", FAILURE_GREYLIST},
    {"5.2.1", FAILURE_HARD},
    {"x.2.2", FAILURE_QUOTA},
    {"x.2.3", FAILURE_SIZE},
    {"4.2.x", FAILURE_SOFT},
    {"x.2.4", FAILURE_POLICY},
    {"x.2.x", FAILURE_HARD},

    {"x.3.4", FAILURE_SIZE},
    {"x.3.3", FAILURE_CONTENT},
    {"4.3.x", FAILURE_SOFT},
    {"x.3.x", FAILURE_POLICY},

    {"5.4.1", FAILURE_HARD}, /* Exchange Online: not in the directory */
    {"x.4.1", FAILURE_CONNECTION},
    {"x.4.2", FAILURE_CONNECTION},
    {"x.4.3", FAILURE_DNS},
    {"x.4.4", FAILURE_DNS},
    {"x.4.5", FAILURE_RATE},
    {"x.4.6", FAILURE_LOOP},
    {"x.4.7", FAILURE_SOFT},
    {"x.4.14", FAILURE_LOOP},
    {"x.4.310", FAILURE_DNS},
    {"x.4.316", FAILURE_CONNECTION},
    {"x.4.x", FAILURE_CONNECTION},

    {"x.5.3", FAILURE_RATE},
    {"x.5.x", FAILURE_PROTOCOL},

    {"x.6.x", FAILURE_CONTENT},

    {"4.7.0", FAILURE_RATE},
    {"x.7.4", FAILURE_TLS},
    {"x.7.5", FAILURE_TLS},
    {"x.7.10", FAILURE_TLS},
    {"x.7.11", FAILURE_TLS},
    {"x.7.20", FAILURE_AUTHENTICATION}, /* RFC 7372: DKIM … */
    {"x.7.21", FAILURE_AUTHENTICATION},
    {"x.7.22", FAILURE_AUTHENTICATION},
    {"x.7.23", FAILURE_AUTHENTICATION}, /* … SPF … */
    {"x.7.24", FAILURE_AUTHENTICATION},
    {"x.7.26", FAILURE_AUTHENTICATION}, /* … several of them */
    {"x.7.27", FAILURE_AUTHENTICATION}, /* Gmail: SPF */
    {"x.7.28", FAILURE_RATE},
    {"x.7.29", FAILURE_AUTHENTICATION}, /* ARC */
    {"x.7.30", FAILURE_AUTHENTICATION}, /* Gmail: DKIM */
    {"x.7.32", FAILURE_AUTHENTICATION}, /* Gmail: alignment */
    {"x.7.40", FAILURE_AUTHENTICATION}, /* Gmail: no DMARC record */
    {"x.7.500", FAILURE_RATE},          /* Exchange Online from here on */
    {"x.7.501", FAILURE_SPAM},
    {"x.7.502", FAILURE_BLOCK},
    {"x.7.503", FAILURE_BLOCK},
    {"x.7.508", FAILURE_RATE},
    {"x.7.509", FAILURE_AUTHENTICATION},
    {"x.7.510", FAILURE_BLOCK},
    {"x.7.511", FAILURE_BLOCK},
    {"x.7.512", FAILURE_CONTENT},
    {"x.7.513", FAILURE_BLOCK},
    {"x.7.515", FAILURE_AUTHENTICATION},
    {"x.7.606", FAILURE_BLOCK},
    {"x.7.650", FAILURE_RATE},
    {"x.7.705", FAILURE_RATE},
    {"x.7.708", FAILURE_BLOCK},
    {"x.7.x", FAILURE_POLICY},
};

/* Where ours mean something else than a peer's (delivery/mx.c). */
static const struct enhanced_row own_rows[] = {
    {"5.1.2", FAILURE_DNS},  /* the domain does not exist */
    {"5.1.10", FAILURE_DNS}, /* null MX */
};

/* The registered meaning of the bare codes (RFC 5321 section 4.2.3, RFC 7504). */
static const struct {
    int code;
    enum failure_class failure;
} code_rows[] = {
    {452, FAILURE_SOFT},     {454, FAILURE_TLS},  {455, FAILURE_PROTOCOL},
    {521, FAILURE_HARD},     {550, FAILURE_HARD}, {551, FAILURE_HARD},
    {552, FAILURE_QUOTA},    {553, FAILURE_HARD}, {554, FAILURE_POLICY},
    {555, FAILURE_PROTOCOL}, {556, FAILURE_HARD},
};

static bool fits(struct str pattern, struct str enhanced)
{
    for (int part = 0; part < 3; part++) {
        struct str wanted = str_cut(&pattern, '.'), number = str_cut(&enhanced, '.');
        if (number.length == 0 ||
            (!str_equal(wanted, STR("x")) && !str_equal(wanted, number)))
            return false;
    }
    return enhanced.length == 0;
}

/* The row's class, or -1. */
static int find_enhanced(const struct enhanced_row table[], size_t count,
                         struct str enhanced)
{
    for (size_t i = 0; i < count; i++)
        if (fits(str_of(table[i].pattern), enhanced))
            return (int)table[i].failure;
    return -1;
}

#define FIND(table, enhanced)                                                              \
    find_enhanced(table, sizeof(table) / sizeof *(table), enhanced)

static enum failure_class find_code(int code)
{
    for (size_t i = 0; i < sizeof code_rows / sizeof *code_rows; i++)
        if (code_rows[i].code == code)
            return code_rows[i].failure;
    if (code >= 500 && code < 510)
        return FAILURE_PROTOCOL;
    return code >= 500 ? FAILURE_POLICY : FAILURE_SOFT;
}

/* --- words --- */

/* In lower case, line breaks and runs of blanks as one blank, and one at both ends. */
static struct str plain_words(const char *text, char plain[REPLY_TEXT_BYTES + 2])
{
    size_t length = 0;
    plain[length++] = ' ';
    for (; *text && length < REPLY_TEXT_BYTES; text++) {
        char c = *text == '\n' ? ' ' : ascii_lower(*text);
        if (c != ' ' || plain[length - 1] != ' ')
            plain[length++] = c;
    }
    if (plain[length - 1] != ' ')
        plain[length++] = ' ';
    return (struct str){plain, length};
}

/* The class of the first phrase in the table that is said, or -1. */
static int find_text(const struct reply *reply)
{
    char plain[REPLY_TEXT_BYTES + 2];
    struct str text = plain_words(reply->text, plain);
    for (size_t i = 0; i < failure_text_count; i++)
        if (str_find(text, str_of(failure_texts[i].phrase)) >= 0)
            return (int)failure_texts[i].failure;
    return -1;
}

/* The enhanced code, which qmail and Cisco's filters give within the text: "(#5.1.1)". Empty when there is none. */
static struct str enhanced_code(const struct reply *reply)
{
    struct str text = str_of(reply->text);
    ptrdiff_t sign = reply->enhanced[0] ? -1 : str_index(text, '#');
    if (sign < 0)
        return str_of(reply->enhanced);
    text = str_from(text, (size_t)sign + 1);
    return str_part(text, 0, strspn(text.at, "0123456789."));
}

enum failure_class failure_classify(const struct reply *reply, bool is_from_peer)
{
    struct str enhanced = enhanced_code(reply);
    int found = is_from_peer ? find_text(reply) : FIND(own_rows, enhanced);
    if (found < 0)
        found = FIND(rows, enhanced);
    return found < 0 ? find_code(reply->code) : (enum failure_class)found;
}

/* A bare 550 is said to so much that it is no proof: the address must be named as the reason, by an enhanced code or
 * in words. */
bool failure_is_hard_bounce(enum failure_class failure, const struct reply *reply)
{
    static const struct enhanced_row address_rows[] = {
        {"5.1.1", FAILURE_HARD}, {"5.1.2", FAILURE_HARD},  {"5.1.3", FAILURE_HARD},
        {"5.1.6", FAILURE_HARD}, {"5.1.10", FAILURE_HARD}, {"5.2.1", FAILURE_HARD},
        {"5.4.1", FAILURE_HARD},
    };
    if (!reply_is_permanent(reply) || (failure != FAILURE_HARD && failure != FAILURE_DNS))
        return false;
    return FIND(address_rows, enhanced_code(reply)) >= 0 ||
           find_text(reply) == FAILURE_HARD;
}

/* --- what it is called --- */

const char *failure_name(enum failure_class failure)
{
    static const char *const names[] = {
#define X(id, name, meaning) [FAILURE_##id] = (name),
        FAILURE_CLASSES(X)
#undef X
    };
    return names[failure];
}

const char *failure_meaning(enum failure_class failure)
{
    static const char *const meanings[] = {
#define X(id, name, meaning) [FAILURE_##id] = (meaning),
        FAILURE_CLASSES(X)
#undef X
    };
    return meanings[failure];
}

const char *failure_advice(enum failure_class failure)
{
    static const char *const advice[] = {
        [FAILURE_HARD] = "Look at the address for typing errors, or ask the recipient for "
                         "the right one.",
        [FAILURE_SOFT] = "The trouble is at the recipient's mail server; send the message "
                         "again later.",
        [FAILURE_QUOTA] = "Tell the recipient in another way to make room in the mailbox, "
                          "then send the message again.",
        [FAILURE_SIZE] = "Send a smaller message, for example with a link in place of the "
                         "attachment.",
        [FAILURE_POLICY] =
            "The recipient's mail server does not take this message as a "
            "matter of its rules; ask the recipient, or whoever runs it, why.",
        [FAILURE_SPAM] = "Word the message differently, with fewer links, or reach the "
                         "recipient in another way.",
        [FAILURE_BLOCK] = "The mail system that sends this is on a block list of the "
                          "recipient's; tell its administrator.",
        [FAILURE_AUTHENTICATION] = "The sender's domain must publish SPF, DKIM and DMARC "
                                   "records that fit; tell its administrator.",
        [FAILURE_GREYLIST] = "The recipient's mail server wants new senders to come again; "
                             "send the message again in a while.",
        [FAILURE_RATE] = "The recipient's mail server takes only so much at once; send the "
                         "message again later.",
        [FAILURE_DNS] =
            "Look at what stands behind the @ for typing errors; if it is right, "
            "the recipient's domain is not set up to receive mail now.",
        [FAILURE_CONNECTION] = "The recipient's mail server could not be reached; send the "
                               "message again later.",
        [FAILURE_TLS] = "An encrypted connection is required and could not be made; tell "
                        "the administrator of the recipient's mail server.",
        [FAILURE_PROTOCOL] =
            "The recipient's mail server did not answer as it should; tell "
            "its administrator.",
        [FAILURE_LOOP] = "The message goes round between mail servers; tell the recipient "
                         "that a forwarding leads back to where it began.",
        [FAILURE_CONTENT] =
            "The recipient's mail server does not take such a message; send "
            "it as plain text and without attachments.",
    };
    return advice[failure];
}
