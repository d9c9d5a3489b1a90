#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>

#include "mail/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* Both with a blank at each end. */
struct charset {
    const char *iconv_name;
    const char *labels;
    iconv_t converter;
    bool is_open, has_failed;
};

static struct charset charsets[] = {
    {.iconv_name = "WINDOWS-1252",
     .labels = " windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 l1 "
               "us-ascii ascii"
               " ansi_x3.4-1968 iso646-us cp819 ibm819 "},
    {.iconv_name = "ISO-8859-2", .labels = " iso-8859-2 iso8859-2 iso_8859-2 latin2 l2 "},
    {.iconv_name = "ISO-8859-3", .labels = " iso-8859-3 iso8859-3 latin3 "},
    {.iconv_name = "ISO-8859-4", .labels = " iso-8859-4 iso8859-4 latin4 "},
    {.iconv_name = "ISO-8859-5", .labels = " iso-8859-5 iso8859-5 cyrillic "},
    {.iconv_name = "ISO-8859-6",
     .labels = " iso-8859-6 iso-8859-6-i iso-8859-6-e iso8859-6 arabic "},
    {.iconv_name = "ISO-8859-7", .labels = " iso-8859-7 iso8859-7 greek greek8 "},
    {.iconv_name = "ISO-8859-8",
     .labels = " iso-8859-8 iso-8859-8-i iso-8859-8-e iso8859-8 hebrew visual logical "},
    {.iconv_name = "ISO-8859-10", .labels = " iso-8859-10 iso8859-10 latin6 "},
    {.iconv_name = "ISO-8859-13", .labels = " iso-8859-13 iso8859-13 "},
    {.iconv_name = "ISO-8859-14", .labels = " iso-8859-14 iso8859-14 "},
    {.iconv_name = "ISO-8859-15",
     .labels = " iso-8859-15 iso8859-15 iso_8859-15 latin9 l9 "},
    {.iconv_name = "ISO-8859-16", .labels = " iso-8859-16 "},
    {.iconv_name = "WINDOWS-1250", .labels = " windows-1250 cp1250 x-cp1250 "},
    {.iconv_name = "WINDOWS-1251", .labels = " windows-1251 cp1251 x-cp1251 "},
    {.iconv_name = "WINDOWS-1253", .labels = " windows-1253 cp1253 "},
    {.iconv_name = "WINDOWS-1254",
     .labels = " windows-1254 cp1254 iso-8859-9 iso8859-9 iso_8859-9 latin5 l5 "},
    {.iconv_name = "WINDOWS-1255", .labels = " windows-1255 cp1255 "},
    {.iconv_name = "WINDOWS-1256", .labels = " windows-1256 cp1256 "},
    {.iconv_name = "WINDOWS-1257", .labels = " windows-1257 cp1257 "},
    {.iconv_name = "WINDOWS-1258", .labels = " windows-1258 cp1258 "},
    {.iconv_name = "CP874", .labels = " windows-874 cp874 tis-620 iso-8859-11 dos-874 "},
    {.iconv_name = "KOI8-R", .labels = " koi8-r koi8 koi8_r cskoi8r "},
    {.iconv_name = "KOI8-U", .labels = " koi8-u koi8-ru "},
    {.iconv_name = "MACINTOSH", .labels = " macintosh mac x-mac-roman "},
    {.iconv_name = "IBM437", .labels = " ibm437 cp437 "},
    {.iconv_name = "IBM850", .labels = " ibm850 cp850 "},
    {.iconv_name = "IBM852", .labels = " ibm852 cp852 "},
    {.iconv_name = "IBM866", .labels = " ibm866 cp866 866 "},
    {.iconv_name = "GB18030",
     .labels = " gb18030 gbk cp936 ms936 windows-936 x-gbk gb2312 gb_2312-80 gb_2312 "
               "euc-cn chinese "},
    {.iconv_name = "BIG5-HKSCS", .labels = " big5 big5-hkscs cn-big5 x-x-big5 csbig5 "},
    {.iconv_name = "CP932",
     .labels = " shift_jis shift-jis sjis x-sjis ms_kanji windows-31j cp932 ms932 "},
    {.iconv_name = "EUC-JP", .labels = " euc-jp x-euc-jp eucjp "},
    {.iconv_name = "ISO-2022-JP-2",
     .labels = " iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 csiso2022jp "},
    {.iconv_name = "CP949",
     .labels = " euc-kr ks_c_5601-1987 ks_c_5601 ksc5601 cp949 uhc windows-949 korean "},
    {.iconv_name = "ISO-2022-KR", .labels = " iso-2022-kr "},
    {.iconv_name = "UTF-7", .labels = " utf-7 unicode-1-1-utf-7 "},
    {.iconv_name = "UTF-16", .labels = " utf-16 "},
    {.iconv_name = "UTF-16LE", .labels = " utf-16le "},
    {.iconv_name = "UTF-16BE", .labels = " utf-16be "},
    {.iconv_name = "UTF-32", .labels = " utf-32 "},
};

