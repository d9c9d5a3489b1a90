/* Header fields are canonicalised into a buffer, since a signature needs them in one piece. The body goes
 * through a small block into the digests and is never copied whole. What section 3.4 says of a body's end
 * is done first: where it really ends is found from behind, and whatever follows counts as one CRLF. */
#include "canonical.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/task.h"

#define SLICE_BYTES ((size_t)256 * 1024)
#define PIECE_BYTES 1024

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(struct str text, size_t at)
{
    return text.at[at] == '\r' && at + 1 < text.length && text.at[at + 1] == '\n';
}

static size_t blanks_end(struct str text, size_t at)
{
    while (at < text.length && is_blank(text.at[at]))
        at++;
    return at;
}

/* --- header --- */

/* Section 3.4.2 on a value: unfolded, each run of blanks one space, none at its ends. Room for all of
 * `value` is at `to`; returns how many bytes it came to. */
static size_t relax_value(struct str value, char *to)
{
    size_t used = 0;
    bool is_space_due = false;
    for (size_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        if (is_blank(c)) {
            is_space_due = used > 0;
        } else if (c != '\r' && c != '\n') {
            if (is_space_due)
                to[used++] = ' ';
            is_space_due = false;
            to[used++] = c;
        }
    }
    return used;
}

static int append_relaxed(struct str whole, struct buf *out)
{
    struct str value = whole;
    struct str name = str_trim(str_cut(&value, ':'));
    char *to = buf_reserve(out, name.length + 1 + value.length);
    if (!to)
        return -ENOBUFS;
    for (size_t i = 0; i < name.length; i++)
        to[i] = ascii_lower(name.at[i]);
    to[name.length] = ':';
    buf_extend(out, name.length + 1 + relax_value(value, to + name.length + 1));
    return 0;
}

static struct str without_line_end(struct str whole)
{
    size_t length = whole.length;
    if (length && whole.at[length - 1] == '\n')
        length -= length > 1 && whole.at[length - 2] == '\r' ? 2 : 1;
    return str_part(whole, 0, length);
}

static int append_field(enum canonical_form form, struct str whole, struct buf *out)
{
    if (form == CANONICAL_RELAXED)
        return append_relaxed(whole, out);
    return buf_append(out, without_line_end(whole));
}

int canonical_field(enum canonical_form form, struct str whole, struct buf *out)
{
    int result = append_field(form, whole, out);
    return result < 0 ? result : buf_append(out, STR("\r\n"));
}

/* The last field of this name that is not taken, or NULL. */
static const struct header_field *take_field(const struct header *header, struct str name,
                                             bool *taken)
{
    for (size_t i = header->count; i-- > 0;)
        if (!taken[i] && str_equal_nocase(header->fields[i].name, name)) {
            taken[i] = true;
            return &header->fields[i];
        }
    return NULL;
}

