/* What the stdlib's mime stands on (lua/stdlib/mime.lua says what scripts get): the tree of parts, fields,
 * and the codings of content. Scratch memory is the script's own, so that its cap counts it and an error
 * loses none. */
#include <errno.h>

#include "bind.h"
#include "convert.h"

#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/encode.h"
#include "mail/header.h"
#include "mail/mime_parameters.h"
#include "mail/mime_tree.h"
#include "mail/transfer.h"
#include "mail/utf8.h"

#define FIELD_BYTES_MAX ((size_t)256 * 1024)
#define STEP_BYTES      4096
#define ARENA_KIND      "postern.mime.arena"

/* --- scratch --- */

static int free_arena(lua_State *lua)
{
    struct arena **arena = lua_touserdata(lua, 1);
    arena_free(*arena);
    *arena = NULL;
    return 0;
}

/* Pushes the owner of a new arena: to be freed by it, or earlier. */
static struct arena **push_arena(lua_State *lua)
{
    struct arena **arena = lua_newuserdata(lua, sizeof(struct arena *));
    *arena = NULL;
    lua_getfield(lua, LUA_REGISTRYINDEX, ARENA_KIND);
    lua_setmetatable(lua, -2);
    *arena = arena_new();
    return arena;
}

/* Large results are made in C memory, which is given back at once: as garbage of the script's they would count
 * against its cap until they are collected. In a userdata while something can raise. */
struct output {
    struct buf buf;
};

#define OUTPUT_KIND "postern.mime.output"

static int free_output(lua_State *lua)
{
    struct output *output = lua_touserdata(lua, 1);
    buf_free(&output->buf);
    return 0;
}

static struct buf *push_output(lua_State *lua, size_t ceiling)
{
    struct output *output = lua_newuserdata(lua, sizeof *output);
    buf_init(&output->buf, ceiling < WIRE_FRAME_BYTES_MAX ? ceiling : WIRE_FRAME_BYTES_MAX);
    lua_getfield(lua, LUA_REGISTRYINDEX, OUTPUT_KIND);
    lua_setmetatable(lua, -2);
    return &output->buf;
}

/* --- the tree --- */

static void set_str(lua_State *lua, const char *key, struct str value)
{
    push_str(lua, value);
    lua_setfield(lua, -2, key);
}

/* Where a view into the message begins and ends, as string.sub counts. */
static void set_range(lua_State *lua, const char *first, const char *last, struct str view,
                      struct str raw)
{
    size_t offset = view.at ? (size_t)(view.at - raw.at) : 0;
    lua_pushnumber(lua, (lua_Number)(offset + 1));
    lua_setfield(lua, -2, first);
    lua_pushnumber(lua, (lua_Number)(offset + view.length));
    lua_setfield(lua, -2, last);
}

/* { [name] = value } */
static void set_parameters(lua_State *lua, const char *key,
                           const struct mime_parameters *parameters)
{
    lua_createtable(lua, 0, (int)parameters->count);
    for (size_t i = 0; i < parameters->count; i++) {
        push_str(lua, parameters->items[i].name);
        push_str(lua, parameters->items[i].value);
        lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, key);
}

static void set_fields(lua_State *lua, const struct mime_part *part, struct arena *scratch)
{
    struct mime_parameters *parameters = arena_new_of(scratch, struct mime_parameters);
    mime_parameters_read(part->type_field, scratch, parameters);
    set_parameters(lua, "params", parameters);
    bool is_broken = parameters->is_broken;
    if (part->disposition_field.length) {
        mime_parameters_read(part->disposition_field, scratch, parameters);
        set_str(lua, "disposition", parameters->value);
        set_parameters(lua, "dispositionParams", parameters);
        is_broken |= parameters->is_broken;
    }
    lua_pushboolean(lua, is_broken);
    lua_setfield(lua, -2, "isParamsBroken");
}

static void push_part(lua_State *lua, const struct mime_part *part, struct str raw,
                      struct arena *scratch)
{
    lua_createtable(lua, 0, 16);
    set_str(lua, "type", part->type);
    set_str(lua, "encoding", part->encoding);
    if (part->content_id.length)
        set_str(lua, "contentId", part->content_id);
    set_range(lua, "headerFirst", "headerLast", part->header, raw);
    set_range(lua, "bodyFirst", "bodyLast", part->body, raw);
    lua_pushnumber(lua, part->problems);
    lua_setfield(lua, -2, "flags");
    set_fields(lua, part, scratch);
    arena_reset(scratch);
}

static void push_tree(lua_State *lua, const struct mime_part *part, struct str raw,
                      struct arena *scratch)
{
    luaL_checkstack(lua, 6, "too many parts within parts");
    push_part(lua, part, raw, scratch);
    if (!part->first)
        return;
    lua_newtable(lua);
    int count = 0;
    for (const struct mime_part *child = part->first; child; child = child->next) {
        push_tree(lua, child, raw, scratch);
        lua_rawseti(lua, -2, ++count);
    }
    lua_setfield(lua, -2, "parts");
}

