/* `postern types`: the LuaLS annotations of this very version beside the scripts, and a .luarc.json by which an editor
 * finds them. What is written is ours to replace; a .luarc.json that is there is left alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "isolate/embedded.h"

#define DEFAULT_FOLDER "scripts"
#define TYPES_FOLDER   ".postern-types"

static const char settings[] =
    "{\n"
    "  \"runtime.version\": \"LuaJIT\",\n"
    "  \"runtime.builtin\": { \"io\": \"disable\", \"debug\": \"disable\", "
    "\"package\": \"disable\" },\n"
    "  \"workspace.library\": [\"" TYPES_FOLDER "\"]\n"
    "}\n";

static int write_file(const char *path, const char *mode, struct str text, struct err *err)
{
    FILE *file = fopen(path, mode);
    if (!file)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    bool is_broken = fwrite(text.at, 1, text.length, file) != text.length;
    if (fclose(file) != 0 || is_broken)
        return err_set(err, -EIO, "%s cannot be written", path);
    printf("%s\n", path);
    return 0;
}

static int write_types(const char *folder, struct arena *arena, struct err *err)
{
    const char *types = arena_printf(arena, "%s/" TYPES_FOLDER, folder);
    if (mkdir(types, 0777) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", types, strerror(errno));
    for (size_t i = 0; i < embedded_text_count && err->code == 0; i++) {
        const struct embedded_text *text = &embedded_texts[i];
        if (!str_starts(str_of(text->name), STR("_meta/")))
            continue;
        const char *path =
            arena_printf(arena, "%s/%s.lua", types, text->name + strlen("_meta/"));
        write_file(path, "w", (struct str){text->text, text->length}, err);
    }
    if (err->code)
        return err->code;
    const char *luarc = arena_printf(arena, "%s/.luarc.json", folder);
    struct stat facts;
    if (stat(luarc, &facts) < 0)
        return write_file(luarc, "wx", str_of(settings), err);
    printf("%s is there; see that its workspace.library has \"" TYPES_FOLDER "\"\n", luarc);
    return 0;
}

int cli_types(const struct cli_command *command, int argc, char **argv)
{
    const char *folder = DEFAULT_FOLDER;
    struct cli_arguments arguments = {.positional = &folder, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    struct err err = {0};
    struct arena *arena = arena_new();
    exit_code = EXIT_SUCCESS;
    if (write_types(folder, arena, &err) < 0) {
        fprintf(stderr, "postern types: %s\n", err.text);
        exit_code = EXIT_FAILURE;
    }
    arena_free(arena);
    return exit_code;
}
