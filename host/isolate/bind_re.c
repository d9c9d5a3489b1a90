/* Patterns (PCRE2), for the module re. Compiled with the JIT compiler, whose code lives in anonymous memory as
 * LuaJIT's does, so the sandbox allows it. Each match is bounded: one that takes too many steps, frames or bytes is
 * an error of the script. One set of offsets and one stack serve all patterns: nothing here is kept between calls. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>

#include "bind.h"
#include "convert.h"

#define PATTERN_BYTES_MAX   ((size_t)32 * 1024)
#define CAPTURES_MAX        200
#define MATCH_LIMIT         2000000
#define DEPTH_LIMIT         20000
#define HEAP_LIMIT_KIB      8192
#define JIT_STACK_BYTES     ((size_t)32 * 1024)
#define JIT_STACK_BYTES_MAX ((size_t)512 * 1024)
#define PATTERN_KIND        "postern.pattern"
#define MATCHER_KIND        "postern.matcher"

struct matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

struct pattern {
    pcre2_code *code; /* NULL: not compiled */
    bool is_utf;
};

/* --- compiling --- */

static uint32_t compile_options(lua_State *lua, const char *flags)
{
    static const char letters[] = "imsxUn";
    static const uint32_t options[] = {PCRE2_CASELESS, PCRE2_MULTILINE,
                                       PCRE2_DOTALL,   PCRE2_EXTENDED,
                                       PCRE2_UNGREEDY, PCRE2_NO_AUTO_CAPTURE};
    uint32_t result = PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF;
    for (const char *flag = flags; *flag; flag++) {
        const char *letter = strchr(letters, *flag);
        if (letter)
            result |= options[letter - letters];
        else if (*flag == 'b')
            result = (result & ~PCRE2_MATCH_INVALID_UTF) | PCRE2_NEVER_UTF;
        else
            raise_error(lua, "re: unknown flag '%c'; there are i, m, s, x, U, n and b",
                        *flag);
    }
    return result;
}

static void raise_compile_error(lua_State *lua, int code, size_t offset)
{
    PCRE2_UCHAR text[200];
    pcre2_get_error_message(code, text, sizeof text);
    raise_error(lua, "re: the pattern is wrong at byte %d: %s", (int)offset + 1,
                (char *)text);
}

/* Pushes a list of { name, number }. */
static void push_names(lua_State *lua, const pcre2_code *code)
{
    uint32_t count = 0, entry_bytes = 0;
    PCRE2_SPTR entry = NULL;
    pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
    pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &entry);
    lua_createtable(lua, (int)count, 0);
    for (uint32_t i = 0; i < count; i++, entry += entry_bytes) {
        lua_createtable(lua, 2, 0);
        lua_pushstring(lua, (const char *)entry + 2);
        lua_rawseti(lua, -2, 1);
        lua_pushinteger(lua, entry[0] << 8 | entry[1]);
        lua_rawseti(lua, -2, 2);
        lua_rawseti(lua, -2, (int)i + 1);
    }
}

/* native.re_compile(pattern, flags): the pattern and the names of its groups */
static int compile(lua_State *lua)
{
    struct str text = check_string(lua, 1, "re: the pattern");
    uint32_t options = compile_options(lua, luaL_checkstring(lua, 2));
    int error = 0;
    size_t offset = 0;
    uint32_t capture_count = 0;
    if (text.length > PATTERN_BYTES_MAX)
        return raise_error(lua, "re: the pattern is longer than %d bytes",
                           (int)PATTERN_BYTES_MAX);
    struct pattern *pattern = lua_newuserdata(lua, sizeof *pattern);
    *pattern = (struct pattern){.is_utf = !(options & PCRE2_NEVER_UTF)};
    luaL_getmetatable(lua, PATTERN_KIND);
    lua_setmetatable(lua, -2);
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text.at, text.length, options, &error, &offset, NULL);
    if (!pattern->code)
        raise_compile_error(lua, error, offset);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &capture_count);
    if (capture_count > CAPTURES_MAX)
        return raise_error(lua, "re: the pattern has more than %d groups", CAPTURES_MAX);
    pcre2_jit_compile(pattern->code,
                      PCRE2_JIT_COMPLETE); /* what it cannot, is interpreted */
    push_names(lua, pattern->code);
    return 2;
}

