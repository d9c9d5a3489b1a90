/* A phrase begins with a word and may end within one. Few words of a message begin with the three letters that
 * one begins with, so phrases are found by those. */
#include "auth/spam_phrases.h"

#include <endian.h>
#include <stdint.h>

#define BUCKET_BITS 11U
#define BUCKETS     (1U << BUCKET_BITS)
#define LETTERS     3U
#define BLOCK_BYTES ((size_t)64)

struct phrase {
    const char *text;
    unsigned tenths; /* of its score */
};

static const struct phrase phrases[] = {
    /* money that waits for you */
    {"bank account", 2},
    {"beneficiary", 4},
    {"business proposal", 5},
    {"business relationship", 3},
    {"claim your prize", 8},
    {"confidential", 2},
    {"deceased", 3},
    {"foreign account", 5},
    {"foreign partner", 5},
    {"inheritance", 5},
    {"lottery", 4},
    {"million dollars", 4},
    {"million united states", 6},
    {"mutual benefit", 4},
    {"mutually benefi", 4},
    {"next of kin", 6},
    {"strictly confidential", 4},
    {"transfer of funds", 5},
    {"urgent business", 6},
    {"utmost confiden", 5},
    {"wire transfer", 3},
    {"you have been selected", 5},
    {"you have won", 7},
    /* money to be made */
    {"affiliate", 2},
    {"be your own boss", 8},
    {"cash bonus", 6},
    {"casino", 6},
    {"crypto", 2},
    {"double your", 4},
    {"earn money", 5},
    {"excellent income", 6},
    {"extra cash", 5},
    {"extra income", 6},
    {"financial freedom", 7},
    {"financially independent", 6},
    {"from home", 3},
    {"get paid", 4},
    {"get rich", 6},
    {"home based business", 6},
    {"home business", 5},
    {"home-based business", 6},
    {"make money", 5},
    {"mlm", 5},
    {"online income", 6},
    {"passive income", 6},
    {"per week", 2},
    {"potential earnings", 6},
    {"stock pick", 7},
    {"work at home", 6},
    {"work from home", 4},
    /* credit and insurance */
    {"bad credit", 6},
    {"consolidat", 4},
    {"credit card debt", 6},
    {"debt", 3},
    {"free quote", 6},
    {"interest rate", 3},
    {"life insurance", 6},
    {"low rates", 4},
    {"lowest rate", 5},
    {"mortgage", 5},
    {"no credit check", 7},
    {"refinanc", 6},
    {"term life", 5},
    {"your credit", 4},
    /* body and bed */
    {"adult site", 7},
    {"adults only", 6},
    {"cialis", 8},
    {"erection", 7},
    {"hair loss", 6},
    {"herbal", 5},
    {"hot girls", 7},
    {"human growth hormone", 9},
    {"lose weight", 6},
    {"no prescription", 8},
    {"online pharmacy", 8},
    {"penis", 8},
    {"porn", 7},
    {"viagra", 9},
    {"weight loss", 6},
    {"wrinkle", 5},
    {"xxx", 4},
    /* for sale */
    {"100% free", 7},
    {"absolutely free", 6},
    {"act now", 6},
    {"as seen on", 5},
    {"at no cost", 4},
    {"buy now", 5},
    {"call now", 5},
    {"call today", 4},
    {"cheap", 2},
    {"click below", 5},
    {"click here", 4},
    {"do not miss", 3},
    {"for only $", 5},
    {"free gift", 5},
    {"free trial", 4},
    {"gift card", 4},
    {"guaranteed", 4},
    {"incredible", 2},
    {"limited time", 5},
    {"lowest price", 5},
    {"money back", 5},
    {"no obligation", 6},
    {"no risk", 4},
    {"once in a lifetime", 5},
    {"order now", 5},
    {"order today", 5},
    {"risk free", 5},
    {"risk-free", 5},
    {"satisfaction", 3},
    {"save up to", 4},
    {"special offer", 4},
    {"this offer", 4},
    {"toll free", 4},
    {"toll-free", 4},
    {"university diploma", 8},
    {"visit our web", 3},
    {"why pay more", 7},
    /* mail to many */
    {"be removed from", 4},
    {"bulk e", 6},
    {"dear friend", 6},
    {"dear sir", 4},
    {"email addresses", 3},
    {"email marketing", 5},
    {"future mailing", 5},
    {"in the subject", 2},
    {"mailing list please", 2},
    {"not spam", 5},
    {"one time mail", 6},
    {"opt in", 3},
    {"opt-in", 3},
    {"opt out", 4},
    {"opt-out", 4},
    {"our mailing list", 3},
    {"received this email", 3},
    {"receiving this", 3},
    {"remove in the", 5},
    {"removed from our", 5},
    {"s. 1618", 8},
    {"s.1618", 8},
    {"section 301", 8},
    {"this is not spam", 6},
    {"to be removed", 5},
    {"to remove your", 4},
    /* whose account it is not */
    {"account has been suspended", 9},
    {"confirm your account", 7},
    {"confirm your identity", 7},
    {"mailbox is full", 7},
    {"mailbox quota", 7},
    {"password will expire", 8},
    {"unusual activity", 6},
    {"update your payment", 8},
    {"verify your account", 8},
    {"verify your identity", 7},
};