int canonical_fields(enum canonical_form form, const struct header *header,
                     const struct header_field *own, struct str names, struct buf *out)
{
    bool taken[HEADER_FIELDS_MAX] = {false};
    size_t count = 0;
    if (own)
        taken[own - header->fields] = true;
    for (struct str rest = names; rest.length;) {
        struct str name = str_trim(str_cut(&rest, ':'));
        if (++count > CANONICAL_NAMES_MAX)
            return -E2BIG;
        const struct header_field *field = take_field(header, name, taken);
        int result = field ? canonical_field(form, field->whole, out) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

int canonical_signature(enum canonical_form form, struct str whole, struct str removed,
                        struct buf *out)
{
    invariant(removed.at >= whole.at &&
                  removed.at + removed.length <= whole.at + whole.length,
              "canonical: b= lies in its field");
    size_t before = (size_t)(removed.at - whole.at);
    size_t after = before + removed.length;
    char *text = mem_alloc(whole.length);
    memcpy(text, whole.at, before);
    memcpy(text + before, whole.at + after, whole.length - after);
    struct str field = {text, whole.length - removed.length};
    int result = append_field(form, field, out);
    free(text);
    return result;
}

/* --- hashes --- */

/* Looked up once in a process's life: each EVP_sha256() would have OpenSSL do so again. */
static const EVP_MD *sha256(void)
{
    static EVP_MD *digest;
    if (!digest)
        digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    invariant(digest, "canonical: SHA-256 is there");
    return digest;
}

void canonical_hash_text(struct str text, unsigned char hash[CANONICAL_HASH_BYTES])
{
    invariant(EVP_Digest(text.at, text.length, hash, NULL, sha256(), NULL),
              "canonical: SHA-256 hashes");
}

/* --- body --- */

/* The canonical bytes of one form on their way into the digests that want them. */
struct sink {
    struct canonical_hash *hashes;
    EVP_MD_CTX **digests; /* one for each of them, NULL for those of the other form */
    size_t count;
    uint64_t passed_bytes;
};

static void sink_put(struct sink *sink, const char *bytes, size_t length)
{
    for (size_t i = 0; i < sink->count; i++) {
        uint64_t limit = sink->hashes[i].limit;
        if (!sink->digests[i] || limit <= sink->passed_bytes)
            continue;
        uint64_t wanted = limit - sink->passed_bytes;
        EVP_DigestUpdate(sink->digests[i], bytes,
                         wanted < length ? (size_t)wanted : length);
    }
    sink->passed_bytes += length;
}

/* Section 3.4.3: "ignores all empty lines at the end of the message body". */
static size_t simple_end(struct str body)
{
    size_t end = body.length;
    while (end >= 2 && is_line_end(body, end - 2))
        end -= 2;
    return end;
}

/* Section 3.4.4: the same with lines that have only blanks. */
static size_t relaxed_end(struct str body)
{
    size_t end = body.length;
    for (;;) {
        if (end && is_blank(body.at[end - 1]))
            end--;
        else if (end >= 2 && is_line_end(body, end - 2))
            end -= 2;
        else
            return end;
    }
}

/* Most pieces of most bodies need no change: said without a branch for each byte. */
static bool is_relaxed(struct str piece)
{
    unsigned char changes = 0;
    for (size_t i = 0; i + 1 < piece.length; i++) {
        unsigned char is_space = piece.at[i] == ' ';
        unsigned char is_odd = (piece.at[i + 1] == ' ') | (piece.at[i + 1] == '\r');
        changes |= (unsigned char)((piece.at[i] == '\t') | (is_space & is_odd));
    }
    return !changes && !is_blank(piece.at[piece.length - 1]);
}

/* Section 3.4.4: blanks at a line's end go, other runs of them become one space. A piece of the text is
 * read, and the rest of a run that it ends in; returns where that was. */
static size_t put_relaxed(struct sink *sink, struct str text, size_t at)
{
    char block[PIECE_BYTES];
    size_t used = 0;
    size_t stop = text.length - at < PIECE_BYTES ? text.length : at + PIECE_BYTES;
    struct str piece = str_part(text, at, stop - at);
    if (is_relaxed(piece)) {
        sink_put(sink, piece.at, piece.length);
        return stop;
    }
    while (at < stop) {
        if (!is_blank(text.at[at])) {
            block[used++] = text.at[at++];
            continue;
        }
        at = blanks_end(text, at);
        if (at < text.length && !is_line_end(text, at))
            block[used++] = ' ';
    }
    sink_put(sink, block, used);
    return at;
}

static size_t put_simple(struct sink *sink, struct str text, size_t at)
{
    size_t length = text.length - at < SLICE_BYTES ? text.length - at : SLICE_BYTES;
    sink_put(sink, text.at + at, length);
    return at + length;
}

/* Other tasks may run. */
static int pause_between_slices(void)
{
    return task_current() ? task_sleep(0) : 0;
}

static int put_body(struct sink *sink, enum canonical_form form, struct str body)
{
    bool is_relaxed_form = form == CANONICAL_RELAXED;
    struct str text =
        str_part(body, 0, is_relaxed_form ? relaxed_end(body) : simple_end(body));
    size_t slice_end = SLICE_BYTES;
    for (size_t at = 0; at < text.length;) {
        at = is_relaxed_form ? put_relaxed(sink, text, at) : put_simple(sink, text, at);
        if (at >= slice_end && at < text.length) {
            int result = pause_between_slices();
            if (result < 0)
                return result;
            slice_end = at + SLICE_BYTES;
        }
    }
    if (text.length || !is_relaxed_form)
        sink_put(sink, "\r\n", 2);
    return 0;
}

static bool is_form_wanted(const struct canonical_hash hashes[], size_t count,
                           enum canonical_form form)
{
    for (size_t i = 0; i < count; i++)
        if (hashes[i].form == form)
            return true;
    return false;
}

static void digests_open(struct sink *sink, enum canonical_form form)
{
    for (size_t i = 0; i < sink->count; i++) {
        if (sink->hashes[i].form != form)
            continue;
        sink->digests[i] = EVP_MD_CTX_new();
        invariant(sink->digests[i] && EVP_DigestInit_ex(sink->digests[i], sha256(), NULL),
                  "canonical: SHA-256 is there");
    }
}

static void digests_close(struct sink *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        if (!sink->digests[i])
            continue;
        EVP_DigestFinal_ex(sink->digests[i], sink->hashes[i].hash, NULL);
        EVP_MD_CTX_free(sink->digests[i]);
        sink->hashes[i].body_bytes = sink->passed_bytes;
    }
}

static int hash_form(enum canonical_form form, struct str body,
                     struct canonical_hash hashes[], size_t count)
{
    struct sink sink = {.hashes = hashes, .count = count};
    sink.digests = mem_zero(count, sizeof *sink.digests);
    digests_open(&sink, form);
    int result = put_body(&sink, form, body);
    digests_close(&sink);
    free(sink.digests);
    return result;
}

int canonical_hash_body(struct str body, struct canonical_hash hashes[], size_t count)
{
    static const enum canonical_form forms[] = {CANONICAL_SIMPLE, CANONICAL_RELAXED};
    int result = 0;
    for (size_t i = 0; i < 2 && result == 0; i++)
        if (is_form_wanted(hashes, count, forms[i]))
            result = hash_form(forms[i], body, hashes, count);
    return result;
}
