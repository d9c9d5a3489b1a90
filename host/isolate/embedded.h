/* Lua text that is part of the program: the prelude and lua/stdlib/ (cmake/embed_lua.cmake). */
#pragma once

#include "base/str.h"

struct embedded_text {
    const char *name; /* "stdlib/log" for lua/stdlib/log.lua */
    const char *text;
    size_t length;
};

extern const struct embedded_text embedded_texts[];
extern const size_t embedded_text_count;

/* Of the text with this name; an empty view when there is none. */
struct str embedded_find(const char *name);
