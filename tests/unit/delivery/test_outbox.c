/* The two ways of delivery that ask no peer: a directory, a function. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "delivery/delivery.h"

static struct delivery *delivery;
static struct arena *arena;
static char directory[] = "/tmp/postern-outbox-XXXXXX";

static struct delivery_result send_message(const char *message_id)
{
    static const struct str parts[] = {{"A: b\r\n", 6}, {"\r\n.body", 7}};
    struct mailbox null_path = {.is_null = true};
    struct mailbox recipient;
    struct delivery_result result;
    assert_int_equal(mailbox_parse(STR("to@dest.test"), arena, &recipient), 0);
    const struct delivery_request request = {
        .reverse_path = &null_path,
        .recipient = &recipient,
        .parts = parts,
        .part_count = 2,
        .message_id = str_of(message_id),
    };
    delivery_send(delivery, &request, arena, &result);
    return result;
}

static int run_body(void *arg)
{
    arena = arena_new();
    (*(void (**)(void))arg)();
    delivery_close(delivery);
    arena_free(arena);
    return 0;
}

static void run(void (*body)(void))
{
    assert_int_equal(test_run(run_body, &body), 0);
}

/* Reads and removes every file; returns how many there were. */
static size_t empty_directory(char *last, size_t bytes)
{
    size_t count = 0;
    DIR *files = opendir(directory);
    struct dirent *entry;
    while ((entry = readdir(files))) {
        char path[512];
        if (entry->d_name[0] == '.' && strlen(entry->d_name) <= 2)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        FILE *file = fopen(path, "r");
        last[fread(last, 1, bytes - 1, file)] = '\0';
        fclose(file);
        unlink(path);
        assert_non_null(strstr(entry->d_name, ".eml"));
        assert_null(strstr(entry->d_name, ".part"));
        count++;
    }
    closedir(files);
    return count;
}

static void send_into_outbox(void)
{
    struct err err;
    delivery = delivery_open_outbox(directory, &err);
    assert_non_null(delivery);
    struct delivery_result result = send_message("1abc");
    assert_int_equal(result.status, DELIVERY_OK);
    assert_int_equal(result.reply.code, 250);
    assert_non_null(strstr(result.reply.text, "-1abc-1.eml"));
    assert_int_equal(send_message("../../x/y").status, DELIVERY_OK);
    assert_int_equal(send_message("1abc").status, DELIVERY_OK);
    char last[512];
    assert_int_equal(empty_directory(last, sizeof last), 3);
    assert_string_equal(last, "X-Postern-Envelope-From: <>\r\n"
                              "X-Postern-Envelope-To: <to@dest.test>\r\nA: b\r\n\r\n.body");
    rmdir(directory);
    result = send_message("1abc");
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_int_equal(result.reply.code, 451);
}

static void each_message_is_a_file_with_its_envelope_on_top(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    run(send_into_outbox);
}

static void an_outbox_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct err err;
    assert_null(delivery_open_outbox("/proc/none/outbox", &err));
    assert_non_null(strstr(err.text, "/proc/none/outbox"));
}

static void capture(void *arg, const struct delivery_request *request, struct arena *into,
                    struct delivery_result *result)
{
    (void)into;
    *(size_t *)arg += request->part_count;
    result->status = DELIVERY_OK;
    result->reply = reply_make(250, "2.0.0", "seen");
}

static void send_into_function(void)
{
    size_t parts = 0;
    delivery = delivery_open_capture(capture, &parts);
    assert_string_equal(send_message("x").reply.text, "seen");
    assert_int_equal(parts, 2);
    assert_int_equal(delivery_reconfigure(delivery, &(struct delivery_options){0}, NULL),
                     0);
    delivery_each_connection(delivery, NULL, NULL);
}

static void a_function_gets_the_request(void **state)
{
    (void)state;
    run(send_into_function);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(each_message_is_a_file_with_its_envelope_on_top),
        cmocka_unit_test(an_outbox_that_cannot_be_is_refused),
        loop_test(a_function_gets_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
