/* The rules are the table below: a name, which stands in spam_reasons, a score, and a test over facts that
 * are read once. Scores were weighed on real mail (tests/unit/auth/test_spam_score.c). A rule about what was
 * not asked (a check that is off, a client that is not known) never counts. */
#include "auth/spam_score.h"

#include <stdlib.h>

#include "auth/spam_header.h"
#include "auth/spam_phrases.h"
#include "auth/spam_text.h"
#include "base/buf.h"

#define DAY_S             ((int64_t)24 * 60 * 60)
#define REASONS_BYTES_MAX 2000
#define SCORE_TENTHS_MAX  ((int)(AUTH_SPAM_SCORE_MAX * 10))

struct mail {
    const struct message *message;
    const struct auth_verdict *verdict;
    struct spam_header header;
    struct spam_text text;
};

/* --- header --- */

static bool has_no_from(const struct mail *mail)
{
    return !mail->header.has_from;
}

static bool has_bad_from(const struct mail *mail)
{
    return mail->header.has_from && !mail->header.is_from_sound;
}

static bool has_no_recipients(const struct mail *mail)
{
    return !mail->header.has_recipients;
}

static bool is_undisclosed(const struct mail *mail)
{
    return mail->header.is_undisclosed;
}

static bool has_no_date(const struct mail *mail)
{
    return !mail->header.has_date;
}

static bool has_bad_date(const struct mail *mail)
{
    return mail->header.has_date && !mail->header.is_date_sound;
}

static bool is_of_the_future(const struct mail *mail)
{
    return mail->header.date_ahead_s > DAY_S;
}

static bool is_of_the_past(const struct mail *mail)
{
    return mail->header.date_ahead_s < -30 * DAY_S;
}

static bool has_no_message_id(const struct mail *mail)
{
    return !mail->header.has_message_id;
}

static bool has_bad_message_id(const struct mail *mail)
{
    return mail->header.has_message_id && !mail->header.is_message_id_sound;
}

static bool has_empty_subject(const struct mail *mail)
{
    return mail->header.subject.length == 0;
}

static bool has_shouted_subject(const struct mail *mail)
{
    const struct spam_header *header = &mail->header;
    return !str_starts(header->subject, STR("=?")) && header->subject_letters >= 8 &&
           header->subject_capitals * 10 > header->subject_letters * 8;
}

static bool has_excited_subject(const struct mail *mail)
{
    return mail->header.subject_exclamations > 0;
}

static bool has_very_excited_subject(const struct mail *mail)
{
    return mail->header.subject_exclamations > 1;
}

static bool has_money_subject(const struct mail *mail)
{
    return str_index(mail->header.subject, '$') >= 0 ||
           str_find(mail->header.subject, STR("FREE")) >= 0;
}

static bool has_subject_gap(const struct mail *mail)
{
    return mail->header.has_subject_gap;
}

static bool has_number_name(const struct mail *mail)
{
    return mail->header.is_from_number_name;
}

static bool has_other_address(const struct mail *mail)
{
    return mail->header.has_other_address;
}

static bool has_other_reply_domain(const struct mail *mail)
{
    const struct spam_header *header = &mail->header;
    return header->from_domain.length && header->reply_domain.length &&
           !str_equal(header->from_domain, header->reply_domain);
}

static bool is_to_itself(const struct mail *mail)
{
    return mail->header.is_to_itself;
}

static bool has_8bit_header(const struct mail *mail)
{
    return mail->header.has_8bit;
}

static bool has_odd_charset(const struct mail *mail)
{
    return mail->header.has_odd_charset;
}

static bool is_urgent(const struct mail *mail)
{
    return mail->header.is_urgent;
}

static bool is_answer(const struct mail *mail)
{
    return mail->header.is_answer;
}

static bool came_directly(const struct mail *mail)
{
    return mail->header.received_count == 0;
}

/* --- body --- */

static bool is_html_only(const struct mail *mail)
{
    return mail->header.is_html;
}

static bool is_undeclared_html(const struct mail *mail)
{
    size_t index = 0;
    return mail->text.is_html &&
           !header_next(&mail->message->header, STR("Content-Type"), &index);
}

static bool is_base64_text(const struct mail *mail)
{
    return mail->header.is_base64_text;
}

static bool is_excited(const struct mail *mail)
{
    return mail->text.exclamation_count >= 5;
}

static bool has_many_links(const struct mail *mail)
{
    return mail->text.link_count >= 20;
}

static bool has_address_link(const struct mail *mail)
{
    return mail->text.address_link_count > 0;
}

static bool has_shortened_link(const struct mail *mail)
{
    return mail->text.shortened_link_count > 0;
}

static bool has_odd_domain_link(const struct mail *mail)
{
    return mail->text.odd_domain_count > 0;
}

static bool has_lying_link(const struct mail *mail)
{
    return mail->text.lying_link_count > 0;
}

static bool is_mostly_images(const struct mail *mail)
{
    return mail->text.image_count > 0 && mail->text.words.length < 200;
}

static bool has_executable(const struct mail *mail)
{
    return mail->text.has_executable;
}

/* --- verdict --- */

static bool has_no_reverse_name(const struct mail *mail)
{
    enum auth_result iprev = mail->verdict->client.iprev;
    return iprev == AUTH_FAIL || iprev == AUTH_PERMERROR;
}

static bool has_bad_helo(const struct mail *mail)
{
    struct str helo = mail->message->client.helo;
    return helo.length && (str_index(helo, '.') < 0 || helo.at[0] == '[' ||
                           ascii_digit(helo.at[helo.length - 1]));
}

