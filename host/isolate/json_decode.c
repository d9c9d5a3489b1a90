/* JSON to Lua (RFC 8259), strictly: UTF-8, no commas too many, nothing after the value. One pass, from the text
 * as it stands; strings with escapes are put together in a text that is used again for each. */
#include <math.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "bind.h"
#include "json.h"
#include "text.h"

#include "mail/utf8.h"

#define INTEGER_DIGITS_FAST 15

struct reader {
    lua_State *lua;
    struct str text;
    size_t at;
    unsigned depth;
    struct text unescaped;
    const char *problem; /* NULL: none so far */
};

/* Always false. */
static bool fail(struct reader *reader, const char *problem)
{
    if (!reader->problem)
        reader->problem = problem;
    return false;
}

/* NUL at the end: Lua's strings have one there. */
static char peek(const struct reader *reader)
{
    return reader->text.at[reader->at];
}

static void skip_blanks(struct reader *reader)
{
    char c = peek(reader);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        c = reader->text.at[++reader->at];
}

static bool take(struct reader *reader, char c)
{
    skip_blanks(reader);
    if (peek(reader) != c)
        return false;
    reader->at++;
    return true;
}

/* --- numbers --- */

static size_t skip_digits(struct reader *reader)
{
    size_t start = reader->at;
    while (ascii_digit(peek(reader)))
        reader->at++;
    return reader->at - start;
}

/* number = [ "-" ] int [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ] */
static bool skip_number(struct reader *reader, bool *is_integer)
{
    *is_integer = true;
    if (peek(reader) == '-')
        reader->at++;
    if (peek(reader) == '0')
        reader->at++;
    else if (!skip_digits(reader))
        return fail(reader, "expected a value");
    if (ascii_digit(peek(reader)))
        return fail(reader, "a number begins with 0");
    if (peek(reader) == '.') {
        *is_integer = false;
        reader->at++;
        if (!skip_digits(reader))
            return fail(reader, "expected a digit");
    }
    if (peek(reader) == 'e' || peek(reader) == 'E') {
        *is_integer = false;
        reader->at++;
        if (peek(reader) == '+' || peek(reader) == '-')
            reader->at++;
        if (!skip_digits(reader))
            return fail(reader, "expected a digit");
    }
    return true;
}

static double short_integer(struct str digits)
{
    bool is_negative = digits.at[0] == '-';
    long long number = 0;
    for (size_t i = is_negative; i < digits.length; i++)
        number = number * 10 + (digits.at[i] - '0');
    return is_negative ? -(double)number : (double)number;
}

static bool read_number(struct reader *reader)
{
    size_t start = reader->at;
    bool is_integer;
    if (!skip_number(reader, &is_integer))
        return false;
    struct str digits = str_part(reader->text, start, reader->at - start);
    double number = is_integer && digits.length <= INTEGER_DIGITS_FAST
                        ? short_integer(digits)
                        : strtod(digits.at, NULL);
    if (isinf(number)) {
        reader->at = start;
        return fail(reader, "the number is too large");
    }
    lua_pushnumber(reader->lua, number);
    return true;
}

/* --- strings --- */

static int hex_value(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits; -1 when they are none. */
static long read_code_unit(struct reader *reader)
{
    long unit = 0;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(peek(reader));
        if (value < 0)
            return -1;
        unit = unit * 16 + value;
        reader->at++;
    }
    return unit;
}

static void add_character(struct text *text, unsigned long code)
{
    char bytes[4];
    size_t count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(leads[count] | code);
    text_add(text, (struct str){bytes, count});
}

/* After "\u". */
static bool read_unicode_escape(struct reader *reader)
{
    long unit = read_code_unit(reader);
    if (unit < 0)
        return fail(reader, "expected four hexadecimal digits");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail(reader, "half of a surrogate pair");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (!str_starts(str_from(reader->text, reader->at), STR("\\u")))
            return fail(reader, "half of a surrogate pair");
        reader->at += 2;
        long low = read_code_unit(reader);
        if (low < 0xdc00 || low > 0xdfff)
            return fail(reader, "half of a surrogate pair");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    add_character(&reader->unescaped, (unsigned long)unit);
    return true;
}

/* After the backslash. */
static bool read_escape(struct reader *reader)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = peek(reader);
    if (c == 'u') {
        reader->at++;
        return read_unicode_escape(reader);
    }
    const char *letter = c ? strchr(letters, c) : NULL;
    if (!letter)
        return fail(reader, "unknown escape");
    reader->at++;
    text_add_byte(&reader->unescaped, meanings[letter - letters]);
    return true;
}