/* native.mime_tree(raw): the message's part: { type, params, encoding, contentId?, disposition?,
 * dispositionParams?, isParamsBroken, headerFirst, headerLast, bodyFirst, bodyLast, flags, parts? } */
static int mime_tree(lua_State *lua)
{
    struct str raw = check_string(lua, 1, "mime.parse: the message");
    struct arena **arena = push_arena(lua), **scratch = push_arena(lua);
    push_tree(lua, mime_tree_read(raw, *arena), raw, *scratch);
    arena_free(*arena);
    arena_free(*scratch);
    *arena = *scratch = NULL;
    return 1;
}

/* --- fields --- */

/* Pushes decoded words as text of one line: UTF-8, without control characters. */
static void push_words(lua_State *lua, struct str value, struct arena *arena)
{
    struct str words = decode_words(header_unfold(value, arena), arena);
    struct charset *charset = charset_guess(words);
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    charset_begin(charset);
    for (bool is_broken = false; words.length;) {
        char step[STEP_BYTES];
        size_t length = charset_step(charset, &words, step, sizeof step, &is_broken);
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)step[i] < ' ' || step[i] == 0x7f)
                step[i] = ' ';
        luaL_addlstring(&text, step, length);
    }
    luaL_pushresult(&text);
}

/* native.mime_words(value): a field's value for people; what is longer than FIELD_BYTES_MAX is cut. */
static int mime_words(lua_State *lua)
{
    struct str value = check_string(lua, 1, "mime: the field's value");
    if (value.length > FIELD_BYTES_MAX)
        value.length = FIELD_BYTES_MAX;
    struct arena **arena = push_arena(lua);
    push_words(lua, value, *arena);
    arena_free(*arena);
    *arena = NULL;
    return 1;
}

/* native.mime_fields(section): names and values, unfolded, as two lists */
static int mime_fields(lua_State *lua)
{
    struct str section = check_string(lua, 1, "mime: the header");
    struct header header;
    struct arena **arena = push_arena(lua);
    header_parse(section, *arena, &header);
    lua_createtable(lua, (int)header.count, 0);
    lua_createtable(lua, (int)header.count, 0);
    for (size_t i = 0; i < header.count; i++) {
        push_str(lua, header.fields[i].name);
        lua_rawseti(lua, -3, (int)i + 1);
        push_str(lua, header_unfold(header.fields[i].value, *arena));
        lua_rawseti(lua, -2, (int)i + 1);
    }
    arena_free(*arena);
    *arena = NULL;
    return 2;
}

/* --- content --- */

static struct str check_range(lua_State *lua)
{
    struct str raw = check_string(lua, 1, "mime: the message");
    lua_Number first = luaL_checknumber(lua, 2), last = luaL_checknumber(lua, 3);
    if (!(first >= 1 && last >= first - 1 && last <= (lua_Number)raw.length))
        raise_error(lua, "mime: no such range");
    return str_part(raw, (size_t)first - 1, (size_t)(last - first + 1));
}

/* What stands in the range, decoded: in the message itself, or in `out`. */
static struct str decode_range(lua_State *lua, struct buf *out, bool *is_broken)
{
    struct str encoded = check_range(lua);
    struct str encoding = check_string(lua, 4, "mime: the encoding");
    bool is_base64 = str_equal(encoding, STR("base64"));
    if (!is_base64 && !str_equal(encoding, STR("quoted-printable")))
        return encoded;
    char *decoded = buf_reserve(out, encoded.length + 1);
    if (!decoded)
        raise_error(lua, "mime: the part is too large");
    size_t length = is_base64
                        ? transfer_decode_base64(encoded, decoded, is_broken)
                        : transfer_decode_quoted_printable(encoded, decoded, is_broken);
    buf_extend(out, length);
    return buf_view(out);
}

/* native.mime_content(raw, first, last, encoding): the bytes, and whether the encoding is broken */
static int mime_content(lua_State *lua)
{
    struct buf *decoded = push_output(lua, WIRE_FRAME_BYTES_MAX);
    bool is_broken = false;
    push_str(lua, decode_range(lua, decoded, &is_broken));
    buf_free(decoded);
    lua_pushboolean(lua, is_broken);
    return 2;
}

/* Line ends become LF. Returns the new length; *was_cr: the text so far ended with a CR. */
static size_t to_newlines(char *text, size_t length, bool *was_cr)
{
    size_t kept = 0;
    if (!*was_cr && !memchr(text, '\r', length))
        return length;
    for (size_t i = 0; i < length; i++) {
        bool is_second = text[i] == '\n' && *was_cr;
        *was_cr = text[i] == '\r';
        if (!is_second)
            text[kept++] = text[i] == '\r' ? '\n' : text[i];
    }
    return kept;
}

