/* The first line is a pattern, the rest a subject. */
#include <stdint.h>

#include "rules/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct pattern_set *set = pattern_set_new();
    struct str subject = {(const char *)bytes, length};
    struct str text = str_cut(&subject, '\n');
    struct err err = {0};
    struct pattern *pattern = pattern_compile(set, text, false, &err);
    if (pattern && pattern_search(pattern, subject) == PATTERN_HIT) {
        struct rule_capture *groups;
        pattern_groups(pattern, subject, arena, &groups);
    }
    pattern_set_free(set);
    arena_free(arena);
    return 0;
}
