/* Every case of the public suite of RFC 7208, its zones served by a name server on loopback. What the suite
 * gives as an SPF record is a TXT record too, unless its name has TXT records; TIMEOUT is all that a name
 * does not have otherwise, and a failure here. */
#include <stdlib.h>
#include <yaml.h>

#include "test.h"

#include "auth/spf.h"
#include "net/fake_dns.h"

#define SUITE        "../shared/suites/spf/rfc7208-tests.yml"
#define CASE_COUNT   203
#define RECORDS_MAX  1000
#define STRING_BYTES 255

static struct fake_record records[RECORDS_MAX + 1];
static size_t record_count;
static struct arena *arena;

/* --- YAML --- */

static const char *scalar(const yaml_node_t *node)
{
    assert_int_equal(node->type, YAML_SCALAR_NODE);
    struct str value = {(const char *)node->data.scalar.value, node->data.scalar.length};
    char *text = arena_text(arena, value);
    for (size_t i = 0; i < value.length; i++)
        if (text[i] == '\0')
            text[i] = FAKE_NUL;
    return text;
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

static size_t item_count(const yaml_node_t *node)
{
    const yaml_node_t *sequence = node->type == YAML_SEQUENCE_NODE ? node : NULL;
    return sequence ? (size_t)(sequence->data.sequence.items.top -
                               sequence->data.sequence.items.start)
                    : 1;
}

/* A scalar is a sequence of one. */
static const char *item(yaml_document_t *document, const yaml_node_t *node, size_t index)
{
    return scalar(
        node->type == YAML_SEQUENCE_NODE
            ? yaml_document_get_node(document, node->data.sequence.items.start[index])
            : node);
}

/* --- zones --- */

static void add(const char *name, enum dns_type type, const char *value)
{
    assert_true(record_count < RECORDS_MAX);
    records[record_count++] = (struct fake_record){name, type, value};
}

static bool has(const char *name, enum dns_type type)
{
    for (size_t i = 0; i < record_count; i++)
        if (strcmp(records[i].name, name) == 0 && records[i].type == type)
            return true;
    return false;
}

/* Strings with "|" between them, as the name server takes them. */
static const char *txt_value(yaml_document_t *document, const yaml_node_t *node)
{
    const char *all = "";
    for (size_t i = 0; i < item_count(node); i++) {
        const char *text = item(document, node, i);
        if (i > 0)
            all = arena_printf(arena, "%s|", all);
        for (; strlen(text) > STRING_BYTES; text += STRING_BYTES)
            all = arena_printf(arena, "%s%.*s|", all, STRING_BYTES, text);
        all = arena_printf(arena, "%s%s", all, text);
    }
    return all;
}

static const char *name_value(const char *name)
{
    size_t length = strlen(name);
    if (length && name[length - 1] == '.')
        length--;
    return arena_text(arena, (struct str){name, length});
}

static const char *mx_value(yaml_document_t *document, const yaml_node_t *node)
{
    const char *host = name_value(item(document, node, 1));
    return arena_printf(arena, "%s %s", item(document, node, 0), *host ? host : ".");
}

static void add_record(yaml_document_t *document, const char *name, const char *type,
                       const yaml_node_t *node)
{
    if (strcmp(type, "MX") == 0)
        add(name, DNS_MX, mx_value(document, node));
    else if (strcmp(type, "A") == 0)
        add(name, DNS_A, scalar(node));
    else if (strcmp(type, "AAAA") == 0)
        add(name, DNS_AAAA, scalar(node));
    else if (strcmp(type, "PTR") == 0)
        add(name, DNS_PTR, name_value(scalar(node)));
    else if (strcmp(type, "CNAME") == 0)
        add(name, FAKE_CNAME, name_value(scalar(node)));
    else if (strcmp(txt_value(document, node), "NONE") != 0)
        add(name, DNS_TXT, txt_value(document, node));
}

static void add_timeouts(const char *name)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!has(name, types[i]))
            add(name, types[i], FAKE_SERVFAIL);
}

