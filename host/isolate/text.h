/* A text that grows in the script's own memory: the heap's cap counts it, and an error on the way loses none. */
#pragma once

#include <lua.h>

#include "base/str.h"

struct text {
    lua_State *lua;
    int index; /* of the userdata that holds the bytes */
    char *at;
    size_t length, capacity;
};

/* Pushes the owner of the bytes, which must stay where it is until the text is no longer used. Like all below
 * that need memory it can raise. */
void text_begin(struct text *text, lua_State *lua);
/* Room for `bytes` more: the place to write to. text_extend() then counts what was written there. */
char *text_reserve(struct text *text, size_t bytes);
void text_extend(struct text *text, size_t bytes);
void text_add(struct text *text, struct str bytes);
void text_add_byte(struct text *text, char byte);
/* Pushes the text as a string. */
void text_push(const struct text *text);
