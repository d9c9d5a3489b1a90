/* lua/stdlib/_meta/postern.lua, which editors read, says what there is: no more, no less. */
#include "driver.h"

#include "isolate/bind.h"

static char *annotations;

static int read_annotations(void **state)
{
    (void)state;
    FILE *file = fopen("lua/stdlib/_meta/postern.lua", "r");
    annotations = mem_zero(1, 65536);
    size_t length = file ? fread(annotations, 1, 65535, file) : 0;
    if (file)
        fclose(file);
    return length ? 0 : -1;
}

static int free_annotations(void **state)
{
    (void)state;
    free(annotations);
    return 0;
}

/* The annotated name at the start of a line with this beginning, after *from, which is moved past it; NULL
 * at the end. In static memory. */
static const char *next_annotated(const char **from, const char *beginning)
{
    static char name[100];
    char start[128];
    snprintf(start, sizeof start, "\n%s", beginning);
    const char *at = strstr(*from, start);
    if (!at)
        return NULL;
    at += strlen(start);
    size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    *from = at;
    return name;
}

/* The lines of ---@field that follow ---@class `name`, up to the first other line. In static memory. */
static const char *class_fields(const char *name)
{
    static char fields[4096];
    char start[100];
    snprintf(start, sizeof start, "---@class %s\n", name);
    const char *at = strstr(annotations, start);
    assert_non_null(at);
    at += strlen(start) - 1;
    const char *end = at;
    while (strncmp(end, "\n---@field", 10) == 0)
        end = strchr(end + 1, '\n');
    snprintf(fields, sizeof fields, "%.*s\n", (int)(end - at), at);
    return fields;
}

static void assert_annotated(const char *beginning, const char *name)
{
    const char *at = annotations, *annotated;
    while ((annotated = next_annotated(&at, beginning))) {
        if (strcmp(annotated, name) == 0)
            return;
    }
    fail_msg("no annotation: %s%s", beginning, name);
}

static void assert_bound(const luaL_Reg methods[], const char *name)
{
    while (methods->name && strcmp(methods->name, name) != 0)
        methods++;
    if (!methods->name)
        fail_msg("annotated, but not there: %s", name);
}

/* Both ways; `more` are methods that the prelude adds. */
static void assert_same_methods(const char *object, const luaL_Reg methods[],
                                const luaL_Reg more[])
{
    char beginning[100];
    snprintf(beginning, sizeof beginning, "function %s:", object);
    for (const luaL_Reg *method = methods; method->name; method++)
        assert_annotated(beginning, method->name);
    for (const luaL_Reg *method = more; method->name; method++)
        assert_annotated(beginning, method->name);
    const char *at = annotations, *name;
    while ((name = next_annotated(&at, beginning))) {
        const luaL_Reg *added = more;
        while (added->name && strcmp(added->name, name) != 0)
            added++;
        if (!added->name)
            assert_bound(methods, name);
    }
}

static const luaL_Reg no_methods[] = {{NULL, NULL}};

static void methods_are_annotated(void **state)
{
    (void)state;
    static const luaL_Reg more[] = {
        {"forward", NULL}, {"reply", NULL}, {"parse", NULL}, {NULL, NULL}};
    assert_same_methods("Message", message_methods, more);
    assert_same_methods("Headers", headers_methods, no_methods);
    assert_same_methods("Context", context_methods, no_methods);
}

static void fields_of_a_message_are_annotated(void **state)
{
    (void)state;
    const char *fields = class_fields("Message");
    size_t count = 0, annotated_count = 0;
    for (const struct bind_field *field = message_fields; field->name; field++, count++) {
        char line[100], optional[100];
        snprintf(line, sizeof line, "\n---@field %.80s ", field->name);
        snprintf(optional, sizeof optional, "\n---@field %.80s? ", field->name);
        assert_has(fields, strstr(fields, optional) ? optional : line);
    }
    while (next_annotated(&fields, "---@field "))
        annotated_count++;
    assert_int_equal(annotated_count, count);
}

/* The names of a table's fields as annotated, as a Lua list. In static memory. */
static const char *names_as_lua(const char *fields, const char *beginning)
{
    static char list[1000];
    const char *name;
    size_t used = 0;
    while ((name = next_annotated(&fields, beginning)))
        used += (size_t)snprintf(list + used, sizeof list - used, "'%s', ", name);
    return list;
}

/* A script compares the keys of `expression` with those annotated, but for the optional ones. */
static void assert_same_keys(const char *expression, const char *names,
                             const char *optional)
{
    char source[2000];
    snprintf(source, sizeof source,
             HANDLER("local there, optional = %s, { %s }\n"
                     "local known = {}\n"
                     "for _, name in ipairs { %s } do\n"
                     "  known[name] = true\n"
                     "  if there[name] == nil and not optional[name] then print('missing', "
                     "name) end\n"
                     "end\n"
                     "for name in pairs(there) do\n"
                     "  if not known[name] then print('not annotated', name) end\n"
                     "end"),
             expression, optional, names);
    const char *report = run_handler(source);
    const char *call = strncmp(report, "call ", 5) == 0 ? strchr(report, '\n') + 1 : report;
    assert_string_equal(call, "ok\nend\n");
}

static void tables_of_a_message_are_annotated(void **state)
{
    (void)state;
    assert_same_keys("message.client", names_as_lua(class_fields("Client"), "---@field "),
                     "hostname = 1, tls = 1");
    assert_same_keys("message.auth", names_as_lua(class_fields("Auth"), "---@field "), "");
    assert_same_keys("message:forward('a@b.test')",
                     names_as_lua(class_fields("Sent"), "---@field "), "");
    assert_same_keys("select(2, pcall(message.forward, message, 'refused'))",
                     names_as_lua(class_fields("Failure"), "---@field "), "class = 1");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(methods_are_annotated),
    cmocka_unit_test(fields_of_a_message_are_annotated),
    cmocka_unit_test(tables_of_a_message_are_annotated),
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "postern-isolate") == 0)
        return isolate_main(argv[1]);
    return cmocka_run_group_tests(tests, read_annotations, free_annotations);
}
