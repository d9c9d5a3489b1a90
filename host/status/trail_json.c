#include "status/trail_json.h"

#include "mail/utf8.h"

#define TEXT_BYTES_MAX ((size_t)1000)

static bool is_itself(char c, bool is_utf8)
{
    return (unsigned char)c >= ' ' && c != '"' && c != '\\' && c != 0x7f &&
           ((unsigned char)c < 0x80 || is_utf8);
}

static void write_special(struct buf *out, char c)
{
    if (c == '"' || c == '\\')
        buf_append(out, (struct str){(char[]){'\\', c}, 2});
    else if ((unsigned char)c > 0x7f)
        buf_append(out, STR("?"));
    else
        buf_printf(out, "\\u%04x", (unsigned)c);
}

void trail_json_text(struct buf *out, struct str text)
{
    text = utf8_cut(text, TEXT_BYTES_MAX);
    bool is_utf8 = utf8_is_valid(text);
    buf_append(out, STR("\""));
    while (text.length) {
        size_t plain = 0;
        while (plain < text.length && is_itself(text.at[plain], is_utf8))
            plain++;
        buf_append(out, str_part(text, 0, plain));
        text = str_from(text, plain);
        if (text.length) {
            write_special(out, text.at[0]);
            text = str_from(text, 1);
        }
    }
    buf_append(out, STR("\""));
}

static void write_entry(struct buf *out, const struct trail_entry *entry)
{
    buf_append(out, STR("{\"event\":\""));
    buf_append(out, str_of(status_event_name(entry->event)));
    buf_append(out, STR("\",\"after_ms\":"));
    buf_append_number(out, (long long)entry->after_ms);
    for (size_t i = 0; i < entry->field_count; i++) {
        const struct status_field *field = &entry->fields[i];
        buf_append(out, STR(",\""));
        buf_append(out, str_of(field->name));
        buf_append(out, STR("\":"));
        if (field->is_number)
            buf_append_number(out, field->number);
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
