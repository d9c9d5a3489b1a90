/* The command line: one file per subcommand, each with a row in this table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct cli_command {
    const char *name;
    const char *usage; /* what follows the name: "[DIR] [--json]" */
    const char *summary;
    int (*run)(const struct cli_command *command, int argc, char **argv);
};

/* The rows, ended by one without a name. */
extern const struct cli_command cli_commands[];

int cli_serve(const struct cli_command *command, int argc, char **argv);
int cli_dev(const struct cli_command *command, int argc, char **argv);
int cli_options(const struct cli_command *command, int argc, char **argv);
int cli_check(const struct cli_command *command, int argc, char **argv);
int cli_run(const struct cli_command *command, int argc, char **argv);
int cli_test(const struct cli_command *command, int argc, char **argv);
int cli_new(const struct cli_command *command, int argc, char **argv);
int cli_types(const struct cli_command *command, int argc, char **argv);
int cli_send(const struct cli_command *command, int argc, char **argv);
int cli_explain(const struct cli_command *command, int argc, char **argv);
int cli_keys(const struct cli_command *command, int argc, char **argv);
int cli_dns(const struct cli_command *command, int argc, char **argv);
int cli_status(const struct cli_command *command, int argc, char **argv);
int cli_queues(const struct cli_command *command, int argc, char **argv);
int cli_queue(const struct cli_command *command, int argc, char **argv);
int cli_log(const struct cli_command *command, int argc, char **argv);
int cli_replay(const struct cli_command *command, int argc, char **argv);
int cli_srs(const struct cli_command *command, int argc, char **argv);

/* --- arguments --- */

struct cli_flag {
    const char *name;       /* "--from" */
    const char *value_name; /* "ADDRESS"; NULL: the flag stands alone */
    const char *help;
    const char **value; /* set when given; for a flag that stands alone, to its name */
};

/* The flag whose `value` is the first of these fills all of them, in order. */
struct cli_list {
    const char **values;
    size_t max, count;
};

struct cli_arguments {
    const struct cli_flag *flags;
    size_t flag_count;
    const char **positional; /* filled, in order */
    size_t positional_max;
    size_t positional_count;
    struct cli_list *lists; /* of flags that may be given several times */
    size_t list_count;
    void (*more_help)(void); /* printed after the flags by --help; may be NULL */
};

/* Reads argv[1…]. 0: go on; else the process ends with *exit_code (--help: 0; a mistake, which has been
 * told: 2). */
int cli_arguments_read(const struct cli_command *command, struct cli_arguments *arguments,
                       int argc, char **argv, int *exit_code);

/* The rules directory when none is named. */
#define CLI_DIRECTORY "rules"

/* A file's bytes ("-": standard input), at most `bytes_max`; in the arena. */
struct arena;
struct err;
int cli_read_file(const char *path, size_t bytes_max, struct arena *arena,
                  struct str *content, struct err *err);
/* The same for a message, as if it had just come: lines end with CRLF, its header is read, it has an id. */
struct message;
int cli_read_message(const char *path, size_t bytes_max, struct message *message,
                     struct err *err);
int cli_make_message(struct str content, size_t bytes_max, struct message *message,
                     struct err *err);

/* One message sent to an SMTP server in the clear, in a task: 0 with the server's reply as a line, or
 * the reply's class as an exit code (75: try again later, 69: refused). */
struct cli_message {
    const char *server; /* host:port */
    const char *from, *to;
    struct str content; /* CRLF lines */
};
int cli_send_message(const struct cli_message *message, struct arena *arena,
                     struct str *answer);
