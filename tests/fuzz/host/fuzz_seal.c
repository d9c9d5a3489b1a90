/* Whatever the message is, what the signer adds is header fields, and its signatures hold. The first byte says what
 * was found of the chain. */
#include <stdint.h>
#include <stdlib.h>

#include "auth/arc_chain.h"
#include "auth/dkim_signature.h"
#include "base/mem.h"
#include "delivery/key_file.h"
#include "delivery/seal.h"
#include "mail/arc_set.h"

#define NOW_MS 1795321752000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct key_ring *test_ring(void)
{
    static struct key_ring *ring;
    char folder[] = "/tmp/postern-fuzz-XXXXXX";
    const struct str selector = STR("e");
    struct key_file file = {folder, STR("ours.test"), selector};
    if (ring)
        return ring;
    struct err err;
    invariant(mkdtemp(folder) && key_file_new(&file, true, 0, &err) == 0 &&
                  key_file_write_lines(folder, file.domain, KEY_FILE_ACTIVE, &selector, 1,
                                       &err) == 0,
              "a key can be made");
    ring = key_ring_load(folder, &err);
    invariant(ring, "and loaded");
    return ring;
}

static void verify(const struct header *header, const struct auth_dkim_signature *signature,
                   struct arena *arena)
{
    size_t count;
    struct auth_dkim_key key;
    struct buf text;
    const struct signing_key *ours =
        key_ring_find(test_ring(), STR("ours.test"), &count)[0];
    auth_dkim_key_read(signing_key_record(ours, arena), arena, &key);
    buf_init(&text, (size_t)1 << 24);
    canonical_fields(signature->header_form, header, signature->field, signature->names,
                     &text);
    canonical_signature(signature->header_form, signature->field->whole,
                        tag_list_find(&signature->tags, STR("b"))->raw, &text);
    invariant(auth_dkim_key_verifies(&key, buf_view(&text), signature->bytes),
              "it verifies");
    buf_free(&text);
    auth_dkim_key_release(&key);
}

static void verify_all(struct str raw, size_t fields_bytes, struct arena *arena)
{
    struct header header;
    struct str reason;
    struct auth_dkim_signature signature;
    header_parse(raw, arena, &header);
    if (header.count == HEADER_FIELDS_MAX)
        return;
    for (size_t i = 0;
         i < header.count && header.fields[i].whole.at < raw.at + fields_bytes; i++) {
        const struct header_field *field = &header.fields[i];
        bool is_dkim = str_equal(field->name, STR("DKIM-Signature"));
        if (is_dkim)
            invariant(auth_dkim_signature_read(field, NOW_MS, arena, &signature, &reason) ==
                          AUTH_NONE,
                      "our signature is well formed");
        else if (str_equal(field->name, STR("ARC-Message-Signature")))
            invariant(auth_dkim_signature_read_arc(AUTH_ARC_MESSAGE_SIGNATURE, field,
                                                   NOW_MS, arena, &signature,
                                                   &reason) == AUTH_NONE,
                      "so is that of ARC");
        else
            continue;
        verify(&header, &signature, arena);
    }
}

static size_t count_arc(const struct header *header)
{
    size_t count = 0;
    for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++)
        count += header_count(header, str_of(arc_field_names[kind]));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    /* a first line that continues nothing would continue the field that is put above it */
    if (length < 2 || bytes[1] == ' ' || bytes[1] == '\t')
        return 0;
    static const struct str domain = {"ours.test", 9};
    struct arena *arena = arena_new();
    struct str raw = {(const char *)bytes + 1, length - 1};
    struct header header;
    struct str fields;
    struct err err;
    header_parse(raw, arena, &header);
    struct seal_request request = {.header = &header,
                                   .body = str_from(raw, header.body_offset),
                                   .domains = &domain,
                                   .domain_count = 1,
                                   .results = STR("mx.ours.test; spf=pass"),
                                   .chain = (enum seal_chain)(bytes[0] % 3),
                                   .now_ms = NOW_MS};
    invariant(seal_message(test_ring(), &request, arena, &fields, &err) == 0,
              "it is sealed");
    struct buf whole;
    buf_init(&whole, SIZE_MAX / 2);
    buf_append(&whole, fields);
    buf_append(&whole, raw);
    verify_all(buf_view(&whole), fields.length, arena);
    struct header added;
    header_parse(fields, arena, &added);
    invariant(added.body_offset == fields.length, "nothing but fields is added");
    struct arc_chain chain;
    struct str reason;
    struct header all;
    header_parse(buf_view(&whole), arena, &all);
    if (count_arc(&header) == 0 && all.count < HEADER_FIELDS_MAX)
        invariant(arc_chain_read(&all, NOW_MS, arena, &chain, &reason) == 0 &&
                      chain.count == 1,
                  "the first set is a chain");
    buf_free(&whole);
    arena_free(arena);
    return 0;
}
