/* All names of a walk are known before it starts, so they are asked for at once, and then read in order
 * as if they had been asked one after the other: what lies above a psd=y or psd=n is not looked at.
 *
 * The walk that RFC 9989 section 4.10.1 starts at the parent of an Author Domain without a record, and the
 * one that section 4.10.2 starts at the domain, look at the same names and choose the same record, so
 * here they are one. */
#include "dmarc_walk.h"

#include <errno.h>

#include "base/task.h"

#define SHORT_LABELS (DMARC_WALK_LEVELS_MAX - 1)

static size_t label_count(struct str domain)
{
    size_t count = 1;
    for (size_t i = 0; i < domain.length; i++)
        count += domain.at[i] == '.';
    return count;
}

/* The last `count` labels of a domain that has at least as many. */
static struct str last_labels(struct str domain, size_t count)
{
    for (size_t labels = label_count(domain); labels > count; labels--)
        str_cut(&domain, '.');
    return domain;
}

void dmarc_walk_init(struct dmarc_walk *walk, struct dns *dns, struct arena *arena,
                     struct str domain)
{
    *walk = (struct dmarc_walk){.dns = dns, .arena = arena, .count = 1};
    walk->levels[0].domain = domain;
    size_t labels = label_count(domain) - 1;
    for (labels = labels < SHORT_LABELS ? labels : SHORT_LABELS; labels; labels--)
        walk->levels[walk->count++].domain = last_labels(domain, labels);
}

void dmarc_walk_share(struct dmarc_walk *walk, const struct dmarc_walk *known)
{
    for (size_t i = 0; i < walk->count; i++)
        for (size_t j = 0; j < known->count; j++)
            if (known->levels[j].is_asked && !walk->levels[i].is_asked &&
                str_equal(walk->levels[i].domain, known->levels[j].domain))
                walk->levels[i] = known->levels[j];
}

/* --- asking --- */

/* RFC 9989 section 4.10: what does not start with the version is discarded; several discard each other. */
static void read_answer(const struct dns_answer *answer, struct arena *arena,
                        struct dmarc_level *level)
{
    const struct dns_record *found = NULL;
    size_t count = 0;
    level->is_failed = answer->status == DNS_FAILED;
    for (size_t i = 0; i < answer->count; i++)
        if (dmarc_record_is_one(answer->records[i].text)) {
            found = &answer->records[i];
            count++;
        }
    level->has_record = count == 1;
    level->has_several = count > 1;
    if (level->has_record) {
        level->text = found->text;
        dmarc_record_parse(found->text, arena, &level->record);
    }
}

struct level_question {
    struct dmarc_walk *walk;
    struct dmarc_level *level;
};

static int ask_level(void *arg)
{
    struct level_question *question = arg;
    struct dmarc_walk *walk = question->walk;
    struct dmarc_level *level = question->level;
    struct dns_answer answer;
    struct str name =
        str_of(arena_printf(walk->arena, "_dmarc.%.*s", STR_ARG(level->domain)));
    level->is_asked = true;
    walk->query_count++;
    int result = dns_ask(walk->dns, name, DNS_TXT, walk->arena, &answer);
    if (result < 0)
        level->is_failed = true;
    else
        read_answer(&answer, walk->arena, level);
    return result == -ECANCELED ? result : 0;
}

int dmarc_walk_ask_first(struct dmarc_walk *walk)
{
    struct level_question question = {walk, &walk->levels[0]};
    return walk->levels[0].is_asked ? 0 : ask_level(&question);
}

int dmarc_walk_ask_all(struct dmarc_walk *walk)
{
    struct level_question questions[DMARC_WALK_LEVELS_MAX];
    struct task_job jobs[DMARC_WALK_LEVELS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->levels[i].is_asked)
            continue;
        questions[count] = (struct level_question){walk, &walk->levels[i]};
        jobs[count] = (struct task_job){.fn = ask_level, .arg = &questions[count]};
        count++;
    }
    if (count == 0)
        return 0;
    return count == 1 ? ask_level(&questions[0]) : task_gather("dmarc", jobs, count);
}

/* --- what was found --- */

/* The level of this very domain if it has a record, or NULL. */
static const struct dmarc_level *find_record(const struct dmarc_walk *walk,
                                             struct str domain)
{
    for (size_t i = 0; i < walk->count; i++)
        if (walk->levels[i].has_record && str_equal(walk->levels[i].domain, domain))
            return &walk->levels[i];
    return NULL;
}

struct dmarc_walk_end dmarc_walk_finish(const struct dmarc_walk *walk)
{
    struct str start = walk->levels[0].domain;
    struct dmarc_walk_end end = {.organizational_domain = start};
    for (size_t i = 0; i < walk->count; i++) {
        const struct dmarc_level *level = &walk->levels[i];
        if (level->is_failed)
            return (struct dmarc_walk_end){.is_failed = true};
        if (!level->has_record)
            continue;
        end.organizational_domain = level->domain;
        end.inherited = level;
        if (level->record.psd == DMARC_PSD_YES && i > 0) {
            end.organizational_domain = last_labels(start, label_count(level->domain) + 1);
            const struct dmarc_level *own = find_record(walk, end.organizational_domain);
            end.inherited = own ? own : level;
        }
        if (level->record.psd != DMARC_PSD_UNKNOWN)
            break;
    }
    return end;
}

void dmarc_walk_tell(const struct dmarc_walk *walk, struct auth_dmarc *dmarc)
{
    for (size_t i = 0; i < walk->count; i++) {
        const struct dmarc_level *level = &walk->levels[i];
        if (!level->is_asked)
            continue;
        size_t length = level->text.length;
        dmarc->steps[dmarc->step_count++] = (struct auth_dmarc_step){
            .domain = level->domain,
            .found = level->is_failed     ? DMARC_FOUND_FAILURE
                     : level->has_several ? DMARC_FOUND_SEVERAL
                     : level->has_record  ? DMARC_FOUND_RECORD
                                          : DMARC_FOUND_NOTHING,
            .record = str_part(level->text, 0,
                               length < DMARC_RECORD_BYTES_TOLD ? length
                                                                : DMARC_RECORD_BYTES_TOLD),
        };
    }
}
