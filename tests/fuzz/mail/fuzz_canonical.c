/* The body's hashes are those of a canonical body that was made byte by byte, as RFC 6376 section 3.4 tells it;
 * relaxing a relaxed field changes nothing. */
#include <stdint.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/mem.h"
#include "mail/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void put(struct buf *out, const char *bytes, size_t length)
{
    invariant(buf_append(out, (struct str){bytes, length}) == 0, "there is room");
}

/* "a\t \r\nb" -> "a\r\nb": CRLFs wait until something follows them, blanks too. */
static void relax(struct str body, struct buf *out)
{
    size_t line_ends = 0;
    bool is_space_due = false;
    for (size_t i = 0; i < body.length; i++) {
        char c = body.at[i];
        if (c == ' ' || c == '\t') {
            is_space_due = true;
        } else if (str_starts(str_from(body, i), STR("\r\n"))) {
            is_space_due = false;
            line_ends++;
            i++;
        } else {
            for (; line_ends; line_ends--)
                put(out, "\r\n", 2);
            if (is_space_due)
                put(out, " ", 1);
            is_space_due = false;
            put(out, &c, 1);
        }
    }
    if (out->length)
        put(out, "\r\n", 2);
}

static void simplify(struct str body, struct buf *out)
{
    while (str_ends_nocase(body, STR("\r\n")))
        body.length -= 2;
    put(out, body.at, body.length);
    put(out, "\r\n", 2);
}

static void check_body(enum canonical_form form, struct str body, size_t limit)
{
    struct canonical_hash hashes[] = {{.form = form, .limit = CANONICAL_ALL},
                                      {.form = form, .limit = limit}};
    unsigned char expected[CANONICAL_HASH_BYTES];
    struct buf canonical;
    buf_init(&canonical, body.length + 2);
    if (form == CANONICAL_RELAXED)
        relax(body, &canonical);
    else
        simplify(body, &canonical);
    struct str text = buf_view(&canonical);
    invariant(canonical_hash_body(body, hashes, 2) == 0, "nobody waits");
    invariant(hashes[0].body_bytes == text.length, "the length is right");
    EVP_Digest(text.at, text.length, expected, NULL, EVP_sha256(), NULL);
    invariant(memcmp(expected, hashes[0].hash, sizeof expected) == 0, "the hash is right");
    limit = limit < text.length ? limit : text.length;
    EVP_Digest(text.at, limit, expected, NULL, EVP_sha256(), NULL);
    invariant(memcmp(expected, hashes[1].hash, sizeof expected) == 0,
              "so is that up to l=");
    buf_free(&canonical);
}

static void check_header(struct str raw)
{
    struct arena *arena = arena_new();
    struct header header;
    struct buf once, twice;
    buf_init(&once, raw.length + 10);
    buf_init(&twice, raw.length + 10);
    header_parse(raw, arena, &header);
    for (size_t i = 0; i < header.count; i++) {
        buf_clear(&once);
        buf_clear(&twice);
        canonical_field(CANONICAL_RELAXED, header.fields[i].whole, &once);
        canonical_field(CANONICAL_RELAXED, buf_view(&once), &twice);
        invariant(str_equal(buf_view(&once), buf_view(&twice)), "relaxed is relaxed");
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str input = {(const char *)bytes, length};
    size_t limit = length ? bytes[0] : 0;
    check_body(CANONICAL_SIMPLE, input, limit);
    check_body(CANONICAL_RELAXED, input, limit);
    check_header(input);
    return 0;
}
