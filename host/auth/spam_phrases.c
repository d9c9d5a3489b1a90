/* A phrase begins with a word and may end within one. Few words of a message begin with the three letters that
 * one begins with, so they are found by those. */
#include "auth/spam_phrases.h"

#include <stdint.h>

#define BUCKETS 1024U

struct phrase {
    const char *text;
    double score;
};

static const struct phrase phrases[] = {
    /* money that waits for you */
    {"bank account", 0.2},
    {"beneficiary", 0.4},
    {"business proposal", 0.5},
    {"business relationship", 0.3},
    {"claim your prize", 0.8},
    {"confidential", 0.2},
    {"deceased", 0.3},
    {"foreign account", 0.5},
    {"foreign partner", 0.5},
    {"inheritance", 0.5},
    {"lottery", 0.4},
    {"million dollars", 0.4},
    {"million united states", 0.6},
    {"mutual benefit", 0.4},
    {"mutually benefi", 0.4},
    {"next of kin", 0.6},
    {"strictly confidential", 0.4},
    {"transfer of funds", 0.5},
    {"urgent business", 0.6},
    {"utmost confiden", 0.5},
    {"wire transfer", 0.3},
    {"you have been selected", 0.5},
    {"you have won", 0.7},
    /* money to be made */
    {"affiliate", 0.2},
    {"be your own boss", 0.8},
    {"cash bonus", 0.6},
    {"casino", 0.6},
    {"crypto", 0.2},
    {"double your", 0.4},
    {"earn money", 0.5},
    {"excellent income", 0.6},
    {"extra cash", 0.5},
    {"extra income", 0.6},
    {"financial freedom", 0.7},
    {"financially independent", 0.6},
    {"from home", 0.3},
    {"get paid", 0.4},
    {"get rich", 0.6},
    {"home based business", 0.6},
    {"home business", 0.5},
    {"home-based business", 0.6},
    {"make money", 0.5},
    {"mlm", 0.5},
    {"online income", 0.6},
    {"passive income", 0.6},
    {"per week", 0.2},
    {"potential earnings", 0.6},
    {"stock pick", 0.7},
    {"work at home", 0.6},
    {"work from home", 0.4},
    /* credit and insurance */
    {"bad credit", 0.6},
    {"consolidat", 0.4},
    {"credit card debt", 0.6},
    {"debt", 0.3},
    {"free quote", 0.6},
    {"interest rate", 0.3},
    {"life insurance", 0.6},
    {"low rates", 0.4},
    {"lowest rate", 0.5},
    {"mortgage", 0.5},
    {"no credit check", 0.7},
    {"refinanc", 0.6},
    {"term life", 0.5},
    {"your credit", 0.4},
    /* body and bed */
    {"adult site", 0.7},
    {"adults only", 0.6},
    {"cialis", 0.8},
    {"erection", 0.7},
    {"hair loss", 0.6},
    {"herbal", 0.5},
    {"hot girls", 0.7},
    {"human growth hormone", 0.9},
    {"lose weight", 0.6},
    {"no prescription", 0.8},
    {"online pharmacy", 0.8},
    {"penis", 0.8},
    {"porn", 0.7},
    {"viagra", 0.9},
    {"weight loss", 0.6},
    {"wrinkle", 0.5},
    {"xxx", 0.4},
    /* for sale */
    {"100% free", 0.7},
    {"absolutely free", 0.6},
    {"act now", 0.6},
    {"as seen on", 0.5},
    {"at no cost", 0.4},
    {"buy now", 0.5},
    {"call now", 0.5},
    {"call today", 0.4},
    {"cheap", 0.2},
    {"click below", 0.5},
    {"click here", 0.4},
    {"do not miss", 0.3},
    {"for only $", 0.5},
    {"free gift", 0.5},
    {"free trial", 0.4},
    {"gift card", 0.4},
    {"guaranteed", 0.4},
    {"incredible", 0.2},
    {"limited time", 0.5},
    {"lowest price", 0.5},
    {"money back", 0.5},
    {"no obligation", 0.6},
    {"no risk", 0.4},
    {"once in a lifetime", 0.5},
    {"order now", 0.5},
    {"order today", 0.5},
    {"risk free", 0.5},
    {"risk-free", 0.5},
    {"satisfaction", 0.3},
    {"save up to", 0.4},
    {"special offer", 0.4},
    {"this offer", 0.4},
    {"toll free", 0.4},
    {"toll-free", 0.4},
    {"university diploma", 0.8},
    {"visit our web", 0.3},
    {"why pay more", 0.7},
    /* mail to many */
    {"be removed from", 0.4},
    {"bulk e", 0.6},
    {"dear friend", 0.6},
    {"dear sir", 0.4},
    {"email addresses", 0.3},
    {"email marketing", 0.5},
    {"future mailing", 0.5},
    {"in the subject", 0.2},
    {"mailing list please", 0.2},
    {"not spam", 0.5},
    {"one time mail", 0.6},
    {"opt in", 0.3},
    {"opt-in", 0.3},
    {"opt out", 0.4},
    {"opt-out", 0.4},
    {"our mailing list", 0.3},
    {"received this email", 0.3},
    {"receiving this", 0.3},
    {"remove in the", 0.5},
    {"removed from our", 0.5},
    {"s. 1618", 0.8},
    {"s.1618", 0.8},
    {"section 301", 0.8},
    {"this is not spam", 0.6},
    {"to be removed", 0.5},
    {"to remove your", 0.4},
    /* whose account it is not */
    {"account has been suspended", 0.9},
    {"confirm your account", 0.7},
    {"confirm your identity", 0.7},
    {"mailbox is full", 0.7},
    {"mailbox quota", 0.7},
    {"password will expire", 0.8},
    {"unusual activity", 0.6},
    {"update your payment", 0.8},
    {"verify your account", 0.8},
    {"verify your identity", 0.7},
};

