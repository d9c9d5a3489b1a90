/* Lua text that is part of the program. */
#include "embedded.h"

struct str embedded_find(const char *name)
{
    for (size_t i = 0; i < embedded_text_count; i++) {
        if (strcmp(embedded_texts[i].name, name) == 0)
            return (struct str){embedded_texts[i].text, embedded_texts[i].length};
    }
    return (struct str){0};
}
