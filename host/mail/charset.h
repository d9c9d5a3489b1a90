/* The character sets that mail is written in, to UTF-8. Labels are read as the web reads them: what calls
 * itself ISO-8859-1 is Windows-1252, GB2312 is GB18030, and so on: the supersets that senders mean. iconv
 * knows hundreds more, which are not for strangers to choose from. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct charset;

/* By label, in any case; NULL when it is not known, or may no longer be opened. The last known stays open. */
struct charset *charset_find(struct str label);
/* UTF-8, which is always there. */
struct charset *charset_utf8(void);
/* What is read into mail that says nothing: UTF-8 where `bytes` are that, else Windows-1252, or if that is
 * not open UTF-8 with its faults. */
struct charset *charset_guess(struct str bytes);

/* Opens all of them: converters are shared objects on disk, which the C library loads when they are opened
 * first. Then, or instead, no other is opened any more: for a process that is about to lose its files. */
void charset_open_all(void);
void charset_open_no_more(void);

/* A conversion is charset_begin() and steps until *bytes is empty; the next one may begin before. */
#define CHARSET_STEP_BYTES_MIN 64
void charset_begin(struct charset *charset);
/* Converts the first of `bytes`, which is moved past them, into `utf8` of `room` bytes, at least
 * CHARSET_STEP_BYTES_MIN; returns how many were written. What is malformed becomes U+FFFD, and *is_broken
 * true. */
size_t charset_step(struct charset *charset, struct str *bytes, char *utf8, size_t room,
                    bool *is_broken);
