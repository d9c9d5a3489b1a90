/* What is known is asked for anew by a task of its own, one at a time, once it is older than a second and somebody
 * wants to know; a disk that hangs makes the answer old, and nobody wait. */
#include "space.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "base/task.h"

#define FRESH_MS 1000

struct space {
    char *directory;
    uint64_t bytes_min, inodes_min;
    uint64_t asked_at_ms; /* by a task; 0: not yet */
    bool is_low;
    bool is_asking;   /* the task has it */
    bool is_unwanted; /* the task frees it */
};

struct space_question {
    const struct space *space;
    bool is_low;
};

static void ask(void *arg)
{
    struct space_question *question = arg;
    const struct space *space = question->space;
    struct statvfs found;
    question->is_low = statvfs(space->directory, &found) < 0 ||
                       (uint64_t)found.f_bavail * found.f_frsize < space->bytes_min ||
                       (found.f_files > 0 && found.f_favail < space->inodes_min);
}

struct space *space_open(const char *directory, uint64_t bytes_min, uint64_t inodes_min)
{
    struct space *space = mem_zero(1, sizeof *space);
    space->directory = mem_copy_text(directory, strlen(directory));
    space->bytes_min = bytes_min;
    space->inodes_min = inodes_min;
    struct space_question question = {.space = space};
    ask(&question);
    space->is_low = question.is_low;
    return space;
}

static void destroy(struct space *space)
{
    free(space->directory);
    free(space);
}

void space_free(struct space *space)
{
    if (space && space->is_asking)
        space->is_unwanted = true;
    else if (space)
        destroy(space);
}

static int refresh(void *arg)
{
    struct space *space = arg;
    struct space_question question = {.space = space};
    task_stage("asking how much room %s has", space->directory);
    task_work(ask, &question);
    space->is_low = question.is_low;
    space->asked_at_ms = task_now_ms();
    space->is_asking = false;
    if (space->is_unwanted)
        destroy(space);
    return 0;
}

bool space_is_low(struct space *space)
{
    if (!space->is_asking && task_now_ms() - space->asked_at_ms >= FRESH_MS) {
        space->is_asking = true;
        task_detach(task_start("space", refresh, space));
    }
    return space->is_low;
}