/* Moves on to what ends a run of plain characters: a quote, a backslash, or what must not be there. */
static bool skip_plain(struct reader *reader)
{
    for (;;) {
        unsigned char c = (unsigned char)peek(reader);
        if (c == '"' || c == '\\')
            return true;
        if (c < ' ')
            return fail(reader, reader->at == reader->text.length
                                    ? "the string does not end"
                                    : "a control character in a string");
        size_t bytes =
            c < 0x80 ? 1 : utf8_character_bytes(str_from(reader->text, reader->at));
        if (!bytes)
            return fail(reader, "malformed UTF-8");
        reader->at += bytes;
    }
}

/* After the opening quote. */
static bool read_string(struct reader *reader)
{
    size_t start = reader->at;
    reader->unescaped.length = 0;
    for (;;) {
        if (!skip_plain(reader))
            return false;
        struct str plain = str_part(reader->text, start, reader->at - start);
        bool is_end = peek(reader) == '"';
        reader->at++;
        if (is_end && !reader->unescaped.length) {
            lua_pushlstring(reader->lua, plain.at, plain.length);
            return true;
        }
        text_add(&reader->unescaped, plain);
        if (is_end) {
            text_push(&reader->unescaped);
            return true;
        }
        if (!read_escape(reader))
            return false;
        start = reader->at;
    }
}

/* --- values: each pushes one --- */

static bool read_value(struct reader *reader);

static bool enter(struct reader *reader)
{
    luaL_checkstack(reader->lua, 4, "json: no room");
    lua_newtable(reader->lua);
    if (++reader->depth > JSON_DEPTH_MAX)
        return fail(reader, "nested too deeply");
    return true;
}

/* After the opening bracket. */
static bool read_array(struct reader *reader)
{
    if (!enter(reader))
        return false;
    lua_pushvalue(reader->lua, JSON_ARRAY);
    lua_setmetatable(reader->lua, -2);
    bool is_empty = take(reader, ']');
    for (int count = 1; !is_empty; count++) {
        if (!read_value(reader))
            return false;
        lua_rawseti(reader->lua, -2, count);
        if (take(reader, ','))
            continue;
        if (!take(reader, ']'))
            return fail(reader, "expected ',' or ']'");
        break;
    }
    reader->depth--;
    return true;
}

static bool read_member(struct reader *reader)
{
    if (!take(reader, '"'))
        return fail(reader, "expected a name in quotes");
    if (!read_string(reader))
        return false;
    if (!take(reader, ':'))
        return fail(reader, "expected ':'");
    if (!read_value(reader))
        return false;
    lua_rawset(reader->lua, -3);
    return true;
}

/* After the opening brace. */
static bool read_object(struct reader *reader)
{
    if (!enter(reader))
        return false;
    bool is_empty = take(reader, '}');
    while (!is_empty) {
        if (!read_member(reader))
            return false;
        if (take(reader, ','))
            continue;
        if (!take(reader, '}'))
            return fail(reader, "expected ',' or '}'");
        break;
    }
    reader->depth--;
    return true;
}

static bool read_word(struct reader *reader)
{
    struct str rest = str_from(reader->text, reader->at);
    if (str_starts(rest, STR("true")) || str_starts(rest, STR("null"))) {
        if (rest.at[0] == 't')
            lua_pushboolean(reader->lua, 1);
        else
            lua_pushvalue(reader->lua, JSON_NULL);
        reader->at += 4;
        return true;
    }
    if (str_starts(rest, STR("false"))) {
        lua_pushboolean(reader->lua, 0);
        reader->at += 5;
        return true;
    }
    return fail(reader, rest.length ? "expected a value" : "the text ends too early");
}

static bool read_value(struct reader *reader)
{
    skip_blanks(reader);
    char c = peek(reader);
    if (c == '-' || ascii_digit(c))
        return read_number(reader);
    if (c != '"' && c != '[' && c != '{')
        return read_word(reader);
    reader->at++;
    if (c == '"')
        return read_string(reader);
    return c == '[' ? read_array(reader) : read_object(reader);
}

int json_decode(lua_State *lua)
{
    struct reader reader = {.lua = lua};
    reader.text.at = luaL_checklstring(lua, 1, &reader.text.length);
    text_begin(&reader.unescaped, lua);
    if (read_value(&reader)) {
        skip_blanks(&reader);
        if (reader.at == reader.text.length)
            return 1;
        fail(&reader, "something follows the value");
    }
    lua_pushnil(lua);
    lua_pushstring(lua, reader.problem);
    lua_pushnumber(lua, (lua_Number)(reader.at + 1));
    return 3;
}
