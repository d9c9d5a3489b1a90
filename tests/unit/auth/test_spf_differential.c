/* Random records, evaluated by us and by pyspf (spf_reference.py makes both the zones and its answers): the
 * results are the same. dns_ask() is a function of this file, so nothing waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "test.h"

#include "auth/spf.h"

#define REFERENCE "/usr/bin/python3 tests/unit/auth/spf_reference.py"
#define SEED      "7208"
#define ZONES     "400"

#define RECORDS_MAX 400
#define FIELDS_MAX  6

struct zone_record {
    struct str name, type, value;
};

static struct zone_record records[RECORDS_MAX];
static size_t record_count;
static struct arena *zone_arena;

static struct str type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return STR("A");
    case DNS_AAAA:
        return STR("AAAA");
    case DNS_MX:
        return STR("MX");
    case DNS_PTR:
        return STR("PTR");
    default:
        return STR("TXT");
    }
}

static void set_answer(const struct zone_record *record, struct dns_record *answer)
{
    bool is_address = record->type.at[0] == 'A';
    *answer = (struct dns_record){.name = record->value, .text = record->value};
    if (is_address)
        assert_int_equal(net_address_parse(record->value, 0, &answer->address), 0);
}

int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer)
{
    (void)dns;
    *answer = (struct dns_answer){.status = DNS_NO_NAME, .why = "SERVFAIL"};
    if (str_equal_nocase(name, STR("broken.test")))
        answer->status = DNS_FAILED;
    answer->records = arena_array(arena, struct dns_record, record_count);
    for (size_t i = 0; i < record_count; i++)
        if (str_equal_nocase(records[i].name, name) &&
            str_equal(records[i].type, type_name(type))) {
            answer->status = DNS_OK;
            set_answer(&records[i], &answer->records[answer->count++]);
        }
    return 0;
}

struct str dns_reverse_name(const struct net_address *address, struct arena *arena)
{
    char name[80] = "";
    size_t used = 0;
    struct str bytes = net_address_bytes(address);
    bool is_v6 = net_address_is_v6(address);
    for (size_t i = bytes.length; i-- > 0;) {
        unsigned byte = (unsigned char)bytes.at[i];
        used += is_v6 ? (size_t)snprintf(name + used, sizeof name - used, "%x.%x.",
                                         byte & 0xFU, byte >> 4U)
                      : (size_t)snprintf(name + used, sizeof name - used, "%u.", byte);
    }
    return str_of(arena_printf(arena, "%s%s.arpa", name, is_v6 ? "ip6" : "in-addr"));
}

static void add_record(const struct str fields[FIELDS_MAX])
{
    assert_true(record_count < RECORDS_MAX);
    records[record_count++] = (struct zone_record){
        arena_str(zone_arena, fields[1]),
        arena_str(zone_arena, fields[2]),
        arena_str(zone_arena, fields[3]),
    };
}

static bool check(const struct str fields[FIELDS_MAX])
{
    struct auth_spf spf;
    struct mailbox sender = {.domain = fields[3]};
    struct auth_spf_question question = {.helo = fields[2], .sender = &sender};
    sender.local = str_cut(&sender.domain, '@');
    assert_int_equal(net_address_parse(fields[1], 0, &question.client), 0);
    assert_int_equal(auth_spf_check(NULL, &question, zone_arena, &spf), 0);
    if (str_equal(str_of(auth_result_name(spf.result)), fields[4]))
        return true;
    print_error("%.*s, %.*s from %.*s: %s (%s), pyspf says %.*s (%.*s)\n",
                STR_ARG(fields[3]), STR_ARG(fields[2]), STR_ARG(fields[1]),
                auth_result_name(spf.result), spf.reason.at, STR_ARG(fields[4]),
                STR_ARG(fields[5]));
    for (size_t i = 0; i < record_count; i++)
        if (str_equal(records[i].type, STR("TXT")))
            print_error("    %s %s\n", records[i].name.at, records[i].value.at);
    return false;
}

static int compare(void *output)
{
    size_t checks = 0, differences = 0;
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, output)) > 0;) {
        struct str rest = {line, (size_t)length - 1};
        struct str fields[FIELDS_MAX];
        for (size_t i = 0; i < FIELDS_MAX; i++)
            fields[i] = str_cut(&rest, '\t');
        if (str_equal(fields[0], STR("zone"))) {
            arena_free(zone_arena);
            zone_arena = arena_new();
            record_count = 0;
        } else if (str_equal(fields[0], STR("record"))) {
            add_record(fields);
        } else {
            differences += !check(fields);
            checks++;
        }
    }
    free(line);
    arena_free(zone_arena);
    zone_arena = NULL;
    assert_true(checks > 1000);
    assert_int_equal(differences, 0);
    return 0;
}

static void random_records_have_the_result_that_pyspf_finds(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import spf' 2>/dev/null") != 0) {
        print_message("python3-spf is not installed: not tested\n");
        skip();
    }
    FILE *output = popen(REFERENCE " " SEED " " ZONES, "re");
    assert_non_null(output);
    int result = test_run(compare, output);
    assert_int_equal(pclose(output), 0);
    assert_int_equal(result, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(random_records_have_the_result_that_pyspf_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
