/* The problems that loading finds: each with its place and one line for the person who will mend it. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

/* Of more problems than these, the list ends with "... and N more". */
#define PROBLEMS_TOLD_MAX 100

struct problem {
    struct str file;
    unsigned line, column; /* from 1; 0: the file as a whole */
    struct str text;       /* what is wrong and what to do: one line */
    struct problem *next;
};

struct problem_list {
    struct arena *arena;
    struct problem *first, *last;
    size_t count; /* of all that were found, told or not */
};

void problem_list_open(struct problem_list *problems);
void problem_list_close(struct problem_list *problems);

/* Copies file and text; control characters in the text become '?'. */
void problem_add(struct problem_list *problems, struct str file, unsigned line,
                 unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void problem_add_list(struct problem_list *problems, struct str file, unsigned line,
                      unsigned column, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));
