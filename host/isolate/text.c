/* A text that grows in the script's own memory. */
#include "text.h"

#include <lauxlib.h>

#define FIRST_BYTES ((size_t)256)
#define BYTES_MAX   ((size_t)1 << 30)

void text_begin(struct text *text, lua_State *lua)
{
    *text = (struct text){.lua = lua, .capacity = FIRST_BYTES};
    text->at = lua_newuserdata(lua, FIRST_BYTES);
    text->index = lua_gettop(lua);
}

static void grow(struct text *text, size_t bytes)
{
    size_t capacity = text->capacity;
    if (bytes > BYTES_MAX - text->length)
        luaL_error(text->lua, "not enough memory");
    while (capacity < text->length + bytes)
        capacity *= 2;
    char *larger = lua_newuserdata(text->lua, capacity);
    memcpy(larger, text->at, text->length);
    lua_replace(text->lua, text->index);
    text->at = larger;
    text->capacity = capacity;
}

char *text_reserve(struct text *text, size_t bytes)
{
    if (bytes > text->capacity - text->length)
        grow(text, bytes);
    return text->at + text->length;
}

void text_extend(struct text *text, size_t bytes)
{
    text->length += bytes;
}

void text_add(struct text *text, struct str bytes)
{
    if (!bytes.length)
        return;
    memcpy(text_reserve(text, bytes.length), bytes.at, bytes.length);
    text->length += bytes.length;
}

void text_add_byte(struct text *text, char byte)
{
    *text_reserve(text, 1) = byte;
    text->length++;
}

void text_push(const struct text *text)
{
    lua_pushlstring(text->lua, text->at, text->length);
}
