/* PCRE2 counts its work anew for every place in the subject where a match may start, so that a search costs
 * at most subject length × match limit: the limit is set from the length before each search. JIT is used
 * where the system allows executable memory; else PCRE2 interprets, under the same limits. */
#include "rules/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

/* Steps of one search, all starting places together (measured: 5 ns each), while every place gets a few
 * per byte. */
#define STEPS_PER_SEARCH 10000000
#define STEPS_PER_BYTE   4
#define DEPTH_MAX        2000
#define HEAP_KIB_MAX     1024
#define JIT_STACK_BYTES  ((size_t)256 * 1024)
/* PCRE2 compiles by recursion, on the 128 KiB stack of a task. */
#define NESTING_MAX      32

struct group_name {
    uint32_t number;
    struct str name;
};

struct pattern {
    struct pattern_set *set;
    struct pattern *next; /* of the set */
    pcre2_code *code;
    struct group_name *names;
    uint32_t name_count;
};

struct pattern_set {
    struct arena *arena;
    struct pattern *first;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *jit_stack;
};

struct pattern_set *pattern_set_new(void)
{
    struct pattern_set *set = mem_zero(1, sizeof *set);
    set->arena = arena_new();
    set->match = pcre2_match_data_create(PATTERN_GROUPS_MAX + 1, NULL);
    set->context = pcre2_match_context_create(NULL);
    invariant(set->match && set->context, "pcre2: out of memory");
    set->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES / 8, JIT_STACK_BYTES, NULL);
    pcre2_set_depth_limit(set->context, DEPTH_MAX);
    pcre2_set_heap_limit(set->context, HEAP_KIB_MAX);
    pcre2_jit_stack_assign(set->context, NULL, set->jit_stack);
    return set;
}

void pattern_set_free(struct pattern_set *set)
{
    if (!set)
        return;
    for (struct pattern *pattern = set->first; pattern; pattern = pattern->next)
        pcre2_code_free(pattern->code);
    pcre2_match_data_free(set->match);
    pcre2_match_context_free(set->context);
    pcre2_jit_stack_free(set->jit_stack);
    arena_free(set->arena);
    free(set);
}

/* --- compilation --- */

bool pattern_is_meant(struct str text)
{
    return text.length > 0 && text.at[0] == '/';
}

/* Cuts /source/flags. */
static int split(struct str text, struct str *source, bool *is_caseless, struct err *err)
{
    ptrdiff_t end = str_last_index(text, '/');
    if (end <= 0)
        return err_set(err, -EINVAL, "a pattern ends with '/': /^order-\\d+@/");
    struct str flags = str_from(text, (size_t)end + 1);
    *source = str_part(text, 1, (size_t)end - 1);
    if (source->length == 0)
        return err_set(err, -EINVAL, "the pattern is empty");
    if (source->length > PATTERN_BYTES_MAX)
        return err_set(err, -EINVAL, "the pattern is too long: %zu bytes are the most",
                       PATTERN_BYTES_MAX);
    if (str_equal(flags, STR("i")))
        *is_caseless = true;
    else if (flags.length > 0)
        return err_set(err, -EINVAL, "unknown flags after the pattern: only i is known");
    return 0;
}

static pcre2_code *compile(struct str source, bool is_caseless, struct err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                       (is_caseless ? PCRE2_CASELESS : 0);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    invariant(context, "pcre2: out of memory");
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)source.at, source.length, options, &error,
                                     &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR reason[160];
        pcre2_get_error_message(error, reason, sizeof reason);
        err_set(err, -EINVAL, "bad pattern: %s, at character %zu of it",
                (const char *)reason, offset);
    }
    return code;
}

static bool has_few_groups(const pcre2_code *code)
{
    uint32_t count = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count <= PATTERN_GROUPS_MAX;
}

/* The name table: entries of fixed size, each the group's number in two bytes and its name. */
static void copy_names(struct pattern *pattern)
{
    struct arena *arena = pattern->set->arena;
    uint32_t entry_bytes = 0;
    const unsigned char *entry = NULL;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &pattern->name_count);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &entry);
    pattern->names = arena_array(arena, struct group_name, pattern->name_count + 1);
    for (uint32_t i = 0; i < pattern->name_count; i++, entry += entry_bytes) {
        pattern->names[i].number = (uint32_t)entry[0] << 8 | entry[1];
        pattern->names[i].name = arena_str(arena, str_of((const char *)entry + 2));
    }
}

struct pattern *pattern_compile(struct pattern_set *set, struct str text, bool is_caseless,
                                struct err *err)
{
    struct str source = {0};
    if (split(text, &source, &is_caseless, err) < 0)
        return NULL;
    pcre2_code *code = compile(source, is_caseless, err);
    if (!code)
        return NULL;
    if (!has_few_groups(code)) {
        err_set(err, -EINVAL, "too many groups: %d are the most; (?:…) does not count",
                PATTERN_GROUPS_MAX);
        pcre2_code_free(code);
        return NULL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    struct pattern *pattern = arena_new_of(set->arena, struct pattern);
    *pattern = (struct pattern){.set = set, .next = set->first, .code = code};
    copy_names(pattern);
    set->first = pattern;
    return pattern;
}

/* --- search --- */

enum pattern_found pattern_search(const struct pattern *pattern, struct str subject)
{
    size_t length = subject.length < PATTERN_SUBJECT_BYTES_MAX ? subject.length
                                                               : PATTERN_SUBJECT_BYTES_MAX;
    struct pattern_set *set = pattern->set;
    size_t share = STEPS_PER_SEARCH / (length + 1);
    size_t least = STEPS_PER_BYTE * length;
    pcre2_set_match_limit(set->context, (uint32_t)(share > least ? share : least));
    int count = pcre2_match(pattern->code, (PCRE2_SPTR)(length ? subject.at : ""), length,
                            0, 0, set->match, set->context);
    if (count == PCRE2_ERROR_NOMATCH)
        return PATTERN_MISS;
    return count > 0 ? PATTERN_HIT : PATTERN_TOO_COSTLY;
}

static bool group_value(const struct pattern *pattern, uint32_t number, struct str subject,
                        struct str *value)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(pattern->set->match) + 2 * number;
    if (ends[0] == PCRE2_UNSET || ends[1] < ends[0])
        return false;
    *value = str_part(subject, ends[0], ends[1] - ends[0]);
    return true;
}

size_t pattern_groups(const struct pattern *pattern, struct str subject,
                      struct arena *arena, struct rule_capture **groups)
{
    uint32_t numbered = 0;
    size_t count = 0;
    struct str value;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &numbered);
    *groups = arena_array(arena, struct rule_capture, numbered + pattern->name_count + 1);
    for (uint32_t i = 1; i <= numbered; i++)
        if (group_value(pattern, i, subject, &value))
            (*groups)[count++] = (struct rule_capture){str_of(arena_printf(arena, "%u", i)),
                                                       arena_str(arena, value)};
    for (uint32_t i = 0; i < pattern->name_count; i++)
        if (group_value(pattern, pattern->names[i].number, subject, &value))
            (*groups)[count++] = (struct rule_capture){
                arena_str(arena, pattern->names[i].name), arena_str(arena, value)};
    return count;
}
