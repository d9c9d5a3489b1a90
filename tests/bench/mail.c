/* Makes messages ready for the wire once, so that sending one is a single write of constant bytes. */
#include "mail.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"

#include "base/mem.h"
#include "base/str.h"

/* Appends one line without its ending: a leading dot is doubled (RFC 5321 4.5.2). */
static char *put_line(char *out, struct str line)
{
    if (line.length > 0 && line.at[0] == '.')
        *out++ = '.';
    memcpy(out, line.at, line.length);
    out += line.length;
    memcpy(out, "\r\n", 2);
    return out + 2;
}

static struct bench_mail for_the_wire(struct str text)
{
    struct bench_mail mail;
    /* Every byte may be a line of its own: a dot, its double, CR and LF. */
    char *out = mail.bytes = mem_alloc(4 * text.length + 5);
    while (text.length > 0) {
        struct str line = str_cut(&text, '\n');
        if (line.length > 0 && line.at[line.length - 1] == '\r')
            line.length--;
        out = put_line(out, line);
    }
    memcpy(out, ".\r\n", 3);
    mail.length = (size_t)(out - mail.bytes) + 3;
    return mail;
}

struct bench_mail *bench_mail_generate(size_t bytes, size_t *count)
{
    static const char head[] = "From: Anna <anna@sender.test>\n"
                               "To: Ben <ben@bench.test>\n"
                               "Subject: A message for the benchmark\n"
                               "Date: Mon, 02 Jan 2023 10:00:00 +0000\n"
                               "Message-ID: <bench@sender.test>\n"
                               "MIME-Version: 1.0\n"
                               "Content-Type: text/plain; charset=us-ascii\n"
                               "\n";
    static const char line[] =
        "Seventy-odd bytes of ordinary text, as they stand in an ordinary mail.\n";
    size_t lines = bytes > sizeof head ? (bytes - sizeof head) / sizeof line + 1 : 1;
    size_t length = sizeof head - 1 + lines * (sizeof line - 1);
    char *text = mem_alloc(length);
    memcpy(text, head, sizeof head - 1);
    for (size_t i = 0; i < lines; i++)
        memcpy(text + sizeof head - 1 + i * (sizeof line - 1), line, sizeof line - 1);

    struct bench_mail *mail = mem_alloc(sizeof *mail);
    *mail = for_the_wire((struct str){text, length});
    free(text);
    *count = 1;
    return mail;
}

static struct bench_mail load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (!file || fstat(fileno(file), &status) < 0)
        bench_die("%s", path);
    size_t length = (size_t)status.st_size;
    char *text = mem_alloc(length + 1);
    if (fread(text, 1, length, file) != length)
        bench_die("%s", path);
    fclose(file);
    struct bench_mail mail = for_the_wire((struct str){text, length});
    free(text);
    return mail;
}

static int is_eml(const struct dirent *entry)
{
    return str_ends_nocase(str_of(entry->d_name), STR(".eml"));
}

struct bench_mail *bench_mail_load(const char *directory, size_t *count)
{
    struct dirent **entries;
    int found = scandir(directory, &entries, is_eml, alphasort);
    if (found <= 0)
        bench_die("no .eml file in %s", directory);
    *count = (size_t)found;
    struct bench_mail *mails = mem_zero(*count, sizeof *mails);
    for (size_t i = 0; i < *count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        mails[i] = load_file(path);
        free(entries[i]);
    }
    free((void *)entries);
    return mails;
}

void bench_mail_free(struct bench_mail *mails, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(mails[i].bytes);
    free(mails);
}