static int free_pattern(lua_State *lua)
{
    struct pattern *pattern = lua_touserdata(lua, 1);
    pcre2_code_free(pattern->code);
    pattern->code = NULL;
    return 0;
}

/* --- matching --- */

/* Pushes { [0] = whole, group 1, … } */
static void push_captures(lua_State *lua, struct str subject, const size_t offsets[],
                          int count)
{
    lua_createtable(lua, count - 1, 1);
    for (int i = 0; i < count; i++) {
        size_t start = offsets[2 * i], end = offsets[2 * i + 1];
        if (start == PCRE2_UNSET || start > end)
            continue;
        lua_pushlstring(lua, subject.at + start, end - start);
        lua_rawseti(lua, -2, i);
    }
}

static int raise_match_error(lua_State *lua, int code)
{
    PCRE2_UCHAR text[200];
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
        code == PCRE2_ERROR_HEAPLIMIT || code == PCRE2_ERROR_JIT_STACKLIMIT)
        return raise_error(lua, "re: the pattern takes too many steps for this text");
    pcre2_get_error_message(code, text, sizeof text);
    return raise_error(lua, "re: %s", (char *)text);
}

/* With NO_UTF_CHECK a match must not begin within a character. */
static size_t character_start(struct str subject, size_t start)
{
    while (start < subject.length && ((unsigned char)subject.at[start] & 0xc0) == 0x80)
        start++;
    return start;
}

/* native.re_match(pattern, subject, init, is_valid, is_retry, wants_captures): first and last byte as string.find
 * counts, the captures; nothing when it does not match. `is_valid`: the subject is known to be UTF-8, so that it
 * is not checked for each of its matches; `is_retry`: the empty string at `init` does not count. */
static int match(lua_State *lua)
{
    const struct matcher *matcher = lua_touserdata(lua, lua_upvalueindex(1));
    const struct pattern *pattern = luaL_checkudata(lua, 1, PATTERN_KIND);
    struct str subject;
    subject.at = luaL_checklstring(lua, 2, &subject.length);
    size_t start = (size_t)luaL_checknumber(lua, 3) - 1;
    uint32_t options = 0;
    if (lua_toboolean(lua, 4) && pattern->is_utf) {
        options = PCRE2_NO_UTF_CHECK;
        start = character_start(subject, start);
    }
    if (lua_toboolean(lua, 5))
        options |= PCRE2_NOTEMPTY_ATSTART;
    if (start > subject.length)
        return 0;
    int count = pcre2_match(pattern->code, (PCRE2_SPTR)subject.at, subject.length, start,
                            options, matcher->data, matcher->context);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0)
        return raise_match_error(lua, count);
    const size_t *offsets = pcre2_get_ovector_pointer(matcher->data);
    lua_pushnumber(lua, (lua_Number)(offsets[0] + 1));
    lua_pushnumber(lua, (lua_Number)offsets[1]);
    if (!lua_toboolean(lua, 6))
        return 2;
    push_captures(lua, subject, offsets, count);
    return 3;
}

/* --- opening --- */

static int free_matcher(lua_State *lua)
{
    struct matcher *matcher = lua_touserdata(lua, 1);
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    *matcher = (struct matcher){0};
    return 0;
}

static void make_kind(lua_State *lua, const char *name, lua_CFunction release)
{
    luaL_newmetatable(lua, name);
    lua_pushcfunction(lua, release);
    lua_setfield(lua, -2, "__gc");
}

static void push_matcher(lua_State *lua)
{
    struct matcher *matcher = lua_newuserdata(lua, sizeof *matcher);
    *matcher = (struct matcher){0};
    make_kind(lua, MATCHER_KIND, free_matcher);
    lua_setmetatable(lua, -2);
    matcher->context = pcre2_match_context_create(NULL);
    matcher->data = pcre2_match_data_create(CAPTURES_MAX + 1, NULL);
    matcher->stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_BYTES_MAX, NULL);
    if (!matcher->context || !matcher->data || !matcher->stack)
        luaL_error(lua, "not enough memory");
    pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
    pcre2_set_depth_limit(matcher->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(matcher->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
}

void bind_re_open(lua_State *lua)
{
    make_kind(lua, PATTERN_KIND, free_pattern);
    lua_pop(lua, 1);
    push_matcher(lua);
    lua_pushcclosure(lua, match, 1);
    lua_setfield(lua, -2, "re_match");
    lua_pushcfunction(lua, compile);
    lua_setfield(lua, -2, "re_compile");
}
