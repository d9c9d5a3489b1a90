#include "seal_field.h"

#include <errno.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "delivery/signer.h"
#include "mail/canonical.h"

#define COLUMNS_MAX  78
#define BASE64_BYTES ((size_t)(SIGNATURE_BYTES_MAX + 2) / 3 * 4 + 1)

static void append(struct seal_field *field, struct str piece)
{
    int result = buf_append(&field->bytes, piece);
    invariant(result == 0, "seal: a field is small");
    field->column += piece.length;
}

static void fold(struct seal_field *field)
{
    append(field, STR("\r\n "));
    field->column = 1;
}

void seal_field_start(struct seal_field *field, const char *name, struct arena *arena)
{
    *field = (struct seal_field){.arena = arena};
    buf_init(&field->bytes, SEAL_FIELD_BYTES_MAX);
    append(field, str_of(name));
    append(field, STR(":"));
}

void seal_field_put(struct seal_field *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str word = str_of(arena_vprintf(field->arena, format, args));
    va_end(args);
    if (field->column + 1 + word.length > COLUMNS_MAX)
        fold(field);
    else
        append(field, STR(" "));
    append(field, word);
}

void seal_field_put_signer(struct seal_field *field, const struct signing_key *key,
                           uint64_t now_ms)
{
    seal_field_put(field, "a=%s-sha256;", key->is_ed25519 ? "ed25519" : "rsa");
    seal_field_put(field, "d=%.*s;", STR_ARG(key->domain));
    seal_field_put(field, "s=%.*s;", STR_ARG(key->selector));
    seal_field_put(field, "t=%llu;", (unsigned long long)(now_ms / 1000));
}

void seal_field_put_names(struct seal_field *field, struct str names)
{
    struct str name = str_cut(&names, ':');
    seal_field_put(field, "h=%.*s", STR_ARG(name));
    while (names.length) {
        append(field, STR(":"));
        name = str_cut(&names, ':');
        if (field->column + name.length + 1 > COLUMNS_MAX)
            fold(field);
        append(field, name);
    }
    append(field, STR(";"));
}

/* Base64 may be folded anywhere. */
static void append_folded(struct seal_field *field, struct str text)
{
    while (text.length) {
        if (field->column >= COLUMNS_MAX)
            fold(field);
        size_t room = COLUMNS_MAX - field->column;
        struct str part = str_part(text, 0, text.length < room ? text.length : room);
        append(field, part);
        text = str_from(text, part.length);
    }
}

/* The field is the last of what is signed: relaxed, its b= empty, without a CRLF. */
static int sign(const struct seal_field *field, const struct signing_key *key,
                struct buf *text, unsigned char signature[SIGNATURE_BYTES_MAX])
{
    struct str own = buf_view(&field->bytes);
    size_t before = text->length;
    int result =
        canonical_signature(CANONICAL_RELAXED, own, str_from(own, own.length), text);
    invariant(result == 0, "seal: there is room for the field that signs");
    result = signer_sign(key->signer, buf_view(text), signature);
    text->length = before;
    return result;
}

struct str seal_field_end(struct seal_field *field)
{
    append(field, STR("\r\n"));
    struct str whole = arena_str(field->arena, buf_view(&field->bytes));
    buf_free(&field->bytes);
    return whole;
}

int seal_field_sign(struct seal_field *field, const struct signing_key *key,
                    struct buf *text, struct str *whole)
{
    unsigned char signature[SIGNATURE_BYTES_MAX];
    unsigned char base64[BASE64_BYTES];
    seal_field_put(field, "b=");
    int bytes = sign(field, key, text, signature);
    int length = bytes > 0 ? EVP_EncodeBlock(base64, signature, bytes) : 0;
    append_folded(field, (struct str){(const char *)base64, (size_t)length});
    *whole = seal_field_end(field);
    return bytes > 0 ? 0 : -EIO;
}
