/* `postern new worker NAME`: a script to begin with, and its test. Files that are there stay as they are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"

#define DEFAULT_FOLDER "scripts"
#define EXIT_MISTAKE   2
#define NAME_BYTES_MAX 64

static const char script[] =
    "-- What this worker is for.\n"
    "--\n"
    "--   variables:  TEAM    where the mail goes\n"
    "return {\n"
    "  email = function(message, env, ctx)\n"
    "    -- message.from, message.to, message.headers:get \"Subject\", "
    "message:parse().text and more;\n"
    "    -- `postern types` lets your editor show all of it.\n"
    "    log.info(\"mail from\", message.from)\n"
    "\n"
    "    -- To refuse it:  return message:setReject \"the sender is told this\"\n"
    "    -- To answer it:  message:reply { text = \"Thank you.\\n\" }\n"
    "\n"
    "    message:forward(env.TEAM or \"team@example.com\")\n"
    "  end,\n"
    "}\n";

static const char test[] =
    "-- `postern test` runs this: each message goes through the worker as in service, but "
    "nothing leaves.\n"
    "local worker = load_worker \"%s\"\n"
    "\n"
    "describe(\"%s\", function()\n"
    "  it(\"forwards to the team\", function()\n"
    "    local result = worker:email(fake.message { subject = \"Hi\" }, { env = { TEAM = "
    "\"me@corp.test\" } })\n"
    "    assert.equal(\"ok\", result.outcome)\n"
    "    assert.equal(\"me@corp.test\", result.forwards[1].to)\n"
    "  end)\n"
    "\n"
    "  it(\"passes on what the team's server says\", function()\n"
    "    local result = worker:email(fake.message(), {\n"
    "      env = { TEAM = \"me@corp.test\" },\n"
    "      upstream = { [\"me@corp.test\"] = \"550 5.1.1 no such user\" },\n"
    "    })\n"
    "    assert.equal(550, result.reply.code)\n"
    "  end)\n"
    "end)\n";

static bool is_worker_name(struct str name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!ascii_alnum(name.at[i]) && name.at[i] != '_' && name.at[i] != '-')
            return false;
    return name.length > 0 && name.length <= NAME_BYTES_MAX;
}

/* A new file, or none at all. */
static int write_new(const char *path, const char *text, struct err *err)
{
    FILE *file = fopen(path, "wx");
    if (!file)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    bool is_broken = fputs(text, file) < 0;
    if (fclose(file) != 0 || is_broken) {
        remove(path);
        return err_set(err, -EIO, "%s cannot be written", path);
    }
    return 0;
}

static int write_worker(const char *name, const char *folder, struct arena *arena,
                        struct err *err)
{
    const char *script_path = arena_printf(arena, "%s/%s.lua", folder, name);
    const char *test_path = arena_printf(arena, "%s/%s_test.lua", folder, name);
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", folder, strerror(errno));
    struct stat facts;
    if (stat(test_path, &facts) == 0)
        return err_set(err, -EEXIST, "%s: %s", test_path, strerror(EEXIST));
    if (write_new(script_path, script, err) < 0 ||
        write_new(test_path, arena_printf(arena, test, name, name), err) < 0)
        return err->code;
    printf(
        "%s\n%s\n\nTest it:      postern test %s\nLet mail in:  a line under `rules:` of a"
        " domain, as in\n\n  - {to: %s@, worker: %s}\n",
        script_path, test_path, test_path, name, name);
    return 0;
}

int cli_new(const struct cli_command *command, int argc, char **argv)
{
    const char *words[3] = {NULL, NULL, DEFAULT_FOLDER};
    struct cli_arguments arguments = {.positional = words, .positional_max = 3};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (!words[1] || !str_equal(str_of(words[0]), STR("worker")) ||
        !is_worker_name(str_of(words[1]))) {
        fprintf(stderr,
                "postern new: say what and its name, which has letters, digits, _ and - "
                "only\nusage: postern %s %s\n",
                command->name, command->usage);
        return EXIT_MISTAKE;
    }
    struct err err = {0};
    struct arena *arena = arena_new();
    exit_code = EXIT_SUCCESS;
    if (write_worker(words[1], words[2], arena, &err) < 0) {
        fprintf(stderr, "postern new: %s\n", err.text);
        exit_code = EXIT_FAILURE;
    }
    arena_free(arena);
    return exit_code;
}
