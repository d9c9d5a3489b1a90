/* Bytes as xtext, as an address in UTF-8, and as the values of DSN's parameters: what is decoded comes back from its
 * encoding, and what a notice will repeat holds no control bytes. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/delivery_notice.h"
#include "mail/utf8.h"
#include "mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void decode(struct str text, struct arena *arena)
{
    struct str decoded, again;
    if (xtext_decode(text, arena, &decoded) == 0) {
        invariant(decoded.length <= text.length, "decoding never grows");
        invariant(xtext_decode(xtext_encode(decoded, arena), arena, &again) == 0 &&
                      str_equal(again, decoded),
                  "xtext comes back");
    }
    if (xtext_decode_utf8(text, arena, &decoded) == 0) {
        struct str ascii = xtext_encode_utf8(decoded, arena);
        invariant(utf8_is_valid(decoded) && utf8_is_ascii(ascii),
                  "UTF-8, and its ASCII form");
        invariant(xtext_decode_utf8(ascii, arena, &again) == 0 && str_equal(again, decoded),
                  "the address comes back");
    }
}

static void read_values(struct str value, struct arena *arena)
{
    struct dsn_envelope envelope = {0};
    struct dsn_recipient recipient = {0};
    if (dsn_envid_parse(value, arena, &envelope.envid))
        invariant(str_starts(str_of(dsn_mail_parameters(&envelope, arena)), STR(" ENVID=")),
                  "an ENVID is written");
    dsn_notify_parse(value, &recipient.notify);
    if (dsn_orcpt_parse(value, arena, &recipient))
        invariant(str_index(recipient.orcpt_address, '\n') < 0 &&
                      str_index(recipient.orcpt_address, '\r') < 0 &&
                      str_index(recipient.orcpt_address, '\0') < 0,
                  "an ORCPT is one line");
    struct str written = str_of(dsn_rcpt_parameters(&recipient, arena));
    invariant(written.length <= DSN_ORCPT_BYTES_MAX + 100 && utf8_is_ascii(written),
              "RCPT's parameters are short and ASCII");
}

/* What comes from a damaged queue is written as one line all the same, or not at all. */
static void write_values(struct str bytes, struct arena *arena)
{
    struct dsn_envelope envelope = {bytes.length % 5, bytes};
    struct str address = bytes;
    struct str type = str_cut(&address, ';');
    struct dsn_recipient recipient = {(unsigned)bytes.length, type, address};
    struct str written =
        str_of(arena_printf(arena, "%s%s", dsn_mail_parameters(&envelope, arena),
                            dsn_rcpt_parameters(&recipient, arena)));
    for (size_t i = 0; i < written.length; i++)
        invariant(written.at[i] >= ' ' && written.at[i] <= '~', "one line of ASCII");
    invariant(written.length < 1000, "a short line");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str text = {(const char *)bytes, length};
    decode(text, arena);
    read_values(text, arena);
    write_values(text, arena);
    arena_free(arena);
    return 0;
}
