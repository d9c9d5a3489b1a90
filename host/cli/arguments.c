#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "mail/encode.h"
#include "mail/message.h"

static void print_help(const struct cli_command *command,
                       const struct cli_arguments *arguments)
{
    printf("postern %s %s\n\n%s\n", command->name, command->usage, command->summary);
    if (arguments->flag_count)
        puts("");
    for (size_t i = 0; i < arguments->flag_count; i++) {
        const struct cli_flag *flag = &arguments->flags[i];
        char left[64];
        snprintf(left, sizeof left, "%s %s", flag->name,
                 flag->value_name ? flag->value_name : "");
        printf("  %-24s %s\n", left, flag->help);
    }
    if (arguments->more_help)
        arguments->more_help();
}

static int mistake(const struct cli_command *command, int *exit_code, const char *what,
                   const char *which)
{
    fprintf(stderr, "postern %s: %s %s\nusage: postern %s %s\n", command->name, what, which,
            command->name, command->usage);
    *exit_code = 2;
    return -EINVAL;
}

static const struct cli_flag *find_flag(const struct cli_arguments *arguments,
                                        struct str name)
{
    for (size_t i = 0; i < arguments->flag_count; i++)
        if (str_equal(name, str_of(arguments->flags[i].name)))
            return &arguments->flags[i];
    return NULL;
}

/* NULL: there is no room for one more. */
static const char **place_of_value(const struct cli_arguments *arguments,
                                   const struct cli_flag *flag)
{
    for (size_t i = 0; i < arguments->list_count; i++) {
        struct cli_list *list = &arguments->lists[i];
        if (flag->value == list->values)
            return list->count < list->max ? &list->values[list->count++] : NULL;
    }
    return flag->value;
}

/* The flag in argv[*i], with its value, which may be the word that follows: *i is the last word taken. */
static int take_flag(const struct cli_command *command,
                     const struct cli_arguments *arguments, char **argv, int *i,
                     int *exit_code)
{
    struct str word = str_of(argv[*i]), rest = word;
    const struct cli_flag *flag = find_flag(arguments, str_cut(&rest, '='));
    if (!flag)
        return mistake(command, exit_code, "unknown flag", argv[*i]);
    bool has_value = str_index(word, '=') >= 0;
    if (has_value && !flag->value_name)
        return mistake(command, exit_code, "takes no value:", flag->name);
    const char **value = place_of_value(arguments, flag);
    if (!value)
        return mistake(command, exit_code, "given too often:", flag->name);
    if (!flag->value_name)
        *value = flag->name;
    else if (has_value)
        *value = rest.at;
    else if (argv[*i + 1])
        *value = argv[++*i];
    else
        return mistake(command, exit_code, "a value is missing after", flag->name);
    return 0;
}

int cli_arguments_read(const struct cli_command *command, struct cli_arguments *arguments,
                       int argc, char **argv, int *exit_code)
{
    int result = 0;
    for (int i = 1; i < argc && result == 0; i++) {
        struct str word = str_of(argv[i]);
        if (str_equal(word, STR("--help")) || str_equal(word, STR("-h"))) {
            print_help(command, arguments);
            *exit_code = 0;
            return -ECANCELED;
        }
        if (str_starts(word, STR("-")) && word.length > 1)
            result = take_flag(command, arguments, argv, &i, exit_code);
        else if (arguments->positional_count == arguments->positional_max)
            result = mistake(command, exit_code, "one argument too many:", argv[i]);
        else
            arguments->positional[arguments->positional_count++] = argv[i];
    }
    return result;
}

int cli_read_file(const char *path, size_t bytes_max, struct arena *arena,
                  struct str *content, struct err *err)
{
    int fd =
        str_equal(str_of(path), STR("-")) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    struct buf bytes;
    buf_init(&bytes, bytes_max);
    ssize_t got = 1;
    int result = 0;
    while (got > 0 && result == 0) {
        char block[16 * 1024];
        got = read(fd, block, sizeof block);
        if (got < 0)
            result = err_set(err, -errno, "%s: %s", path, strerror(errno));
        else if (buf_append(&bytes, (struct str){block, (size_t)got}) < 0)
            result = err_set(err, -EFBIG, "%s: larger than %zu bytes", path, bytes_max);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    *content = arena_str(arena, buf_view(&bytes));
    buf_free(&bytes);
    return result;
}

int cli_make_message(struct str content, size_t bytes_max, struct message *message,
                     struct err *err)
{
    struct buf raw;
    buf_init(&raw, bytes_max);
    int result = 0;
    if (encode_lines(content, &raw) < 0)
        result = err_set(err, -EFBIG, "the message is larger than %zu bytes", bytes_max);
    message->raw = blob_copy(buf_view(&raw));
    buf_free(&raw);
    header_parse(blob_view(message->raw), message->arena, &message->header);
    message->id = message_new_id(message->arena);
    message->is_8bit = str_has_8bit(blob_view(message->raw));
    message->received_at = unix_now_ms();
    return result;
}

int cli_read_message(const char *path, size_t bytes_max, struct message *message,
                     struct err *err)
{
    struct str file = {0};
    int result = cli_read_file(path, bytes_max, message->arena, &file, err);
    int made = cli_make_message(file, bytes_max, message, err);
    return result < 0 ? result : made;
}
