/* Bytes as digits of 4, 5 or 6 bits: what the modules base64 and crypto stand on (RFC 4648). */
#include "bind.h"
#include "convert.h"
#include "text.h"

static const struct encoding {
    const char *name, *digits;
    unsigned bits;
    unsigned group;   /* digits that are padded to; 1: no padding */
    bool is_any_case; /* of letters, when decoding */
    bool is_in_lines; /* blanks and line ends are passed over, as in mail */
} encodings[] = {
    {"hex", "0123456789abcdef", 4, 1, true, false},
    {"base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8, true, false},
    {"base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4,
     false, true},
    {"base64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6, 1,
     false, false},
};

/* Named by the stdlib, not by scripts. */
static const struct encoding *check_encoding(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        if (strcmp(encodings[i].name, name) == 0)
            return &encodings[i];
    }
    luaL_error(lua, "no encoding '%s'", name);
    return NULL;
}

static void encode_bytes(struct text *out, const struct encoding *encoding,
                         struct str bytes)
{
    char *at = text_reserve(out, bytes.length * 8 / encoding->bits + 9);
    unsigned held = 0, held_bits = 0;
    size_t count = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        held = (held << 8 | (unsigned char)bytes.at[i]) & 0xffff;
        for (held_bits += 8; held_bits >= encoding->bits; held_bits -= encoding->bits)
            at[count++] = encoding->digits[held >> (held_bits - encoding->bits) &
                                           ((1U << encoding->bits) - 1)];
    }
    if (held_bits)
        at[count++] = encoding->digits[held << (encoding->bits - held_bits) &
                                       ((1U << encoding->bits) - 1)];
    while (count % encoding->group)
        at[count++] = '=';
    text_extend(out, count);
}

/* native.encode(encoding, bytes) */
static int encode(lua_State *lua)
{
    const struct encoding *encoding = check_encoding(lua);
    struct text out;
    struct str bytes;
    bytes.at = luaL_checklstring(lua, 2, &bytes.length);
    text_begin(&out, lua);
    encode_bytes(&out, encoding, bytes);
    text_push(&out);
    return 1;
}

static int digit_value(const struct encoding *encoding, char c)
{
    if (encoding->is_any_case && encoding->bits == 4)
        c = ascii_lower(c);
    else if (encoding->is_any_case && c >= 'a' && c <= 'z')
        c = (char)(c - ('a' - 'A'));
    const char *at = c ? strchr(encoding->digits, c) : NULL;
    return at ? (int)(at - encoding->digits) : -1;
}

static bool is_passed_over(const struct encoding *encoding, char c)
{
    return encoding->is_in_lines && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

struct decoding {
    const struct encoding *encoding;
    size_t digit_count, pad_count;
    unsigned held, held_bits;
};

static bool take_digit(struct decoding *decoding, char c, struct text *out)
{
    if (c == '=' && decoding->encoding->bits > 4) {
        decoding->pad_count++;
        return true;
    }
    int value = digit_value(decoding->encoding, c);
    if (value < 0 || decoding->pad_count)
        return false;
    decoding->digit_count++;
    decoding->held =
        (decoding->held << decoding->encoding->bits | (unsigned)value) & 0xffff;
    decoding->held_bits += decoding->encoding->bits;
    if (decoding->held_bits >= 8) {
        decoding->held_bits -= 8;
        text_add_byte(out, (char)(decoding->held >> decoding->held_bits & 0xff));
    }
    return true;
}

/* No digit that stands for no byte, no bits that are lost, padding complete or left out. */
static bool is_complete(const struct decoding *decoding)
{
    size_t group = decoding->encoding->bits == 5 ? 8 : 4;
    if (decoding->held_bits >= decoding->encoding->bits ||
        (decoding->held & ((1U << decoding->held_bits) - 1)))
        return false;
    return !decoding->pad_count ||
           (decoding->pad_count < group &&
            (decoding->digit_count + decoding->pad_count) % group == 0);
}

/* native.decode(encoding, call, text): the bytes; the call's name is for errors. */
static int decode(lua_State *lua)
{
    struct decoding decoding = {.encoding = check_encoding(lua)};
    struct text out;
    const char *call = luaL_checkstring(lua, 2);
    if (lua_type(lua, 3) != LUA_TSTRING)
        return raise_error(lua, "%s: the text must be a string, got %s", call,
                           luaL_typename(lua, 3));
    struct str text = check_string(lua, 3, call);
    text_begin(&out, lua);
    size_t i = 0;
    while (i < text.length && (is_passed_over(decoding.encoding, text.at[i]) ||
                               take_digit(&decoding, text.at[i], &out)))
        i++;
    if (i < text.length)
        return raise_error(lua, "%s: byte %d is no digit of %s", call, (int)i + 1,
                           decoding.encoding->name);
    if (!is_complete(&decoding))
        return raise_error(lua, "%s: the text ends too early", call);
    text_push(&out);
    return 1;
}

void bind_encoding_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"encode", encode}, {"decode", decode}, {NULL, NULL}};
    luaL_register(lua, NULL, natives);
}