/* Appends it as UTF-8 with LF line ends; what is past the ceiling is left out. */
static void append_text(struct buf *text, struct str bytes, struct charset *charset,
                        bool *is_broken)
{
    bool was_cr = false;
    charset_begin(charset);
    while (bytes.length) {
        char step[STEP_BYTES];
        size_t length = charset_step(charset, &bytes, step, sizeof step, is_broken);
        buf_append(text, (struct str){step, to_newlines(step, length, &was_cr)});
    }
}

/* native.mime_text(raw, first, last, encoding, charset): UTF-8 with LF line ends; whether the encoding is
 * broken; whether the character set is known; whether the text is malformed in it */
static int mime_text(lua_State *lua)
{
    struct str label = check_string(lua, 5, "mime: the character set");
    struct buf *decoded = push_output(lua, WIRE_FRAME_BYTES_MAX);
    struct buf *text = push_output(lua, WIRE_FRAME_BYTES_MAX);
    struct charset *charset = charset_find(label);
    bool is_ascii = str_equal_nocase(label, STR("us-ascii"));
    bool is_broken = false, is_malformed = false;
    struct str bytes = decode_range(lua, decoded, &is_broken);
    append_text(text, bytes, charset && !is_ascii ? charset : charset_guess(bytes),
                &is_malformed);
    buf_free(decoded);
    push_str(lua, buf_view(text));
    buf_free(text);
    lua_pushboolean(lua, is_broken);
    lua_pushboolean(lua, charset || label.length == 0);
    lua_pushboolean(lua, is_malformed);
    return 4;
}

/* --- building --- */

static int return_output(lua_State *lua, struct buf *buf, int result)
{
    if (result != 0)
        return raise_error(lua, "mime.build: the message is too large");
    push_str(lua, buf_view(buf));
    buf_free(buf);
    return 1;
}

/* native.mime_is_utf8(text) */
static int mime_is_utf8(lua_State *lua)
{
    lua_pushboolean(lua, utf8_is_valid(check_string(lua, 1, "mime: the text")));
    return 1;
}

/* native.mime_is_7bit(text) */
static int mime_is_7bit(lua_State *lua)
{
    lua_pushboolean(lua, encode_is_7bit(check_string(lua, 1, "mime: the text")));
    return 1;
}

/* native.mime_lines(text): with CRLF line ends, the last line too */
static int mime_lines(lua_State *lua)
{
    struct str text = check_string(lua, 1, "mime: the text");
    struct buf *lines = push_output(lua, 2 * text.length + 2);
    return return_output(lua, lines, encode_lines(text, lines));
}

/* native.mime_quoted_printable(text), of CRLF lines */
static int mime_quoted_printable(lua_State *lua)
{
    struct str text = check_string(lua, 1, "mime: the text");
    struct buf *encoded = push_output(lua, 4 * text.length + 16);
    return return_output(lua, encoded, encode_quoted_printable(text, encoded));
}

/* native.mime_base64(bytes), in lines of 76 */
static int mime_base64(lua_State *lua)
{
    struct str bytes = check_string(lua, 1, "mime: the content");
    struct buf *lines = push_output(lua, ENCODE_BASE64_BYTES(bytes.length));
    char *room = buf_reserve(lines, ENCODE_BASE64_BYTES(bytes.length));
    if (room)
        buf_extend(lines, encode_base64_lines(bytes, room));
    return return_output(lua, lines, room ? 0 : -ENOBUFS);
}

/* native.mime_encode_words(text) */
static int mime_encode_words(lua_State *lua)
{
    struct str text = check_string(lua, 1, "mime: the text");
    struct buf *words = push_output(lua, 4 * text.length + 64);
    return return_output(lua, words, encode_words(text, words));
}

/* native.mime_field(name, value): the folded line, or nil when it cannot be one */
static int mime_field(lua_State *lua)
{
    struct str name = check_string(lua, 1, "mime.build: a header's name");
    struct str value = check_string(lua, 2, "mime.build: a header's value");
    struct buf *line = push_output(lua, 2 * (name.length + value.length) + 16);
    if (header_append(line, name, value) != 0)
        return 0;
    return return_output(lua, line, 0);
}

static void add_kind(lua_State *lua, const char *name, lua_CFunction collect)
{
    luaL_newmetatable(lua, name);
    lua_pushcfunction(lua, collect);
    lua_setfield(lua, -2, "__gc");
    lua_pop(lua, 1);
}

void bind_mime_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"mime_tree", mime_tree},
        {"mime_words", mime_words},
        {"mime_fields", mime_fields},
        {"mime_content", mime_content},
        {"mime_text", mime_text},
        {"mime_is_utf8", mime_is_utf8},
        {"mime_is_7bit", mime_is_7bit},
        {"mime_lines", mime_lines},
        {"mime_quoted_printable", mime_quoted_printable},
        {"mime_base64", mime_base64},
        {"mime_encode_words", mime_encode_words},
        {"mime_field", mime_field},
        {NULL, NULL},
    };
    add_kind(lua, ARENA_KIND, free_arena);
    add_kind(lua, OUTPUT_KIND, free_output);
    luaL_register(lua, NULL, natives);
}
