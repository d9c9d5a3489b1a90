/* The file of secrets: made once, read strictly, rotated; and what is made with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secret_of.h"
#include "test.h"

#include "mail/secret.h"

#define ONE SECRET_COUNTING

static char directory[64], path[96];

static int open_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/postern-secret-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/secret", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory); /* fails when something was left beside the file */
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static size_t read_file(char text[2048])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, 2047, file);
    fclose(file);
    text[length] = 0;
    return length;
}

static struct secret *open_well(void)
{
    struct err err = {0};
    struct secret *secret = secret_open(path, &err);
    if (!secret)
        fail_msg("%s", err.text);
    return secret;
}

static void a_missing_file_is_made_for_its_owner_alone(void **state)
{
    (void)state;
    struct secret *first = open_well(), *second = open_well();
    struct stat file;
    char text[2048];
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_int_equal(read_file(text), 65);
    assert_int_equal(secret_count(first), 1);
    unsigned char a[SECRET_MAC_BYTES], b[SECRET_MAC_BYTES];
    secret_mac(first, 0, SECRET_SRS, STR("x"), a);
    secret_mac(second, 0, SECRET_SRS, STR("x"), b);
    assert_memory_equal(a, b, sizeof a);
    secret_free(first);
    secret_free(second);
    secret_free(NULL);
}

static void processes_that_start_together_have_one_secret(void **state)
{
    (void)state;
    enum { PROCESSES = 8 };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct secret *secret = secret_open(path, NULL);
            char tag[32] = {0};
            if (secret)
                secret_tag(secret, SECRET_HOP, STR("x"), tag, sizeof tag);
            _exit(write(ends[1], tag, sizeof tag) == sizeof tag ? 0 : 1);
        }
    }
    char tags[PROCESSES][32];
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], tags[i], sizeof tags[i]), sizeof tags[i]);
        assert_int_not_equal(tags[i][0], 0);
        assert_memory_equal(tags[i], tags[0], sizeof tags[i]);
    }
    close(ends[0]);
    close(ends[1]);
}

static void what_is_malformed_is_told_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        int code;
        const char *says;
    } cases[] = {
        {"", 0600, -EINVAL, "no secret"},
        {"\n \n", 0600, -EINVAL, "no secret"},
        {ONE "\nabc\n", 0600, -EINVAL, ":2: "},
        {ONE "0\n", 0600, -EINVAL, ":1: "},
        {"\ng" ONE "\n", 0600, -EINVAL, ":2: "},
        {"0x" ONE "\n", 0600, -EINVAL, ":1: "},
        {ONE "\n" ONE "\n" ONE "\n" ONE "\n" ONE "\n" ONE "\n" ONE "\n" ONE "\n" ONE "\n",
         0600, -EINVAL, ":9: "},
        {ONE "\n", 0604, -EPERM, "604"},
        {ONE "\n", 0620, -EPERM, "620"},
        {ONE "\n", 0601, -EPERM, "601"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        write_file(cases[i].text, cases[i].mode);
        struct secret *secret = secret_open(path, &err);
        if (secret || err.code != cases[i].code || !strstr(err.text, cases[i].says))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(secret_rotate(path, &err), cases[i].code);
    }
}

static void a_large_file_and_a_missing_folder_are_refused(void **state)
{
    (void)state;
    static char blanks[5000];
    struct err err = {0};
    memset(blanks, '\n', sizeof blanks - 1);
    write_file(blanks, 0600);
    assert_null(secret_open(path, &err));
    assert_int_equal(err.code, -EFBIG);
    assert_null(secret_open("/nowhere/at/all", &err));
    assert_int_equal(err.code, -ENOENT);
    assert_int_equal(secret_rotate("/nowhere/at/all", &err), -ENOENT);
}

static void blank_lines_crlf_capitals_and_a_readable_group_are_taken(void **state)
{
    (void)state;
    write_file("\r\n000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\r\n"
               "\n" SECRET_ONES,
               0640);
    struct secret *secret = open_well();
    assert_int_equal(secret_count(secret), 2);
    secret_free(secret);
}

