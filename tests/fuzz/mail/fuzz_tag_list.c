/* A list is refused, or its tags follow each other in the text, no name twice, and are found by it; its values
 * are read as numbers, lists and base64. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/tag_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_value(struct str value, struct arena *arena)
{
    uint64_t number;
    struct str bytes, element;
    bool is_done = false;
    size_t elements = 0;
    if (tag_base64(value, arena, &bytes) == 0)
        invariant(bytes.length <= value.length / 4 * 3, "base64 shrinks");
    if (tag_number(value, &number))
        invariant(value.length > 0, "a number has digits");
    for (struct str rest = value; tag_next_element(&rest, &is_done, &element); elements++)
        invariant(tag_has_element(value, element), "an element is found");
    invariant(elements <= value.length + 1, "elements end");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str text = {(const char *)bytes, length};
    struct tag_list list;
    struct arena *arena = arena_new();
    const char *at = text.at;
    int result = tag_list_parse(text, &list);
    invariant(result == 0 ? list.count > 0 : list.count == 0, "a list has tags");
    for (size_t i = 0; i < list.count; i++) {
        const struct tag *tag = &list.tags[i];
        invariant(tag_list_find(&list, tag->name) == tag, "no name stands twice");
        invariant(tag->name.at >= at && tag->raw.at > tag->name.at,
                  "tags follow each other");
        at = tag->raw.at + tag->raw.length;
        invariant(at <= text.at + text.length, "within the text");
        invariant(str_index(tag->raw, ';') < 0, "a value ends at the semicolon");
        check_value(tag->value, arena);
    }
    arena_free(arena);
    return 0;
}
