/* Bytes as a header field's text: encoded words are decoded within bounds, plain text is left alone. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/decode.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str text = {(const char *)bytes, length};
    struct str decoded = decode_words(text, arena);
    invariant(decoded.length <= 4 * length, "it grows by a character's bytes at most");
    if (str_find(text, STR("=?")) < 0)
        invariant(str_equal(decoded, text), "what has no word stays");
    if (utf8_is_valid(text))
        invariant(utf8_is_valid(decoded), "UTF-8 stays UTF-8");
    arena_free(arena);
    return 0;
}
