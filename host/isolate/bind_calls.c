/* The calls that wait, first half: check the arguments, write the request, yield. The loop sends it once
 * the yield has arrived there (run.c); the prelude turns the answer into a result or an error. */
#include <string.h>
#include <strings.h>

#include "bind.h"
#include "convert.h"
#include "run.h"

/* Of what the script gave; the host has its own limits too. */
#define HEADERS_MAX 200

void bind_call_must_fit(lua_State *lua, int write_result)
{
    if (write_result != 0)
        raise_error(lua, "what is asked for is larger than %d MiB",
                    (int)(WIRE_FRAME_BYTES_MAX >> 20));
}

static void put_string(lua_State *lua, struct buf *out, const char *key, struct str string)
{
    bind_call_must_fit(lua, value_put_string(out, key, string));
}

struct buf *bind_call_begin(lua_State *lua, const char *name)
{
    struct isolate *isolate = isolate_of(lua);
    isolate->has_call = false;
    buf_clear(&isolate->call);
    bind_call_must_fit(lua, value_begin_table(&isolate->call));
    put_string(lua, &isolate->call, "name", str_of(name));
    return &isolate->call;
}

/* native.check_can_wait(): an error where a yield could not reach the loop. */
static int check_can_wait(lua_State *lua)
{
    if (!lua_isyieldable(lua))
        raise_error(lua,
                    "a call that waits cannot be made here, in a function that string.gsub"
                    " or table.sort calls");
    return 0;
}

int bind_call_wait(lua_State *lua)
{
    struct isolate *isolate = isolate_of(lua);
    bind_call_must_fit(lua, value_end_table(&isolate->call));
    check_can_wait(lua);
    isolate->has_call = true;
    lua_settop(lua, 0);
    lua_pushlightuserdata(lua, WAIT_MARK);
    return lua_yield(lua, 1);
}

/* --- headers --- */

struct header_list {
    struct buf *out;
    const char *call; /* for messages */
    const char *key;  /* "headers", "set" */
    bool is_x_only;
    int count;
};

static void write_header(lua_State *lua, struct header_list *list, struct str name,
                         struct str value)
{
    if (!header_value_is_valid(value))
        raise_error(lua, "message:%s: the value of header %s has line ends or is too long",
                    list->call, name.at);
    if (++list->count > HEADERS_MAX)
        raise_error(lua, "message:%s: more than %d headers", list->call, HEADERS_MAX);
    bind_call_must_fit(lua, value_write_number(list->out, list->count));
    bind_call_must_fit(lua, value_begin_table(list->out));
    put_string(lua, list->out, "name", name);
    put_string(lua, list->out, "value", value);
    bind_call_must_fit(lua, value_end_table(list->out));
}

/* The value on top: a string or a number. Pops it. */
static void write_header_value(lua_State *lua, struct header_list *list, struct str name)
{
    struct str value;
    if (!lua_isstring(lua, -1))
        raise_error(lua, "message:%s: the value of header %s must be a string, got %s",
                    list->call, name.at, luaL_typename(lua, -1));
    value.at = lua_tolstring(lua, -1, &value.length);
    write_header(lua, list, name, value);
    lua_pop(lua, 1);
}

static struct str check_header_name(lua_State *lua, int index,
                                    const struct header_list *list)
{
    if (lua_type(lua, index) != LUA_TSTRING)
        raise_error(lua, "message:%s: headers are written { [\"X-Name\"] = value }",
                    list->call);
    struct str name;
    name.at = lua_tolstring(lua, index, &name.length);
    if (!header_name_is_valid(name))
        raise_error(lua, "message:%s: '%s' is no header name", list->call, name.at);
    if (list->is_x_only && strncasecmp(name.at, "X-", 2) != 0)
        raise_error(lua,
                    "message:%s: only headers whose names start with X- can be added,"
                    " not %s",
                    list->call, name.at);
    return name;
}

/* The item on top: one value or a list of them. Pops it. */
static void write_header_item(lua_State *lua, struct header_list *list, struct str name)
{
    if (!lua_istable(lua, -1)) {
        write_header_value(lua, list, name);
        return;
    }
    int count = (int)lua_objlen(lua, -1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        write_header_value(lua, list, name);
    }
    lua_pop(lua, 1);
}

/* key = [ … ] from the table (or nil) at `index`. */
static void write_headers(lua_State *lua, int index, struct header_list *list)
{
    bind_call_must_fit(lua, value_put_table(list->out, list->key));
    if (!lua_isnoneornil(lua, index)) {
        if (!lua_istable(lua, index))
            raise_error(lua, "message:%s: %s must be a table, got %s", list->call,
                        list->key, luaL_typename(lua, index));
        lua_pushnil(lua);
        while (lua_next(lua, index))
            write_header_item(lua, list, check_header_name(lua, lua_gettop(lua) - 1, list));
    }
    bind_call_must_fit(lua, value_end_table(list->out));
}

/* --- message:forward(recipient, headers, options) --- */

/* Each writes the option on top of the stack. */
static void write_set(lua_State *lua, struct buf *out, const char *name)
{
    write_headers(lua, lua_gettop(lua),
                  &(struct header_list){out, "forward", name, false, 0});
}

static void write_removals(lua_State *lua, struct buf *out, const char *name)
{
    int list = lua_gettop(lua);
    if (!lua_istable(lua, list))
        raise_error(lua, "message:forward: remove must be a list of names, got %s",
                    luaL_typename(lua, list));
    bind_call_must_fit(lua, value_put_table(out, name));
    for (int i = 1; i <= (int)lua_objlen(lua, list); i++) {
        lua_rawgeti(lua, list, i);
        struct str field = check_string(lua, -1, "message:forward: a name in remove");
        bind_call_must_fit(lua, value_write_number(out, i));
        bind_call_must_fit(lua, value_write_string(out, field));
        lua_pop(lua, 1);
    }
    bind_call_must_fit(lua, value_end_table(out));
}