/* Python: hmac(hmac(bytes(range(32)), b"postern srs"), b"text"), and so on. */
static void macs_and_tags_have_their_known_values(void **state)
{
    (void)state;
    static const char *const known[] = {
        [SECRET_SRS] = "9a66acf8336472577ff4be45382ac325e93f4b62034ff3309e6bfbe74695715e",
        [SECRET_HOP] = "4a0b0022aae1af0a511967d880eec4bd1c6bbb01508218f08702bb4f323c20a7",
        [SECRET_LEDGER] =
            "c83456634fc4e0920f71512f7f4640a7d02f33f728155e3ae0751935ad1f8065"};
    write_file(ONE "\n", 0600);
    struct secret *secret = open_well();
    for (size_t purpose = 0; purpose < 3; purpose++) {
        unsigned char mac[SECRET_MAC_BYTES];
        char text[2 * SECRET_MAC_BYTES + 1];
        secret_mac(secret, 0, (enum secret_purpose)purpose, STR("text"), mac);
        for (size_t i = 0; i < sizeof mac; i++)
            snprintf(text + 2 * i, 3, "%02x", mac[i]);
        assert_string_equal(text, known[purpose]);
    }
    char tag[SECRET_TAG_DIGITS_MAX + 1] = {0};
    secret_tag(secret, SECRET_SRS, STR("text"), tag, SECRET_TAG_DIGITS_MAX);
    assert_string_equal(tag, "TJTKZ6BTMRZFO77UXZCTQKWDEXUT6S3CANH7GME6NP56ORUVOFP");
    secret_free(secret);
}

static void a_tag_holds_for_its_text_and_purpose_in_either_case(void **state)
{
    (void)state;
    struct secret *secret = open_well();
    char tag[8];
    secret_tag(secret, SECRET_SRS, STR("text"), tag, sizeof tag);
    struct str whole = {tag, sizeof tag};
    assert_true(secret_tag_verify(secret, SECRET_SRS, STR("text"), whole));
    assert_false(secret_tag_verify(secret, SECRET_HOP, STR("text"), whole));
    assert_false(secret_tag_verify(secret, SECRET_SRS, STR("texts"), whole));
    assert_false(secret_tag_verify(secret, SECRET_SRS, STR("text"), STR("")));
    assert_false(secret_tag_verify(secret, SECRET_SRS, STR("text"), STR("1111=\0\xff!")));
    char endless[SECRET_TAG_DIGITS_MAX + 1];
    memset(endless, 'A', sizeof endless);
    assert_false(secret_tag_verify(secret, SECRET_SRS, STR("text"),
                                   (struct str){endless, sizeof endless}));
    for (size_t i = 0; i < sizeof tag; i++)
        tag[i] = ascii_lower(tag[i]);
    assert_true(secret_tag_verify(secret, SECRET_SRS, STR("text"), whole));
    for (size_t i = 0; i < sizeof tag; i++) {
        char was = tag[i];
        tag[i] = was == 'a' ? 'b' : 'a';
        assert_false(secret_tag_verify(secret, SECRET_SRS, STR("text"), whole));
        tag[i] = was;
    }
    secret_free(secret);
}

static void a_rotation_keeps_what_is_under_way(void **state)
{
    (void)state;
    write_file(ONE "\n", 0640);
    struct secret *before = open_well();
    char tag[26];
    secret_tag(before, SECRET_SRS, STR("x"), tag, sizeof tag);
    for (int i = 1; i < SECRETS_MAX; i++) {
        assert_int_equal(secret_rotate(path, NULL), 0);
        struct secret *after = open_well();
        assert_int_equal(secret_count(after), i + 1);
        assert_true(
            secret_tag_verify(after, SECRET_SRS, STR("x"), (struct str){tag, sizeof tag}));
        char present[26];
        secret_tag(after, SECRET_SRS, STR("x"), present, sizeof present);
        assert_memory_not_equal(present, tag, sizeof tag);
        secret_free(after);
    }
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0640);
    assert_int_equal(secret_rotate(path, NULL), 0);
    struct secret *last = open_well();
    assert_int_equal(secret_count(last), SECRETS_MAX);
    assert_false(
        secret_tag_verify(last, SECRET_SRS, STR("x"), (struct str){tag, sizeof tag}));
    secret_free(last);
    secret_free(before);
}

static void rotations_at_the_same_time_all_count(void **state)
{
    (void)state;
    enum { ROTATIONS = SECRETS_MAX - 1 };
    write_file(ONE "\n", 0600);
    pid_t children[ROTATIONS];
    for (int i = 0; i < ROTATIONS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(secret_rotate(path, NULL) == 0 ? 0 : 1);
    }
    for (int i = 0; i < ROTATIONS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct secret *secret = open_well();
    assert_int_equal(secret_count(secret), SECRETS_MAX);
    secret_free(secret);
}

#define file_test(name)                                                                    \
    cmocka_unit_test_setup_teardown(name, open_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(a_missing_file_is_made_for_its_owner_alone),
        file_test(processes_that_start_together_have_one_secret),
        file_test(what_is_malformed_is_told_by_line),
        file_test(a_large_file_and_a_missing_folder_are_refused),
        file_test(blank_lines_crlf_capitals_and_a_readable_group_are_taken),
        file_test(macs_and_tags_have_their_known_values),
        file_test(a_tag_holds_for_its_text_and_purpose_in_either_case),
        file_test(a_rotation_keeps_what_is_under_way),
        file_test(rotations_at_the_same_time_all_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
