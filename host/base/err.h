/* The reason of a failure, for a person to read. Functions return a negative errno value and, where
 * somebody will ask why, fill in a `struct err`. */
#pragma once

struct err {
    int code;       /* negative errno value, 0 while unset */
    char text[480]; /* one line, no final newline */
};

/* Sets code and text (printf form) and returns `code`; `err` may be NULL. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " before the text; returns the code. */
int err_prefix(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
