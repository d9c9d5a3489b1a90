/* The list keeps the first PROBLEMS_TOLD_MAX problems; one more entry at its end counts the rest. */
#include "rules/problem.h"

#include <stdint.h>
#include <stdio.h>

#define TEXT_BYTES 480

void problem_list_open(struct problem_list *problems)
{
    *problems = (struct problem_list){.arena = arena_new()};
}

void problem_list_close(struct problem_list *problems)
{
    arena_free(problems->arena);
    *problems = (struct problem_list){0};
}

static struct problem *append(struct problem_list *problems)
{
    struct problem *problem = arena_new_of(problems->arena, struct problem);
    if (problems->last)
        problems->last->next = problem;
    else
        problems->first = problem;
    problems->last = problem;
    return problem;
}

/* The entry past the last told one is written anew with every further problem. */
static void count_untold(struct problem_list *problems, struct str file)
{
    static const char form[] = "\u2026 and %zu more";
    enum { BYTES = sizeof form + 20 };
    size_t untold = problems->count - PROBLEMS_TOLD_MAX;
    if (untold == 1) {
        struct problem *rest = append(problems);
        rest->file = arena_str(problems->arena, file);
        rest->text.at = arena_alloc(problems->arena, BYTES);
    }
    char *text = (char *)(uintptr_t)problems->last->text.at;
    problems->last->text.length = (size_t)snprintf(text, BYTES, form, untold);
}

/* One line: what a file holds must not write on the terminal of whoever reads the problem. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void problem_add_list(struct problem_list *problems, struct str file, unsigned line,
                      unsigned column, const char *format, va_list args)
{
    if (++problems->count > PROBLEMS_TOLD_MAX) {
        count_untold(problems, file);
        return;
    }
    char text[TEXT_BYTES];
    vsnprintf(text, sizeof text, format, args);
    make_one_line(text);
    struct problem *problem = append(problems);
    problem->file = arena_str(problems->arena, file);
    problem->line = line;
    problem->column = column;
    problem->text = arena_str(problems->arena, str_of(text));
}

void problem_add(struct problem_list *problems, struct str file, unsigned line,
                 unsigned column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem_add_list(problems, file, line, column, format, args);
    va_end(args);
}
