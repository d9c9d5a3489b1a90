#include "cli/value_json.h"

#include <math.h>

#include "cli/json.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: what Lua counts to */

static bool is_list(const struct value *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->keys[i].kind != VALUE_NUMBER || table->keys[i].number != (double)(i + 1))
            return false;
    return table->count > 0;
}

static json_t *object_of(const struct value *table)
{
    json_t *object = json_object();
    for (size_t i = 0; i < table->count; i++) {
        const struct value *key = &table->keys[i];
        char number[32];
        snprintf(number, sizeof number, "%.14g", key->number);
        json_t *name =
            key->kind == VALUE_STRING ? cli_json_bytes(key->string) : json_string(number);
        json_object_set_new(object, json_string_value(name),
                            cli_json_of_value(&table->items[i]));
        json_decref(name);
    }
    return object;
}

/* A whole number as one. */
static json_t *number_of(double number)
{
    json_int_t whole = fabs(number) <= WHOLE_MAX ? (json_int_t)number : 0;
    if ((double)whole == number)
        return json_integer(whole);
    json_t *real = json_real(number);
    return real ? real : json_null(); /* infinite, or no number */
}

json_t *cli_json_of_value(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NIL:
        return json_null();
    case VALUE_BOOL:
        return json_boolean(value->boolean);
    case VALUE_NUMBER:
        return number_of(value->number);
    case VALUE_STRING:
        return cli_json_bytes(value->string);
    case VALUE_TABLE:
        break;
    }
    if (!is_list(value))
        return object_of(value);
    json_t *list = json_array();
    for (size_t i = 0; i < value->count; i++)
        json_array_append_new(list, cli_json_of_value(&value->items[i]));
    return list;
}

json_t *cli_json_of_value_bytes(struct str bytes)
{
    struct arena *arena = arena_new();
    const struct value *value = value_decode(bytes, arena);
    json_t *json = value ? cli_json_of_value(value) : json_string("(not a value)");
    arena_free(arena);
    return json;
}

static int write_table(const json_t *json, struct buf *out)
{
    int failed = value_begin_table(out);
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach(json, i, item)
    {
        failed |= value_write_number(out, (double)(i + 1)) | cli_value_of_json(item, out);
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, item)
    {
        failed |= value_write_string(out, str_of(key)) | cli_value_of_json(item, out);
    }
    return failed | value_end_table(out);
}

int cli_value_of_json(const json_t *json, struct buf *out)
{
    switch (json_typeof(json)) {
    case JSON_NULL:
        return value_write_nil(out);
    case JSON_TRUE:
    case JSON_FALSE:
        return value_write_bool(out, json_is_true(json));
    case JSON_INTEGER:
    case JSON_REAL:
        return value_write_number(out, json_number_value(json));
    case JSON_STRING:
        return value_write_string(
            out, (struct str){json_string_value(json), json_string_length(json)});
    default:
        return write_table(json, out);
    }
}
