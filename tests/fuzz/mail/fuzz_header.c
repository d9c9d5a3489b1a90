/* The index of any bytes: fields lie end to end, and nothing else is before the body but the empty line.
 * What is read from a field can be written as one. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/answer.h"
#include "mail/header.h"
#include "mail/references.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_field(const struct header_field *field, struct arena *arena)
{
    const char *end = field->whole.at + field->whole.length;
    invariant(field->name.length > 0 && field->name.at == field->whole.at, "name first");
    invariant(field->value.at > field->name.at + field->name.length - 1 &&
                  field->value.at + field->value.length <= end,
              "value within");
    struct str value = header_unfold(field->value, arena);
    invariant(str_index(value, '\r') < 0 && str_index(value, '\n') < 0, "unfolded");
    struct buf out;
    buf_init(&out, 20000);
    if (header_append(&out, field->name, value) == 0) {
        struct header again;
        header_parse(buf_view(&out), arena, &again);
        invariant(again.count == 1 && again.body_offset == out.length, "written as one");
        invariant(str_equal(header_value(&again, field->name, arena), value),
                  "read as it was");
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str raw = {(const char *)bytes, length};
    struct header header;
    header_parse(raw, arena, &header);
    size_t end = 0;
    for (size_t i = 0; i < header.count; i++) {
        invariant(header.fields[i].whole.at == raw.at + end, "end to end");
        end += header.fields[i].whole.length;
        check_field(&header.fields[i], arena);
    }
    invariant(header.body_offset <= length, "the body is within");
    if (header.count < HEADER_FIELDS_MAX)
        invariant(header.body_offset >= end && header.body_offset - end <= 2,
                  "only the empty line is between");
    invariant(answer_subject(&header, arena).length <= 800, "the subject is bounded");
    invariant(answer_references(&header, arena).length <= 7500, "the thread is bounded");
    arena_free(arena);
    return 0;
}