static bool has_other_helo(const struct mail *mail)
{
    const struct auth_client *client = &mail->verdict->client;
    return mail->message->client.helo.length && client->hostname.length &&
           !str_equal_nocase(mail->message->client.helo, client->hostname);
}

static bool fails_spf(const struct mail *mail)
{
    return mail->verdict->spf.result == AUTH_FAIL;
}

static bool softly_fails_spf(const struct mail *mail)
{
    return mail->verdict->spf.result == AUTH_SOFTFAIL;
}

static bool has_broken_dkim(const struct mail *mail)
{
    for (size_t i = 0; i < mail->verdict->dkim_count; i++)
        if (mail->verdict->dkim[i].result == AUTH_PASS)
            return false;
    return mail->verdict->dkim_count > 0;
}

static bool fails_dmarc(const struct mail *mail)
{
    return mail->verdict->dmarc.result == AUTH_FAIL;
}

static bool passes_dmarc(const struct mail *mail)
{
    return mail->verdict->dmarc.result == AUTH_PASS;
}

static bool is_hit(const struct mail *mail, bool is_allowed)
{
    for (size_t i = 0; i < mail->verdict->client.hit_count; i++)
        if (mail->verdict->client.hits[i].is_allowed == is_allowed)
            return true;
    return false;
}

static bool is_block_listed(const struct mail *mail)
{
    return is_hit(mail, false);
}

static bool is_allow_listed(const struct mail *mail)
{
    return is_hit(mail, true);
}

/* --- the table --- */

struct rule {
    const char *name;
    int tenths; /* of its score */
    bool (*test)(const struct mail *mail);
};

static const struct rule rules[] = {
    {"no_from", 15, has_no_from},
    {"bad_from", 5, has_bad_from},
    {"no_recipients", 5, has_no_recipients},
    {"undisclosed_recipients", 6, is_undisclosed},
    {"no_date", 8, has_no_date},
    {"bad_date", 10, has_bad_date},
    {"date_in_future", 8, is_of_the_future},
    {"date_in_past", 6, is_of_the_past},
    {"no_message_id", 8, has_no_message_id},
    {"bad_message_id", 8, has_bad_message_id},
    {"empty_subject", 4, has_empty_subject},
    {"shouted_subject", 7, has_shouted_subject},
    {"excited_subject", 4, has_excited_subject},
    {"very_excited_subject", 4, has_very_excited_subject},
    {"money_subject", 6, has_money_subject},
    {"subject_gap", 8, has_subject_gap},
    {"number_name", 4, has_number_name},
    {"other_address_in_name", 10, has_other_address},
    {"other_reply_domain", 3, has_other_reply_domain},
    {"to_itself", 6, is_to_itself},
    {"8bit_header", 5, has_8bit_header},
    {"odd_charset", 6, has_odd_charset},
    {"urgent", 3, is_urgent},
    {"answer", -5, is_answer},
    {"came_directly", 1, came_directly},
    {"html_only", 7, is_html_only},
    {"undeclared_html", 7, is_undeclared_html},
    {"base64_text", 4, is_base64_text},
    {"excited", 4, is_excited},
    {"many_links", 3, has_many_links},
    {"link_to_address", 8, has_address_link},
    {"shortened_link", 4, has_shortened_link},
    {"odd_domain_link", 5, has_odd_domain_link},
    {"lying_link", 8, has_lying_link},
    {"mostly_images", 6, is_mostly_images},
    {"executable", 15, has_executable},
    {"no_reverse_name", 5, has_no_reverse_name},
    {"bad_helo", 5, has_bad_helo},
    {"other_helo", 1, has_other_helo},
    {"spf_fail", 10, fails_spf},
    {"spf_softfail", 5, softly_fails_spf},
    {"dkim_broken", 3, has_broken_dkim},
    {"dmarc_fail", 10, fails_dmarc},
    {"dmarc_pass", -2, passes_dmarc},
    {"block_listed", 20, is_block_listed},
    {"allow_listed", -10, is_allow_listed},
};

static struct str body_start(const struct message *message)
{
    struct str body = str_from(blob_view(message->raw), message->header.body_offset);
    if (body.length > AUTH_SPAM_BYTES_READ)
        body.length = AUTH_SPAM_BYTES_READ;
    return body;
}

static void read_mail(const struct message *message, struct arena *arena, struct mail *mail)
{
    spam_header_read(message, arena, &mail->header);
    spam_text_read(body_start(message), mail->header.is_quoted_printable, arena,
                   &mail->text);
}

static int clamp(int tenths)
{
    return tenths < 0 ? 0 : tenths > SCORE_TENTHS_MAX ? SCORE_TENTHS_MAX : tenths;
}

static void append_reason(struct buf *reasons, const char *name, int tenths)
{
    buf_printf(reasons, "%s=%s%d.%d ", name, tenths < 0 ? "-" : "", abs(tenths) / 10,
               abs(tenths) % 10);
}

void auth_spam_score(const struct message *message, struct arena *arena,
                     struct auth_verdict *verdict)
{
    struct mail mail = {.message = message, .verdict = verdict};
    struct buf reasons;
    buf_init(&reasons, REASONS_BYTES_MAX);
    read_mail(message, arena, &mail);
    int tenths = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].test(&mail))
            continue;
        tenths += rules[i].tenths;
        append_reason(&reasons, rules[i].name, rules[i].tenths);
    }
    const char *phrase;
    int phrases = (int)spam_phrases_score(mail.text.words, &phrase);
    if (phrases > 0) {
        append_reason(&reasons, "phrases", phrases);
        buf_printf(&reasons, "('%s')", phrase);
    }
    verdict->spam_score = clamp(tenths + phrases) / 10.0;
    verdict->spam_reasons = str_trim(arena_str(arena, buf_view(&reasons)));
    buf_free(&reasons);
}
