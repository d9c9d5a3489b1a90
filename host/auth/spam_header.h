/* What the header of a message tells of its sender's habits: the facts that the rules of spam_score.c are
 * about. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "mail/message.h"

struct spam_header {
    bool has_from, has_recipients, has_date, has_message_id;
    bool is_from_sound;       /* it can be read as one address */
    bool is_message_id_sound; /* "<left@right>" */
    bool is_date_sound;       /* RFC 5322 section 3.3, with the old forms that are in use */
    int64_t date_ahead_s;     /* of the time of receipt; 0 when one of both is not known */

    struct str subject; /* unfolded, not decoded */
    unsigned subject_letters, subject_capitals, subject_exclamations;
    bool has_subject_gap; /* a run of blanks, which hides a mark behind it */

    struct str from_domain, reply_domain; /* empty: not there or not to be read */
    bool is_from_number_name;             /* many digits in the local part */
    bool has_other_address; /* From's display name shows an address of another domain */
    bool is_undisclosed;    /* "undisclosed-recipients:;" */
    bool is_to_itself;      /* From and To are the same address */

    bool is_html; /* the whole message is HTML */
    bool is_base64_text;
    bool is_quoted_printable;
    bool has_odd_charset; /* one that nobody knows */
    bool has_8bit;        /* in From or Subject, without SMTPUTF8 */
    bool is_answer;       /* In-Reply-To or References */
    bool is_urgent;       /* X-Priority: 1 */
    size_t received_count;
};

/* Views live in the arena. */
void spam_header_read(const struct message *message, struct arena *arena,
                      struct spam_header *header);
