#include "cli/json.h"

#include <stdio.h>

#include "base/buf.h"

json_t *cli_json_bytes(struct str bytes)
{
    json_t *json = json_stringn(bytes.length ? bytes.at : "", bytes.length);
    if (json)
        return json;
    struct buf text;
    buf_init(&text, 2 * bytes.length + 1);
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        const char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
        buf_append(&text, c < 0x80 ? str_part(bytes, i, 1) : (struct str){two, 2});
    }
    struct str view = buf_view(&text);
    json = json_stringn(view.at, view.length);
    buf_free(&text);
    return json;
}

void cli_json_print(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    puts("");
    json_decref(json);
}

long long cli_json_number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

const char *cli_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}
