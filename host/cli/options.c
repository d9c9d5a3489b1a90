/* `postern options`: what host.yaml and the files of rules can say, from the tables that their readers use. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "cli/cli.h"
#include "cli/json.h"
#include "rules/reference.h"

#define RANGE_BYTES  96
#define COUNT_ANY    UINT32_MAX
#define EXIT_MISTAKE 2

/* --- forms --- */

static const struct unit {
    const char *name;
    unsigned long long size;
} byte_units[] = {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}},
  time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* In the largest unit of which it is a whole number; the last unit is 1. */
static void print_amount(char text[static RANGE_BYTES / 2], unsigned long long amount,
                         const struct unit *unit)
{
    while (unit->size > 1 && (amount == 0 || amount % unit->size))
        unit++;
    snprintf(text, RANGE_BYTES / 2, "%llu%s", amount / unit->size,
             amount ? unit->name : "");
}

static void print_range(char text[static RANGE_BYTES], const struct option_row *row,
                        const char *what, const struct unit *units)
{
    char least[RANGE_BYTES / 2], most[RANGE_BYTES / 2];
    print_amount(least, row->least, units);
    print_amount(most, row->most, units);
    if (row->most >= COUNT_ANY && row->type == OPTION_COUNT)
        snprintf(text, RANGE_BYTES, "%s from %.40s", what, least);
    else
        snprintf(text, RANGE_BYTES, "%s %.40s to %.40s", what, least, most);
}

/* What may stand there: "size 1KiB to 1GiB". */
static const char *form_of(const struct option_row *row, char text[static RANGE_BYTES])
{
    static const struct unit ones[] = {{"", 1}}, percents[] = {{"%", 1}};
    switch (row->type) {
    case OPTION_TEXT:
        return "text";
    case OPTION_BOOL:
        return "true, false";
    case OPTION_COUNT:
        print_range(text, row, "number", ones);
        break;
    case OPTION_PERCENT:
        print_range(text, row, "percentage", percents);
        break;
    case OPTION_BYTES32:
    case OPTION_BYTES64:
        print_range(text, row, "size", byte_units);
        break;
    case OPTION_DURATION32:
    case OPTION_DURATION64:
        print_range(text, row, "time", time_units);
        break;
    }
    return text;
}

/* --- the list: whatever is done with it, each key is seen once, in order --- */

struct lister {
    const char *wanted; /* section, with those within it; NULL: all */
    size_t section_count;
    void (*begin)(struct lister *lister, const char *file, const char *path,
                  const char *help);
    void (*see)(struct lister *lister, const struct node_key *key);
    json_t *sections, *keys; /* of JSON */
};

static bool is_wanted(const struct lister *lister, const char *path)
{
    size_t length = lister->wanted ? strlen(lister->wanted) : 0;
    return !lister->wanted ||
           (strncmp(path, lister->wanted, length) == 0 && strchr(".[", path[length]));
}

static bool begin_section(struct lister *lister, const char *file, const char *path,
                          const char *help)
{
    if (!is_wanted(lister, path))
        return false;
    lister->section_count++;
    lister->begin(lister, file, path, help);
    return true;
}

static void list_keys(struct lister *lister, const struct node_key *keys)
{
    for (; keys && keys->name; keys++)
        lister->see(lister, keys);
}

static void list_options(struct lister *lister, const struct option_table *options)
{
    for (size_t i = 0; options && i < options->count; i++) {
        const struct option_row *row = &options->rows[i];
        char form[RANGE_BYTES];
        const struct node_key key = {row->key, form_of(row, form), row->preset, row->help};
        lister->see(lister, &key);
    }
}

static void list_all(struct lister *lister)
{
    for (const struct option_section *section = config_reference; section->path;
         section++) {
        if (!begin_section(lister, "host.yaml", section->path, section->help))
            continue;
        list_options(lister, section->options);
        list_keys(lister, section->keys);
    }
    for (const struct rule_section *section = rule_sections; section->path; section++) {
        if (begin_section(lister, "rules", section->path, section->help))
            list_keys(lister, section->keys);
    }
}

/* --- for people --- */

static void print_section(struct lister *lister, const char *file, const char *path,
                          const char *help)
{
    (void)lister;
    bool is_file = !*path;
    printf("\n%s%s%s\n", is_file ? (*file == 'h' ? file : "a file of rules") : path,
           *help ? ": " : "", help);
}

static void print_key(struct lister *lister, const struct node_key *key)
{
    (void)lister;
    printf("  %-28s %-10s %s (%s)\n", key->name, key->preset ? key->preset : "-", key->help,
           key->form);
}

static size_t print_list(const char *wanted)
{
    struct lister lister = {.wanted = wanted, .begin = print_section, .see = print_key};
    if (!wanted)
        puts("Each key with what holds when it is left out, what it is for, and what may "
             "stand there.");
    list_all(&lister);
    return lister.section_count;
}

/* --- for programs --- */

static void add_section(struct lister *lister, const char *file, const char *path,
                        const char *help)
{
    lister->keys = json_array();
    json_array_append_new(lister->sections,
                          json_pack("{s:s, s:s, s:s, s:o}", "file", file, "path", path,
                                    "help", help, "keys", lister->keys));
}

static void add_key(struct lister *lister, const struct node_key *key)
{
    json_array_append_new(lister->keys,
                          json_pack("{s:s, s:s, s:s?, s:s}", "name", key->name, "form",
                                    key->form, "default", key->preset, "help", key->help));
}

static size_t print_json(const char *wanted)
{
    struct lister lister = {
        .wanted = wanted, .begin = add_section, .see = add_key, .sections = json_array()};
    list_all(&lister);
    cli_json_print(lister.sections);
    return lister.section_count;
}

int cli_options(const struct cli_command *command, int argc, char **argv)
{
    const char *is_json = NULL, *wanted = NULL;
    const struct cli_flag flags[] = {{"--json", NULL, "as JSON", &is_json}};
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 1, .positional = &wanted, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (is_json ? print_json(wanted) : print_list(wanted))
        return EXIT_SUCCESS;
    fprintf(stderr, "postern options: there is no section %s\n", wanted);
    return EXIT_MISTAKE;
}