#define PHRASE_COUNT (sizeof phrases / sizeof *phrases)
_Static_assert(PHRASE_COUNT < 255, "an index fits a byte");

/* Phrases by their first three letters, once for the process: `head` and `next` hold indexes from 1, 0 ends a
 * chain. */
static struct {
    bool is_filled;
    uint8_t head[BUCKETS];
    uint8_t next[PHRASE_COUNT];
    uint32_t letters[PHRASE_COUNT];
} by_letters;

static uint32_t letters_at(const char *at)
{
    return (uint32_t)(unsigned char)at[0] << 16U | (uint32_t)(unsigned char)at[1] << 8U |
           (unsigned char)at[2];
}

static uint8_t *bucket_of(uint32_t letters)
{
    return &by_letters.head[letters * 0x9E3779B1U >> (32U - BUCKET_BITS)];
}

static void fill(void)
{
    for (size_t i = 0; i < PHRASE_COUNT; i++) {
        by_letters.letters[i] = letters_at(phrases[i].text);
        uint8_t *head = bucket_of(by_letters.letters[i]);
        by_letters.next[i] = *head;
        *head = (uint8_t)(i + 1);
    }
    by_letters.is_filled = true;
}

struct search {
    bool is_found[PHRASE_COUNT];
    unsigned tenths;
    const struct phrase *weightiest; /* or NULL */
};

static void note(struct search *search, size_t index)
{
    const struct phrase *phrase = &phrases[index];
    search->is_found[index] = true;
    search->tenths += phrase->tenths;
    if (!search->weightiest || phrase->tenths > search->weightiest->tenths)
        search->weightiest = phrase;
}

static void look_at_word(struct search *search, struct str text)
{
    uint32_t letters = letters_at(text.at);
    for (size_t i = *bucket_of(letters); i; i = by_letters.next[i - 1])
        if (by_letters.letters[i - 1] == letters && !search->is_found[i - 1] &&
            str_starts(text, str_of(phrases[i - 1].text)))
            note(search, i - 1);
}

static bool is_word_byte(char c)
{
    return ((c >= 'a') & (c <= 'z')) | ((c >= '0') & (c <= '9'));
}

/* Marks where words begin in a block of up to BLOCK_BYTES, without a branch for each byte. `is_word` is whether the
 * byte before the block belongs to one. */
static void mark_words(struct str block, bool is_word, unsigned char marks[BLOCK_BYTES])
{
    unsigned char words[BLOCK_BYTES + 1] = {is_word};
    for (size_t i = 0; i < block.length; i++)
        words[i + 1] = is_word_byte(block.at[i]);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        marks[i] = words[i + 1] & (words[i] ^ 1U);
}

static void look_at_block(struct search *search, struct str text, size_t from, size_t bytes)
{
    unsigned char marks[BLOCK_BYTES];
    mark_words(str_part(text, from, bytes), from && is_word_byte(text.at[from - 1]), marks);
    for (size_t i = 0; i < BLOCK_BYTES; i += sizeof(uint64_t)) {
        uint64_t begins;
        memcpy(&begins, marks + i, sizeof begins);
        for (begins = le64toh(begins); begins; begins &= begins - 1) {
            size_t at = from + i + (size_t)__builtin_ctzll(begins) / 8;
            look_at_word(search, str_from(text, at));
        }
    }
}

unsigned spam_phrases_score(struct str text, const char **first)
{
    struct search search = {0};
    size_t end = text.length < LETTERS ? 0 : text.length - LETTERS + 1;
    if (!by_letters.is_filled)
        fill();
    for (size_t from = 0; from < end; from += BLOCK_BYTES)
        look_at_block(&search, text, from,
                      end - from < BLOCK_BYTES ? end - from : BLOCK_BYTES);
    *first = search.weightiest ? search.weightiest->text : "";
    return search.tenths < SPAM_PHRASES_TENTHS_MAX ? search.tenths
                                                   : SPAM_PHRASES_TENTHS_MAX;
}