#define CHARSET_COUNT (sizeof charsets / sizeof *charsets)

/* Needs no converter: utf8.h knows it. */
static struct charset utf8 = {.labels = " utf-8 utf8 unicode-1-1-utf-8 "};
static bool is_closed; /* no other is opened */

static bool has_label(const struct charset *charset, struct str label)
{
    struct str labels = str_of(charset->labels);
    while (labels.length)
        if (str_equal_nocase(str_cut(&labels, ' '), label))
            return true;
    return false;
}

static bool is_usable(struct charset *charset)
{
    if (charset->is_open || is_closed || charset->has_failed)
        return charset->is_open;
    charset->converter = iconv_open("UTF-8", charset->iconv_name);
    charset->is_open = charset->converter != (iconv_t)-1;
    charset->has_failed = !charset->is_open;
    return charset->is_open;
}

struct charset *charset_utf8(void)
{
    return &utf8;
}

struct charset *charset_find(struct str label)
{
    label = str_trim(label);
    if (label.length == 0)
        return NULL;
    if (has_label(&utf8, label))
        return &utf8;
    for (size_t i = 0; i < CHARSET_COUNT; i++)
        if (has_label(&charsets[i], label))
            return is_usable(&charsets[i]) ? &charsets[i] : NULL;
    return NULL;
}

struct charset *charset_guess(struct str bytes)
{
    struct charset *windows =
        utf8_is_valid(bytes) ? NULL : charset_find(STR("windows-1252"));
    return windows ? windows : &utf8;
}

void charset_open_all(void)
{
    for (size_t i = 0; i < CHARSET_COUNT; i++)
        is_usable(&charsets[i]);
}

void charset_open_no_more(void)
{
    is_closed = true;
}

/* --- converting --- */

void charset_begin(struct charset *charset)
{
    if (charset->is_open)
        iconv(charset->converter, NULL, NULL, NULL, NULL);
}

static size_t put_replacement(char *at, bool *is_broken)
{
    memcpy(at, REPLACEMENT, sizeof REPLACEMENT - 1);
    *is_broken = true;
    return sizeof REPLACEMENT - 1;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Copies ASCII eight bytes at a time, as far as it goes. */
static size_t copy_ascii(struct str *bytes, char *out, size_t room)
{
    size_t written = 0;
    uint64_t word;
    while (bytes->length - written >= sizeof word && room - written >= sizeof word) {
        memcpy(&word, bytes->at + written, sizeof word);
        if (word & HIGH_BITS)
            break;
        memcpy(out + written, &word, sizeof word);
        written += sizeof word;
    }
    *bytes = str_from(*bytes, written);
    return written;
}

static size_t step_utf8(struct str *bytes, char *out, size_t room, bool *is_broken)
{
    size_t written = 0;
    while (bytes->length && room - written >= 4) {
        written += copy_ascii(bytes, out + written, room - written);
        if (!bytes->length || room - written < 4)
            break;
        size_t count = utf8_character_bytes(*bytes);
        if (count)
            memcpy(out + written, bytes->at, count);
        written += count ? count : put_replacement(out + written, is_broken);
        *bytes = str_from(*bytes, count ? count : 1);
    }
    return written;
}

/* iconv stops where it is at a loss: at a malformed byte, or at a character that is cut off. */
size_t charset_step(struct charset *charset, struct str *bytes, char *utf8_text,
                    size_t room, bool *is_broken)
{
    if (!charset->is_open)
        return step_utf8(bytes, utf8_text, room, is_broken);
    char *from = (char *)(uintptr_t)bytes->at, *to = utf8_text;
    size_t left = bytes->length, space = room - (sizeof REPLACEMENT - 1);
    size_t result = iconv(charset->converter, &from, &left, &to, &space);
    size_t written = (size_t)(to - utf8_text);
    bool is_at_a_loss = result == (size_t)-1 && errno != E2BIG;
    if (is_at_a_loss && left) {
        left = errno == EINVAL ? 0 : left - 1;
        written += put_replacement(to, is_broken);
    }
    if (left == 0) { /* what a stateful one still holds */
        to = utf8_text + written;
        space = room - written;
        iconv(charset->converter, NULL, NULL, &to, &space);
        written = (size_t)(to - utf8_text);
    }
    *bytes = str_from(*bytes, bytes->length - left);
    return written;
}
