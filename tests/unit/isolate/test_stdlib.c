/* The stdlib's modules, in a real isolate: each by the script tests/unit/isolate/stdlib/<module>.lua, and against
 * what lua/stdlib/_meta/<module>.lua tells editors of it. */
#include <glob.h>

#include "driver.h"

#define FILE_BYTES_MAX 262144

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = mem_zero(1, FILE_BYTES_MAX);
    size_t length = file ? fread(text, 1, FILE_BYTES_MAX - 1, file) : 0;
    if (file)
        fclose(file);
    else
        print_error("%s: %s\n", path, strerror(errno));
    assert_in_range(length, 1, FILE_BYTES_MAX - 2);
    return text;
}

/* "json" of "lua/stdlib/json.lua"; in static memory. */
static const char *module_name(const char *path)
{
    static char name[64];
    const char *base = strrchr(path, '/') + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "."), base);
    return name;
}

static void test_module(const char *path)
{
    char *source = read_file(path);
    char *check = read_file("tests/unit/isolate/stdlib/check.lua");
    print_message("%s\n", path);
    const char *report = run_script_with(&(struct load){.source = source,
                                                        .modules = {{"check", check}},
                                                        .cpu_soft_ms = 30000,
                                                        .cpu_hard_ms = 40000,
                                                        .log_bytes_max = 60000});
    assert_string_equal(report, "ok\nend\n");
    free(check);
    free(source);
}

static void each_path(const char *pattern, void (*test)(const char *path))
{
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        test(found.gl_pathv[i]);
    globfree(&found);
}

static void test_unless_shared(const char *path)
{
    if (strcmp(module_name(path), "check") != 0)
        test_module(path);
}

static void modules_do_what_they_say(void **state)
{
    (void)state;
    each_path("tests/unit/isolate/stdlib/*.lua", test_unless_shared);
}

static void log_lines_have_fields(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER(
            "log.info('ticket', 5, nil, true)\n"
            "log.warn('two', { b = 'x y', a = 1, ['no good'] = 'é', c = 'a\\n\"\\\\\\1', d "
            "= '' })\n"
            "log.error({ text = 'only fields' })\n"
            "log.debug('an object', message)\n"
            "log.debug(setmetatable({}, { __tostring = function() return 'own' end }))\n"
            "log.info()\n"
            "log.info(nil)")),
        "log info: ticket 5 nil true\n"
        "log warn: two a=1 b=\"x y\" c=\"a\\n\\\"\\\\\\x01\" d=\"\" no_good=\"é\"\n"
        "log error: text=\"only fields\"\n"
        "log debug: an object message\n"
        "log debug: own\n"
        "log info: \n"
        "log info: nil\n"
        "ok\nend\n");
}

/* --- annotations --- */

/* Functions and tables of functions, as the stub names them and as they are. */
static const char compare[] = HANDLER(
    "local wanted, module = {}, require(env.MODULE)\n"
    "for name in env.STUB:gmatch('\\nfunction ' .. env.MODULE .. '%.([%w_.]+)%(') do\n"
    "  wanted[name] = true\n"
    "end\n"
    "for name in (env.STUB:match('%-%-%-@class ' .. env.MODULE .. '\\n(.-)\\n[^-]') or "
    "'')\n"
    "    :gmatch('@field ([%w_]+)') do\n"
    "  wanted[name] = true\n"
    "end\n"
    "local function visit(there, prefix)\n"
    "  for name, value in pairs(there) do\n"
    "    if not wanted[prefix .. name] then\n"
    "      if type(value) == 'table' then visit(value, prefix .. name .. '.')\n"
    "      else print('not annotated', prefix .. name) end\n"
    "    end\n"
    "    wanted[prefix .. name] = nil\n"
    "  end\n"
    "end\n"
    "visit(module, '')\n"
    "for name in pairs(wanted) do print('not there', name) end");

static void compare_stub(const char *path)
{
    char stub_path[256], name[64];
    snprintf(name, sizeof name, "%s", module_name(path));
    if (strchr(name, '_')) /* part of a module, not for scripts */
        return;
    snprintf(stub_path, sizeof stub_path, "lua/stdlib/_meta/%s.lua", name);
    char *stub = read_file(stub_path);
    print_message("%s\n", stub_path);
    const char *report = run_script_with(
        &(struct load){.source = compare, .env = {{"MODULE", name}, {"STUB", stub}}});
    assert_string_equal(report, "ok\nend\n");
    free(stub);
}

static void annotations_name_what_is_there(void **state)
{
    (void)state;
    each_path("lua/stdlib/*.lua", compare_stub);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(modules_do_what_they_say),
    cmocka_unit_test(log_lines_have_fields),
    cmocka_unit_test(annotations_name_what_is_there),
};

ISOLATE_TEST_MAIN(tests)