static void add_name(yaml_document_t *document, const char *name, const yaml_node_t *rows)
{
    bool has_txt = false;
    size_t before = record_count;
    for (int pass = 0; pass < 2; pass++) { /* TXT records first, for the copies of SPF */
        for (size_t i = 0; i < item_count(rows); i++) {
            const yaml_node_t *row =
                yaml_document_get_node(document, rows->data.sequence.items.start[i]);
            if (row->type == YAML_SCALAR_NODE)
                continue;
            const yaml_node_pair_t *pair = row->data.mapping.pairs.start;
            const char *type = scalar(yaml_document_get_node(document, pair->key));
            bool is_spf = strcmp(type, "SPF") == 0;
            if (is_spf == (pass == 1) && !(is_spf && has_txt))
                add_record(document, name, type,
                           yaml_document_get_node(document, pair->value));
            has_txt |= strcmp(type, "TXT") == 0;
        }
    }
    for (size_t i = 0; i < item_count(rows); i++)
        if (yaml_document_get_node(document, rows->data.sequence.items.start[i])->type ==
            YAML_SCALAR_NODE)
            add_timeouts(name);
    if (record_count == before)
        add(name, FAKE_ANY, FAKE_NODATA);
}

static void read_zone(yaml_document_t *document, const yaml_node_t *zone)
{
    record_count = 0;
    for (const yaml_node_pair_t *pair = zone->data.mapping.pairs.start;
         pair < zone->data.mapping.pairs.top; pair++)
        add_name(document, scalar(yaml_document_get_node(document, pair->key)),
                 yaml_document_get_node(document, pair->value));
    records[record_count].name = NULL;
}

/* --- cases --- */

static void set_sender(const char *text, struct mailbox *sender)
{
    const char *at = strrchr(text, '@');
    *sender = (struct mailbox){.is_null = !*text, .text = str_of(text)};
    if (at) {
        sender->local = str_part(sender->text, 0, (size_t)(at - text));
        sender->domain = str_of(at + 1);
    }
}

static bool is_expected(yaml_document_t *document, const yaml_node_t *results,
                        const char *result)
{
    for (size_t i = 0; i < item_count(results); i++)
        if (strcmp(item(document, results, i), result) == 0)
            return true;
    return false;
}

static bool run_case(struct dns *dns, yaml_document_t *document, const char *name,
                     const yaml_node_t *test)
{
    struct auth_spf spf;
    struct mailbox sender;
    struct auth_spf_question question = {.sender = &sender};
    const char *host = scalar(member(document, test, "host"));
    const yaml_node_t *results = member(document, test, "result");
    set_sender(scalar(member(document, test, "mailfrom")), &sender);
    question.helo = str_of(scalar(member(document, test, "helo")));
    assert_int_equal(net_address_parse(str_of(host), 0, &question.client), 0);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    if (is_expected(document, results, auth_result_name(spf.result)))
        return true;
    print_error("%s: %s instead of %s (%s)\n", name, auth_result_name(spf.result),
                item(document, results, 0), spf.reason.at);
    return false;
}

struct sum {
    size_t passed, failed;
};

static void run_scenario(yaml_document_t *document, struct sum *sum)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    const yaml_node_t *tests = member(document, root, "tests");
    struct fake_dns fake;
    struct err err;
    read_zone(document, member(document, root, "zonedata"));
    fake_dns_open(&fake, &test_loop, records);
    struct dns *dns = dns_open(&(struct dns_options){.resolver = fake.resolver}, &err);
    assert_non_null(dns);
    for (const yaml_node_pair_t *pair = tests->data.mapping.pairs.start;
         pair < tests->data.mapping.pairs.top; pair++) {
        const char *name = scalar(yaml_document_get_node(document, pair->key));
        bool is_passed =
            run_case(dns, document, name, yaml_document_get_node(document, pair->value));
        sum->passed += is_passed;
        sum->failed += !is_passed;
    }
    dns_close(dns);
    fake_dns_close(&fake);
    task_sleep(1); /* `fake` is on the stack */
}

static int run_suite(void *file)
{
    struct sum sum = {0, 0};
    yaml_parser_t parser;
    yaml_document_t document;
    assert_int_equal(yaml_parser_initialize(&parser), 1);
    yaml_parser_set_input_file(&parser, file);
    for (;;) {
        assert_int_equal(yaml_parser_load(&parser, &document), 1);
        bool has_more = yaml_document_get_root_node(&document) != NULL;
        if (has_more)
            run_scenario(&document, &sum);
        yaml_document_delete(&document);
        if (!has_more)
            break;
    }
    yaml_parser_delete(&parser);
    assert_int_equal(sum.failed, 0);
    assert_int_equal(sum.passed, CASE_COUNT);
    return 0;
}

static void every_case_of_the_public_suite_has_the_result_of_the_rfc(void **state)
{
    (void)state;
    FILE *file = fopen(SUITE, "re");
    if (!file) {
        print_message("there is no " SUITE ": not tested\n");
        skip();
    }
    arena = arena_new();
    assert_int_equal(test_run(run_suite, file), 0);
    arena_free(arena);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(every_case_of_the_public_suite_has_the_result_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
