/* The messages that the load generator sends, ready for the wire. */
#pragma once

#include <stddef.h>

/* CRLF lines, dots stuffed, final dot included. */
struct bench_mail {
    char *bytes;
    size_t length;
};

/* One message of about `bytes` bytes. */
struct bench_mail *bench_mail_generate(size_t bytes, size_t *count);
/* Every *.eml of a directory. Exits when there is none. */
struct bench_mail *bench_mail_load(const char *directory, size_t *count);
void bench_mail_free(struct bench_mail *mails, size_t count);