static void write_bool(lua_State *lua, struct buf *out, const char *name)
{
    if (lua_type(lua, -1) != LUA_TBOOLEAN)
        raise_error(lua, "message:forward: %s must be true or false, got %s", name,
                    luaL_typename(lua, -1));
    bind_call_must_fit(lua, value_put_bool(out, name, lua_toboolean(lua, -1)));
}

static void write_from(lua_State *lua, struct buf *out, const char *name)
{
    if (lua_type(lua, -1) == LUA_TSTRING)
        put_string(lua, out, name, check_string(lua, -1, name));
    else if (lua_type(lua, -1) == LUA_TBOOLEAN)
        write_bool(lua, out, name);
    else
        raise_error(lua, "message:forward: rewriteFrom must be true or an address, got %s",
                    luaL_typename(lua, -1));
}

static const struct forward_option {
    const char *name;
    void (*write)(lua_State *lua, struct buf *out, const char *name);
} forward_options[] = {
    {"set", write_set},   {"remove", write_removals}, {"rewriteFrom", write_from},
    {"wrap", write_bool}, {"anyway", write_bool},     {NULL, NULL},
};

/* From the table (or nil) at `index`; a misspelt key is an error. */
static void write_options(lua_State *lua, int index, struct buf *out)
{
    if (lua_isnil(lua, index))
        return;
    if (!lua_istable(lua, index))
        raise_error(lua, "message:forward: options must be a table, got %s",
                    luaL_typename(lua, index));
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "?";
        const struct forward_option *option = forward_options;
        while (option->name && strcmp(option->name, name) != 0)
            option++;
        if (!option->name)
            raise_error(lua,
                        "message:forward: unknown option '%s'; there are set, remove,"
                        " rewriteFrom, wrap and anyway",
                        name);
        option->write(lua, out, option->name);
        lua_pop(lua, 1);
    }
}

static int wait_forward(lua_State *lua)
{
    bind_object_check(lua, "message", "forward");
    lua_settop(lua, 4);
    struct str recipient = check_string(lua, 2, "message:forward: the recipient");
    struct buf *out = bind_call_begin(lua, "forward");
    put_string(lua, out, "recipient", recipient);
    write_headers(lua, 3, &(struct header_list){out, "forward", "headers", true, 0});
    write_options(lua, 4, out);
    return bind_call_wait(lua);
}

/* --- message:reply{ … } --- */

static const struct reply_field {
    const char *name;
    bool is_composed; /* not together with raw */
} reply_fields[] = {
    {"raw", false}, {"from", false}, {"to", false},     {"subject", true},
    {"text", true}, {"html", true},  {"headers", true}, {NULL, false},
};

static const struct reply_field *find_reply_field(const char *name)
{
    const struct reply_field *field = reply_fields;
    while (field->name && strcmp(field->name, name) != 0)
        field++;
    return field;
}

static bool has_field(lua_State *lua, const char *name)
{
    lua_getfield(lua, 2, name);
    bool is_there = !lua_isnil(lua, -1);
    lua_pop(lua, 1);
    return is_there;
}

/* A misspelt key is an error, not a reply without it. */
static void check_reply_fields(lua_State *lua)
{
    bool has_raw = has_field(lua, "raw");
    if (!has_raw && !has_field(lua, "text") && !has_field(lua, "html"))
        raise_error(lua, "message:reply: give it a text, an html or a raw message");
    lua_pushnil(lua);
    while (lua_next(lua, 2)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "?";
        const struct reply_field *field = find_reply_field(name);
        if (!field->name)
            raise_error(lua,
                        "message:reply: unknown field '%s'; it takes from, to, subject,"
                        " text, html, headers or raw",
                        name);
        if (has_raw && field->is_composed)
            raise_error(lua, "message:reply: raw is a whole message; '%s' is part of it",
                        name);
        lua_pop(lua, 1);
    }
}

static void write_reply_text(lua_State *lua, struct buf *out, const char *name)
{
    lua_getfield(lua, 2, name);
    if (!lua_isnil(lua, -1)) {
        if (lua_type(lua, -1) != LUA_TSTRING)
            raise_error(lua, "message:reply: %s must be a string, got %s", name,
                        luaL_typename(lua, -1));
        struct str text;
        text.at = lua_tolstring(lua, -1, &text.length);
        put_string(lua, out, name, text);
    }
    lua_pop(lua, 1);
}

static int wait_reply(lua_State *lua)
{
    bind_object_check(lua, "message", "reply");
    lua_settop(lua, 2);
    if (!lua_istable(lua, 2))
        return raise_error(lua, "message:reply: the reply must be a table, got %s",
                           luaL_typename(lua, 2));
    check_reply_fields(lua);
    struct buf *out = bind_call_begin(lua, "reply");
    for (const struct reply_field *field = reply_fields; field->name; field++) {
        if (strcmp(field->name, "headers") != 0)
            write_reply_text(lua, out, field->name);
    }
    lua_getfield(lua, 2, "headers");
    write_headers(lua, 3, &(struct header_list){out, "reply", "headers", false, 0});
    return bind_call_wait(lua);
}

void bind_calls_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"wait_forward", wait_forward},
        {"wait_reply", wait_reply},
        {"check_can_wait", check_can_wait},
        {NULL, NULL},
    };
    luaL_register(lua, NULL, natives);
    lua_pushlightuserdata(lua, WAIT_MARK);
    lua_setfield(lua, -2, "WAIT");
}
