#include "script_tests.h"

#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/process.h"
#include "base/task.h"

#define TEST_NICENESS      5
#define REPORT_BYTES_MAX   ((size_t)16 * 1024 * 1024)
#define WORDS_BEFORE_FILES 6
#define FILES_AT_ONCE_MAX  100 /* fewer than `postern test` takes */
#define TOLD_MAX           10  /* of one run's failures */
#define PROBLEM_BYTES_MAX  ((size_t)500)
#define LINES_MAX          1000000

const char *script_tests_file(const struct config_worker *worker, struct arena *arena)
{
    struct str stem = str_of(worker->path);
    if (str_ends_nocase(stem, STR(".lua")))
        stem.length -= strlen(".lua");
    const char *file = arena_printf(arena, "%.*s_test.lua", STR_ARG(stem));
    return access(file, F_OK) == 0 ? file : NULL;
}

/* --- the process --- */

/* What one process runs. */
struct batch {
    const char *scripts; /* where modules are */
    const char *const *files;
    size_t count;
};

/* The results go into `results_fd`, which is its fd 3. Mail comes first: it is nice. */
static int start(const struct batch *batch, int results_fd, struct process **process)
{
    const char *words[WORDS_BEFORE_FILES + FILES_AT_ONCE_MAX + 1] = {
        "postern", "test", "--scripts", batch->scripts, "--json", "/proc/self/fd/3"};
    const char *const environment[] = {NULL};
    for (size_t i = 0; i < batch->count; i++)
        words[WORDS_BEFORE_FILES + i] = batch->files[i];
    const struct process_options options = {.path = "/proc/self/exe",
                                            .words = words,
                                            .environment = environment,
                                            .fds = &results_fd,
                                            .fd_count = 1};
    int result = process_start(&options, process);
    if (result == 0)
        setpriority(PRIO_PROCESS, (id_t)process_pid(*process), TEST_NICENESS);
    return result;
}

/* Returns 0 once it has ended by itself, -ETIMEDOUT or -ECANCELED. */
static int run_to_end(const struct batch *batch, int results_fd, uint64_t deadline_ms)
{
    struct process *process;
    int result = start(batch, results_fd, &process);
    if (result < 0)
        return result;
    result = process_wait(process, deadline_ms);
    if (result < 0)
        process_end(process);
    process_free(process);
    return result;
}

/* --- its report --- */

struct reading {
    int fd;
    json_t *results; /* an array, or NULL */
};

/* On a thread: it may be long, and nested deeper than a task's stack would bear. */
static void read_on_thread(void *arg)
{
    struct reading *reading = arg;
    struct stat facts;
    if (fstat(reading->fd, &facts) < 0 || facts.st_size <= 0 ||
        (size_t)facts.st_size > REPORT_BYTES_MAX || lseek(reading->fd, 0, SEEK_SET) < 0)
        return;
    json_t *results = json_loadfd(reading->fd, 0, NULL);
    if (json_is_array(results))
        reading->results = results;
    else
        json_decref(results);
}

static json_t *read_results(int fd)
{
    struct reading reading = {fd, NULL};
    task_work(read_on_thread, &reading);
    return reading.results;
}

static const char *text_of(const json_t *result, const char *key)
{
    const char *text = json_string_value(json_object_get(result, key));
    return text ? text : "?";
}

/* What is wrong, in one line. */
static void join_lines(struct str text, struct buf *line)
{
    while (text.length) {
        buf_append(line, line->length ? STR("; ") : STR(""));
        buf_append(line, str_trim(str_cut(&text, '\n')));
    }
}

static void add_failure(const json_t *result, struct problem_list *problems)
{
    struct buf what;
    buf_init(&what, PROBLEM_BYTES_MAX);
    join_lines(str_of(text_of(result, "problem")), &what);
    json_int_t line = json_integer_value(json_object_get(result, "line"));
    bool has_place = line > 0 && line < LINES_MAX;
    problem_add(problems, str_of(text_of(result, "file")), has_place ? (unsigned)line : 0,
                has_place ? 1 : 0, "the test \"%s\" fails: %.*s", text_of(result, "name"),
                STR_ARG(buf_view(&what)));
    buf_free(&what);
}

static void add_failures(const json_t *results, struct problem_list *problems)
{
    size_t i, failed_count = 0;
    const json_t *result;
    json_array_foreach(results, i, result)
    {
        if (strcmp(text_of(result, "fate"), "failed") == 0 && failed_count++ < TOLD_MAX)
            add_failure(result, problems);
    }
    if (failed_count > TOLD_MAX)
        problem_add(problems, str_of("tests"), 0, 0, "%zu more tests fail",
                    failed_count - TOLD_MAX);
}

static void add_trouble(int result, const char *file, uint32_t time_ms,
                        struct problem_list *problems)
{
    if (result == -ETIMEDOUT)
        problem_add(problems, str_of(file), 0, 0,
                    "the tests took longer than %u ms (`test_time` in host.yaml)", time_ms);
    else
        problem_add(problems, str_of(file), 0, 0, "the tests could not be run: %s",
                    result < 0 ? strerror(-result) : "there is no report of them");
}

/* --- all of them --- */

static void run_batch(const struct batch *batch, uint32_t time_ms, uint64_t deadline_ms,
                      struct problem_list *problems)
{
    int fd = memfd_create("postern-tests", MFD_CLOEXEC);
    int result = fd < 0 ? -errno : run_to_end(batch, fd, deadline_ms);
    json_t *results = result == 0 ? read_results(fd) : NULL;
    if (results)
        add_failures(results, problems);
    else
        add_trouble(result, batch->files[0], time_ms, problems);
    json_decref(results);
    if (fd >= 0)
        close(fd);
}

size_t script_tests_run(const struct config *config, const char *const files[],
                        size_t count, struct problem_list *problems)
{
    size_t before = problems->count;
    uint64_t deadline_ms = task_in_ms(config->test_ms);
    for (size_t i = 0; i < count && problems->count == before; i += FILES_AT_ONCE_MAX) {
        size_t rest = count - i;
        const struct batch batch = {config->scripts_directory, files + i,
                                    rest < FILES_AT_ONCE_MAX ? rest : FILES_AT_ONCE_MAX};
        run_batch(&batch, config->test_ms, deadline_ms, problems);
    }
    return problems->count - before;
}