#define PHRASE_COUNT (sizeof phrases / sizeof *phrases)
_Static_assert(PHRASE_COUNT < 255, "an index fits a byte");

/* Phrases by their first three letters: `head` and `next` hold indexes from 1, 0 ends a chain. */
struct search {
    uint8_t head[BUCKETS];
    uint8_t next[PHRASE_COUNT];
    bool is_found[PHRASE_COUNT];
    double score, best;
    const char *first;
};

static unsigned bucket_of(const char *at)
{
    unsigned first = (unsigned char)at[0];
    unsigned second = (unsigned char)at[1];
    unsigned third = (unsigned char)at[2];
    return ((first * 131 + second) * 131 + third) % BUCKETS;
}

static void fill(struct search *search)
{
    for (size_t i = 0; i < PHRASE_COUNT; i++) {
        uint8_t *head = &search->head[bucket_of(phrases[i].text)];
        search->next[i] = *head;
        *head = (uint8_t)(i + 1);
    }
}

static void look_at_word(struct search *search, struct str text)
{
    for (size_t i = search->head[bucket_of(text.at)]; i; i = search->next[i - 1]) {
        const struct phrase *phrase = &phrases[i - 1];
        if (search->is_found[i - 1] || !str_starts(text, str_of(phrase->text)))
            continue;
        search->is_found[i - 1] = true;
        search->score += phrase->score;
        if (phrase->score > search->best) {
            search->best = phrase->score;
            search->first = phrase->text;
        }
    }
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

double spam_phrases_score(struct str text, const char **first)
{
    struct search search = {.first = ""};
    fill(&search);
    bool is_word = false;
    for (size_t i = 0; i + 2 < text.length; i++) {
        bool was_word = is_word;
        is_word = is_word_byte(text.at[i]);
        if (is_word && !was_word)
            look_at_word(&search, str_from(text, i));
    }
    *first = search.first;
    return search.score < SPAM_PHRASES_SCORE_MAX ? search.score : SPAM_PHRASES_SCORE_MAX;
}
