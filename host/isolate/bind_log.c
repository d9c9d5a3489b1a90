/* Lines for the message's trail, bounded in all: what print() and the module log end in. */
#include "bind.h"
#include "channel.h"
#include "convert.h"
#include "run.h"

static void log_send(struct run *run, struct str level, struct str text)
{
    struct buf *out = &run->isolate->out;
    buf_clear(out);
    value_begin_table(out);
    value_put_string(out, "level", level);
    value_put_string(out, "text", text);
    value_end_table(out);
    channel_send(WIRE_LOG, run->id, 0, buf_view(out));
}

void isolate_run_log(struct run *run, struct str level, struct str text)
{
    size_t room = run->isolate->limits.log_bytes_max - run->log_bytes;
    if (run->is_log_full)
        return;
    run->is_log_full = text.length > room;
    text = isolate_run_shortened(text, room);
    run->log_bytes += text.length;
    if (text.length || !run->is_log_full)
        log_send(run, level, text);
    if (run->is_log_full)
        log_send(run, STR("warn"), STR("log truncated"));
}

/* native.emit(level, text) */
static int emit(lua_State *lua)
{
    struct run *run = isolate_of(lua)->run;
    struct str level = check_string(lua, 1, "log: the level");
    struct str text = check_string(lua, 2, "log: the text");
    if (run)
        isolate_run_log(run, level, text);
    return 0;
}

void bind_log_open(lua_State *lua)
{
    lua_pushcfunction(lua, emit);
    lua_setfield(lua, -2, "emit");
}
