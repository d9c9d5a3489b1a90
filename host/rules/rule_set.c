/* The set: made from the files of a directory, or from text, and counted from then on. */
#include "rules/rule_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/internal.h"
#include "rules/load.h"

static struct rule_set *new_set(void)
{
    struct rule_set *set = mem_zero(1, sizeof *set);
    set->references = 1;
    set->arena = arena_new();
    set->patterns = pattern_set_new();
    set->addresses = table_new();
    set->domains = table_new();
    return set;
}

struct rule_set *rule_set_keep(struct rule_set *set)
{
    set->references++;
    return set;
}

void rule_set_release(struct rule_set *set)
{
    if (!set || --set->references > 0)
        return;
    table_free(set->addresses);
    table_free(set->domains);
    pattern_set_free(set->patterns);
    arena_free(set->arena);
    free(set);
}

/* --- making --- */

static const struct rule_vocabulary anything;

/* The set, unless problems were found since there were `problems_before`. */
static struct rule_set *finished(struct rule_set *set, const struct problem_list *problems,
                                 size_t problems_before)
{
    if (problems->count == problems_before)
        return set;
    rule_set_release(set);
    return NULL;
}

struct rule_set *rule_set_parse(const struct rule_text texts[], size_t count,
                                const struct rule_vocabulary *vocabulary,
                                struct problem_list *problems)
{
    struct rule_set *set = new_set();
    size_t problems_before = problems->count;
    for (size_t i = 0; i < count; i++) {
        struct arena *scratch = arena_new();
        struct node *root = document_parse(texts[i].text, texts[i].file, scratch, problems);
        if (root)
            load_domain_file(set, vocabulary ? vocabulary : &anything, root, scratch,
                             problems);
        arena_free(scratch);
    }
    return finished(set, problems, problems_before);
}

static int is_rule_file(const struct dirent *entry)
{
    struct str name = str_of(entry->d_name);
    if (str_starts(name, STR(".")) || str_equal(name, STR("host.yaml")))
        return 0;
    return str_ends_nocase(name, STR(".yaml")) || str_ends_nocase(name, STR(".yml")) ||
           str_ends_nocase(name, STR(".json"));
}

/* "rules" and "rules/" give the same paths in problems. */
static struct str without_final_slash(struct str directory)
{
    while (directory.length > 1 && directory.at[directory.length - 1] == '/')
        directory.length--;
    return directory;
}

static void load_file(struct rule_set *set, const struct rule_vocabulary *vocabulary,
                      struct str directory, const char *name, struct problem_list *problems)
{
    struct arena *scratch = arena_new();
    const char *path = arena_printf(scratch, "%.*s/%s", STR_ARG(directory), name);
    struct node *root = document_load(path, scratch, problems);
    if (root)
        load_domain_file(set, vocabulary, root, scratch, problems);
    arena_free(scratch);
}

/* In the order of bytes, whatever the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

struct rule_set *rule_set_load(const char *directory,
                               const struct rule_vocabulary *vocabulary,
                               struct problem_list *problems)
{
    struct rule_set *set = new_set();
    size_t problems_before = problems->count;
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_rule_file, compare_names);
    if (count < 0)
        problem_add(problems, str_of(directory), 0, 0, "cannot be read: %s",
                    strerror(errno));
    for (int i = 0; i < count; i++) {
        load_file(set, vocabulary ? vocabulary : &anything,
                  without_final_slash(str_of(directory)), entries[i]->d_name, problems);
        free(entries[i]);
    }
    free(entries);
    return finished(set, problems, problems_before);
}

/* --- listing --- */

size_t rule_set_rule_count(const struct rule_set *set)
{
    return set->rule_count;
}

size_t rule_set_domain_count(const struct rule_set *set)
{
    return table_count(set->domains);
}

const struct domain_rules *rule_set_find_domain(const struct rule_set *set,
                                                struct str domain)
{
    const struct domain *found = table_get(set->domains, domain);
    return found ? &found->rules : NULL;
}

const struct domain_rules *rule_set_domain(const struct rule_set *set, size_t n)
{
    const struct domain *domain = set->first_domain;
    while (domain && n-- > 0)
        domain = domain->next;
    return domain ? &domain->rules : NULL;
}
