/* Real messages: from the folder POSTERN_CORPUS, or ../shared/corpus beside the source root. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "mail/encode.h"
#include "mail/message.h"

static const char *folder(void)
{
    const char *given = getenv("POSTERN_CORPUS");
    return given ? given : "../shared/corpus";
}

static void read_file(const char *name, struct buf *content)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t bytes = 1; bytes;) {
        char *room = buf_reserve(content, 65536);
        assert_non_null(room);
        bytes = fread(room, 1, 65536, file);
        buf_extend(content, bytes);
    }
    fclose(file);
}

/* The fields and the body make up the message, and each field its own parts. */
static void check_index(struct str raw, const char *name)
{
    struct arena *arena = arena_new();
    struct header header;
    header_parse(raw, arena, &header);
    size_t end = 0;
    for (size_t i = 0; i < header.count; i++) {
        const struct header_field *field = &header.fields[i];
        assert_ptr_equal(field->whole.at, raw.at + end);
        assert_ptr_equal(field->name.at, field->whole.at);
        assert_true(field->value.at > field->name.at + field->name.length);
        assert_true(field->value.at + field->value.length + 2 ==
                    field->whole.at + field->whole.length);
        end += field->whole.length;
    }
    if (header.count == 0 || header_value(&header, STR("From"), arena).length == 0)
        fail_msg("%s: no From", name);
    assert_true(str_equal(str_part(raw, end, header.body_offset - end), STR("\r\n")));
    arena_free(arena);
}

static void real_messages_are_indexed_whole(void **state)
{
    (void)state;
    DIR *directory = opendir(folder());
    if (!directory) {
        print_message("no corpus at %s (set POSTERN_CORPUS)\n", folder());
        skip();
        return;
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!str_ends_nocase(str_of(entry->d_name), STR(".eml")))
            continue;
        struct buf content, lines;
        buf_init(&content, 10000000);
        buf_init(&lines, 10000000);
        read_file(entry->d_name, &content);
        assert_int_equal(encode_lines(buf_view(&content), &lines), 0);
        check_index(buf_view(&lines), entry->d_name);
        buf_free(&content);
        buf_free(&lines);
        count++;
    }
    closedir(directory);
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_messages_are_indexed_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
