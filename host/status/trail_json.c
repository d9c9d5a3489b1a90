#include "status/trail_json.h"

#include "mail/utf8.h"

#define TEXT_BYTES_MAX ((size_t)1000)

void trail_json_text(struct buf *out, struct str text)
{
    text = utf8_cut(text, TEXT_BYTES_MAX);
    bool is_utf8 = utf8_is_valid(text);
    buf_append(out, STR("\""));
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if ((unsigned char)c < ' ' || c == 0x7f)
            buf_printf(out, "\\u%04x", (unsigned)c);
        else if ((unsigned char)c > 0x7f && !is_utf8)
            buf_append(out, STR("?"));
        else
            buf_append(out, str_part(text, i, 1));
    }
    buf_append(out, STR("\""));
}

static void write_entry(struct buf *out, const struct trail_entry *entry)
{
    buf_printf(out, "{\"event\":\"%s\",\"after_ms\":%llu", status_event_name(entry->event),
               (unsigned long long)entry->after_ms);
    for (size_t i = 0; i < entry->field_count; i++) {
        const struct status_field *field = &entry->fields[i];
        buf_printf(out, ",\"%s\":", field->name);
        if (field->is_number)
            buf_printf(out, "%lld", field->number);
        else
            trail_json_text(out, field->text);
    }
    buf_append(out, STR("}"));
}

struct str trail_json(const struct trail *trail, struct arena *arena)
{
    struct buf out, entry_text;
    buf_init(&out, TRAIL_JSON_BYTES_MAX);
    buf_init(&entry_text, TRAIL_JSON_BYTES_MAX);
    buf_append(&out, STR("["));
    for (const struct trail_entry *entry = trail_first(trail); entry; entry = entry->next) {
        buf_clear(&entry_text);
        if (entry != trail_first(trail))
            buf_append(&entry_text, STR(","));
        write_entry(&entry_text, entry);
        if (out.length + entry_text.length + 1 > TRAIL_JSON_BYTES_MAX)
            break;
        buf_append(&out, buf_view(&entry_text));
    }
    buf_append(&out, STR("]"));
    struct str text = arena_str(arena, buf_view(&out));
    buf_free(&out);
    buf_free(&entry_text);
    return text;
}
