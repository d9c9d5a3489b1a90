/* Random messages that dkimpy has sealed, verified by us and by dkimpy (arc_reference.py makes the messages and
 * its answers): the results are the same. dns_ask() is a function of this file, so nobody is asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "auth/arc.h"
#include "base/mem.h"
#include "mail/tag_list.h"

#define REFERENCE "/usr/bin/python3 tests/unit/auth/arc_reference.py"
#define SEED      "8617"
#define MESSAGES  "300"

#define FIELDS_MAX 4

static char *key_record;

int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer)
{
    (void)dns, (void)name;
    assert_int_equal(type, DNS_TXT);
    *answer = (struct dns_answer){.status = DNS_OK, .count = 1};
    answer->records = arena_new_of(arena, struct dns_record);
    answer->records->text = str_of(key_record);
    return 0;
}

static void set_key(struct str text)
{
    static const char prefix[] = "v=DKIM1; k=rsa; p=";
    free(key_record);
    key_record = mem_zero(1, sizeof prefix + text.length);
    memcpy(key_record, prefix, sizeof prefix - 1);
    memcpy(key_record + sizeof prefix - 1, text.at, text.length);
}

static bool check(struct str expected, struct str encoded, struct str what)
{
    struct auth_arc arc;
    struct str raw;
    struct message *message = message_new();
    assert_int_equal(tag_base64(encoded, message->arena, &raw), 0);
    message->raw = blob_copy(raw);
    message->received_at = unix_now_ms();
    header_parse(blob_view(message->raw), message->arena, &message->header);
    assert_int_equal(auth_arc_verify(NULL, message, TASK_FOREVER, message->arena, &arc), 0);
    bool is_same = str_equal(str_of(auth_result_name(arc.result)), expected);
    if (!is_same)
        print_error("%.*s: %s (%.*s), dkimpy says %.*s of:\n%.*s\n", STR_ARG(what),
                    auth_result_name(arc.result), STR_ARG(arc.reason), STR_ARG(expected),
                    STR_ARG(raw));
    message_release(message);
    return is_same;
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
        if (str_equal(fields[0], STR("key"))) {
            set_key(fields[1]);
            continue;
        }
        differences += !check(fields[1], fields[2], fields[3]);
        checks++;
    }
    free(line);
    free(key_record);
    key_record = NULL;
    assert_int_equal(checks, strtoul(MESSAGES, NULL, 10));
    assert_int_equal(differences, 0);
    return 0;
}

static void random_chains_have_the_result_that_dkimpy_finds(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import dkim, authres' 2>/dev/null") != 0) {
        print_message("python3-dkim is not installed: not tested\n");
        skip();
    }
    FILE *output = popen(REFERENCE " " SEED " " MESSAGES, "re");
    assert_non_null(output);
    int result = test_run(compare, output);
    assert_int_equal(pclose(output), 0);
    assert_int_equal(result, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(random_chains_have_the_result_that_dkimpy_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
