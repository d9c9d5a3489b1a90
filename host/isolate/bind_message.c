/* `message`: the names and rules of the hosted service's ForwardableEmailMessage, and what its users
 * have missed there. */
#include "bind.h"
#include "convert.h"
#include "run.h"

static void push_email_item(lua_State *lua, const struct run *run, const char *key)
{
    const struct value *item = value_get(run->email, key);
    if (item)
        push_value(lua, item);
    else
        lua_pushnil(lua);
}

static void push_from(lua_State *lua, struct run *run)
{
    push_email_item(lua, run, "from");
}

static void push_to(lua_State *lua, struct run *run)
{
    push_email_item(lua, run, "to");
}

static void push_raw_size(lua_State *lua, struct run *run)
{
    lua_pushnumber(lua, (lua_Number)run->raw_bytes);
}

static void push_can_be_forwarded(lua_State *lua, struct run *run)
{
    push_email_item(lua, run, "canBeForwarded");
}

static void push_client(lua_State *lua, struct run *run)
{
    push_email_item(lua, run, "client");
}

/* Groups that a pattern numbers are found by number. */
static void push_captures(lua_State *lua, struct run *run)
{
    const struct value *captures = value_get(run->email, "captures");
    lua_newtable(lua);
    for (size_t i = 0; captures && i < captures->count; i++) {
        unsigned long long number;
        if (str_to_number(captures->keys[i].string, &number))
            lua_pushnumber(lua, (lua_Number)number);
        else
            push_value(lua, &captures->keys[i]);
        push_value(lua, &captures->items[i]);
        lua_rawset(lua, -3);
    }
}

static void set_no_result(lua_State *lua, const char *check)
{
    lua_newtable(lua);
    lua_pushliteral(lua, "none");
    lua_setfield(lua, -2, "result");
    lua_setfield(lua, -2, check);
}

static void push_spam_score(lua_State *lua, struct run *run)
{
    push_email_item(lua, run, "spamScore");
}

static void push_auth(lua_State *lua, struct run *run)
{
    const struct value *auth = value_get(run->email, "auth");
    if (auth) {
        push_value(lua, auth);
        return;
    }
    lua_newtable(lua);
    set_no_result(lua, "spf");
    set_no_result(lua, "dmarc");
    set_no_result(lua, "arc");
    lua_newtable(lua);
    lua_setfield(lua, -2, "dkim");
}

static void push_headers(lua_State *lua, struct run *run)
{
    bind_object_push(lua, "headers", run);
}

static void push_raw(lua_State *lua, struct run *run)
{
    struct str raw = isolate_run_raw_open(run, lua);
    push_str(lua, raw);
    isolate_run_raw_close(run);
}

const struct bind_field message_fields[] = {
    {"from", push_from},
    {"to", push_to},
    {"headers", push_headers},
    {"raw", push_raw},
    {"rawSize", push_raw_size},
    {"canBeForwarded", push_can_be_forwarded},
    {"captures", push_captures},
    {"client", push_client},
    {"auth", push_auth},
    {"spamScore", push_spam_score},
    {NULL, NULL},
};

/* What an SMTP reply cannot carry becomes a blank. */
static struct str printable(struct str reason, struct arena *arena)
{
    char *text = arena_text(arena, reason);
    for (size_t i = 0; i < reason.length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
    }
    return str_trim((struct str){text, reason.length});
}

/* The last call counts. */
static int set_reject(lua_State *lua)
{
    struct run *run = bind_object_check(lua, "message", "setReject");
    struct str reason = check_string(lua, 2, "message:setReject: the reason");
    if (run->is_done)
        return raise_error(lua, "message:setReject: the sender has had his answer");
    run->reason = printable(isolate_run_shortened(reason, RUN_TEXT_BYTES_MAX), run->arena);
    run->is_rejected = true;
    return 0;
}

/* native.check_message(message): what of message:parse() is not Lua */
static int check_message(lua_State *lua)
{
    bind_object_check(lua, "message", "parse");
    return 0;
}

/* The prelude adds those that wait, forward and reply, and parse. */
const luaL_Reg message_methods[] = {
    {"setReject", set_reject},
    {NULL, NULL},
};

void bind_message_open(lua_State *lua)
{
    bind_object_open(lua, "message", message_methods, message_fields);
    lua_setfield(lua, -2, "message_methods");
    lua_pushcfunction(lua, check_message);
    lua_setfield(lua, -2, "check_message");
}
