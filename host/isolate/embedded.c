/* Lua text that is part of the program. */
#include "embedded.h"

struct str embedded_find(const char *name)
{
    for (size_t i = 0; i < EMBEDDED_TEXT_COUNT; i++) {
        if (strcmp(EMBEDDED_TEXTS[i].name, name) == 0)
            return (struct str){EMBEDDED_TEXTS[i].text, EMBEDDED_TEXTS[i].length};
    }
    return (struct str){0};
}
