/* Every case with a verdict of the public validation suite of ARC, its keys served by a name server on
 * loopback. The suite says nothing of the three chains whose sealers say themselves that they are broken;
 * RFC 8617 section 5.2 does. */
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#include "test.h"

#include "auth/arc.h"
#include "base/mem.h"
#include "net/fake_dns.h"

#define SUITE       "../shared/suites/arc/arc-draft-validation-tests.yml"
#define CASE_COUNT  175 /* four of its 171 names stand there twice */
#define RECORDS_MAX 20

static struct arena *arena;

/* --- YAML --- */

static const char *scalar(const yaml_node_t *node)
{
    assert_int_equal(node->type, YAML_SCALAR_NODE);
    struct str value = {(const char *)node->data.scalar.value, node->data.scalar.length};
    return arena_text(arena, value);
}

static yaml_node_t *member(yaml_document_t *document, const yaml_node_t *mapping,
                           const char *name)
{
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++)
        if (strcmp(scalar(yaml_document_get_node(document, pair->key)), name) == 0)
            return yaml_document_get_node(document, pair->value);
    return NULL;
}

/* --- zones: strings of a TXT record are short, and "|" stands between them --- */

static const char *strings_of(const char *text)
{
    const char *all = "";
    for (; strlen(text) > 200; text += 200)
        all = arena_printf(arena, "%s%.200s|", all, text);
    return arena_printf(arena, "%s%s", all, text);
}

static void read_zone(yaml_document_t *document, const yaml_node_t *zone,
                      struct fake_record records[RECORDS_MAX + 1])
{
    size_t count = 0;
    const yaml_node_pair_t *pair = zone->data.mapping.pairs.start;
    for (; pair < zone->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(document, pair->key);
        const yaml_node_t *text = yaml_document_get_node(document, pair->value);
        assert_true(count < RECORDS_MAX);
        records[count++] =
            (struct fake_record){scalar(name), DNS_TXT, strings_of(scalar(text))};
    }
    records[count] = (struct fake_record){0};
}

/* --- cases --- */

static struct blob *with_crlf(const char *text)
{
    struct buf raw;
    buf_init(&raw, (size_t)1024 * 1024);
    for (; *text; text++)
        assert_int_equal(
            buf_append(&raw, *text == '\n' ? STR("\r\n") : (struct str){text, 1}), 0);
    struct blob *blob = blob_copy(buf_view(&raw));
    buf_free(&raw);
    return blob;
}

static bool run_case(struct dns *dns, const char *name, const char *text,
                     const char *expected)
{
    struct auth_arc arc;
    struct message *message = message_new();
    message->raw = with_crlf(text);
    message->received_at = unix_now_ms();
    header_parse(blob_view(message->raw), message->arena, &message->header);
    assert_int_equal(auth_arc_verify(dns, message, task_in_ms(5000), message->arena, &arc),
                     0);
    const char *result = auth_result_name(arc.result);
    bool is_right = strcasecmp(result, *expected ? expected : "fail") == 0;
    if (!is_right)
        print_error("%s: %s instead of %s (%.*s)\n", name, result, expected,
                    STR_ARG(arc.reason));
    message_release(message);
    return is_right;
}

struct section {
    yaml_document_t *document;
    size_t count, wrong_count;
};

static int run_section(void *arg)
{
    struct section *section = arg;
    yaml_document_t *document = section->document;
    const yaml_node_t *root = yaml_document_get_root_node(document);
    const yaml_node_t *tests = member(document, root, "tests");
    struct fake_record records[RECORDS_MAX + 1];
    struct fake_dns fake;
    struct err err;
    read_zone(document, member(document, root, "txt-records"), records);
    fake_dns_open(&fake, &test_loop, records);
    struct dns *dns = dns_open(&(struct dns_options){.resolver = fake.resolver}, &err);
    assert_non_null(dns);
    for (const yaml_node_pair_t *pair = tests->data.mapping.pairs.start;
         pair < tests->data.mapping.pairs.top; pair++) {
        const yaml_node_t *test = yaml_document_get_node(document, pair->value);
        section->count++;
        section->wrong_count +=
            !run_case(dns, scalar(yaml_document_get_node(document, pair->key)),
                      scalar(member(document, test, "message")),
                      scalar(member(document, test, "cv")));
    }
    dns_close(dns);
    fake_dns_close(&fake);
    return 0;
}

static void every_case_of_the_public_suite_is_right(void **state)
{
    (void)state;
    FILE *file = fopen(SUITE, "rb");
    if (!file) {
        print_message("no suite at %s\n", SUITE);
        skip();
    }
    yaml_parser_t parser;
    struct section section = {0};
    yaml_document_t document;
    arena = arena_new();
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_file(&parser, file);
    while (yaml_parser_load(&parser, &document) && yaml_document_get_root_node(&document)) {
        section.document = &document;
        assert_int_equal(test_run(run_section, &section), 0);
        yaml_document_delete(&document);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    fclose(file);
    arena_free(arena);
    assert_int_equal(section.count, CASE_COUNT);
    assert_int_equal(section.wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(every_case_of_the_public_suite_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
