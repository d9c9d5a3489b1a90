/* TAP (version 13, with a YAML block for what failed) on standard output; JUnit's XML and JSON into files. */
#include <errno.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/test.h"

#define JUNIT_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Where the problem is, when it begins with a place in the test's own file; else 0. */
static unsigned long long line_of(const struct test_result *result)
{
    struct str file = str_of(result->file), rest = result->problem;
    struct str name = str_from(file, (size_t)(str_last_index(file, '/') + 1));
    unsigned long long line = 0;
    if (!str_equal(str_cut(&rest, ':'), name) || !str_to_number(str_cut(&rest, ':'), &line))
        return 0;
    return line;
}

/* --- XML --- */

static const char *xml_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* Control bytes are no XML. */
static void xml_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        const char *entity = xml_entity(c);
        bool is_control = (unsigned char)c < ' ' && c != '\n' && c != '\t';
        buf_append(out, entity       ? str_of(entity)
                        : is_control ? STR("?")
                                     : str_part(text, i, 1));
    }
}

static void xml_case(struct buf *out, const struct test_result *result)
{
    buf_append(out, STR("  <testcase classname=\""));
    xml_text(out, str_of(result->file));
    buf_append(out, STR("\" name=\""));
    xml_text(out, result->name);
    buf_printf(out, "\" time=\"%.3f\">", (double)result->duration_ms / 1000);
    if (result->fate == TEST_PENDING)
        buf_append(out, STR("<skipped/>"));
    if (result->fate == TEST_FAILED) {
        struct str rest = result->problem;
        buf_append(out, STR("<failure message=\""));
        xml_text(out, str_cut(&rest, '\n'));
        buf_append(out, STR("\">"));
        xml_text(out, result->problem);
        buf_append(out, STR("</failure>"));
    }
    buf_append(out, STR("</testcase>\n"));
}

int test_report_write_junit(const struct test_report *report, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return -errno;
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite "
            "name=\"postern test\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" "
            "time=\"%.3f\">\n%.*s</testsuite>\n</testsuites>\n",
            report->count, report->failed_count, report->pending_count,
            (double)report->duration_ms / 1000, STR_ARG(buf_view(&report->junit)));
    bool is_broken = ferror(file);
    return fclose(file) != 0 || is_broken ? -EIO : 0;
}

/* --- JSON --- */

static json_t *result_json(const struct test_result *result)
{
    static const char *const fates[] = {"passed", "failed", "pending"};
    json_t *json = json_pack("{s:s, s:o, s:s, s:I}", "file", result->file, "name",
                             cli_json_bytes(result->name), "fate", fates[result->fate],
                             "ms", (json_int_t)result->duration_ms);
    if (result->fate == TEST_FAILED) {
        json_object_set_new(json, "line", json_integer((json_int_t)line_of(result)));
        json_object_set_new(json, "problem", cli_json_bytes(result->problem));
    }
    return json;
}

int test_report_write_json(const struct test_report *report, const char *path)
{
    return json_dump_file(report->json, path, JSON_INDENT(1)) == 0 ? 0 : -EIO;
}

/* --- TAP --- */

/* "#" would begin a directive. */
static void print_name(struct str name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (c == '#' || c == '\\')
            putchar('\\');
        putchar((unsigned char)c < ' ' ? ' ' : c);
    }
}

static void print_problem(const struct test_result *result)
{
    struct str rest = result->problem;
    unsigned long long place = line_of(result);
    puts("  ---");
    if (place)
        printf("  at: %s:%llu\n", result->file, place);
    puts("  message: |");
    while (rest.length) {
        struct str line = str_cut(&rest, '\n');
        printf("    %.*s\n", STR_ARG(line));
    }
    puts("  ...");
}

void test_report_open(struct test_report *report)
{
    *report = (struct test_report){0};
    buf_init(&report->junit, JUNIT_BYTES_MAX);
    report->json = json_array();
}

void test_report_add(struct test_report *report, const struct test_result *result)
{
    report->count++;
    report->failed_count += result->fate == TEST_FAILED;
    report->pending_count += result->fate == TEST_PENDING;
    report->duration_ms += result->duration_ms;
    printf("%sok %zu - ", result->fate == TEST_FAILED ? "not " : "", report->count);
    print_name(result->name);
    puts(result->fate == TEST_PENDING ? " # SKIP pending" : "");
    if (result->fate == TEST_FAILED)
        print_problem(result);
    fflush(stdout);
    xml_case(&report->junit, result);
    json_array_append_new(report->json, result_json(result));
}

void test_report_end(const struct test_report *report)
{
    printf("1..%zu\n# %zu passed, %zu failed, %zu pending\n", report->count,
           report->count - report->failed_count - report->pending_count,
           report->failed_count, report->pending_count);
}

void test_report_close(struct test_report *report)
{
    buf_free(&report->junit);
    json_decref(report->json);
}
