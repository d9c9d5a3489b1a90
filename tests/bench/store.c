/* postern-bench store: how many messages a second the store's queue takes, each waited for until it is on stable
 * storage, and, in turn with it, how many the disk would take: as many bytes (content and envelope) appended to a file
 * beside the store, with one fdatasync for as many messages as the store committed at once (`group`, on average). For
 * scale, what SQLite itself reaches: one table with a key and the same bytes, in the same groups, nothing else. Rates are
 * medians over the rounds, and the ratios are those of each round. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/task.h"
#include "store/internal.h"

#define TASKS_MAX  10000
#define ROUNDS_MAX 99

struct store_load {
    const char *directory;
    size_t messages, bytes, tasks, rounds;
    struct str content;
    struct store *store;
    size_t left, next_id;
    double store_rates[ROUNDS_MAX], disk_rates[ROUNDS_MAX], bare_rates[ROUNDS_MAX];
    double disk_ratios[ROUNDS_MAX], bare_ratios[ROUNDS_MAX];
    double store_cpu_seconds;
    size_t group, envelope_bytes; /* of the last round, of the last message */
};

static void read_options(struct store_load *load, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--directory") == 0)
            load->directory = argv[i + 1];
        else if (strcmp(argv[i], "--messages") == 0)
            load->messages = bench_number("messages", argv[i + 1], 1);
        else if (strcmp(argv[i], "--bytes") == 0)
            load->bytes = bench_number("bytes", argv[i + 1], 1);
        else if (strcmp(argv[i], "--tasks") == 0)
            load->tasks = bench_number("tasks", argv[i + 1], 1);
        else if (strcmp(argv[i], "--rounds") == 0)
            load->rounds = bench_number("rounds", argv[i + 1], 1);
        else
            bench_die("unknown option %s", argv[i]);
    }
    if (!load->directory || load->tasks > TASKS_MAX || load->rounds > ROUNDS_MAX)
        bench_die("store needs --directory, at most %d tasks and %d rounds", TASKS_MAX,
                  ROUNDS_MAX);
}

static size_t count_bytes(const struct store_message *message, const struct store_leg *leg)
{
    return message->id.length + message->reverse_path.length + message->return_path.length +
           message->activity_id.length + leg->recipient.length + leg->destination.length +
           leg->original.length + leg->last_reply.length + leg->last_peer.length;
}

static int add_messages(void *arg)
{
    struct store_load *load = arg;
    while (load->left) {
        load->left--;
        char id[32], recipient[64];
        size_t number = load->next_id++;
        snprintf(id, sizeof id, "%x%zx", (unsigned)getpid(), number);
        snprintf(recipient, sizeof recipient, "ben@d%zu.test", number % 50);
        struct store_message message = {.id = str_of(id),
                                        .created_ms = 1795348800000 + number,
                                        .reverse_path =
                                            STR("SRS0=abcd=ab=there.test=anna@here.test"),
                                        .return_path = STR("anna@there.test"),
                                        .activity_id = str_of(id),
                                        .parts = &load->content,
                                        .part_count = 1};
        struct store_leg leg = {.recipient = str_of(recipient),
                                .destination = str_of(recipient + 4),
                                .original = STR("ben@here.test"),
                                .next_ms = message.created_ms + 60000,
                                .attempts = 1,
                                .last_reply = STR("451 4.3.0 come again later"),
                                .last_peer = STR("mx.d.test [192.0.2.1]:25")};
        load->envelope_bytes = count_bytes(&message, &leg);
        int result = store_queue_add(load->store, &message, &leg, 1);
        if (result < 0)
            bench_die("store_queue_add: %s", strerror(-result));
    }
    return 0;
}

static double rate_since(const struct store_load *load, uint64_t begin_ns)
{
    return (double)load->messages * 1e9 / (double)(bench_now_ns() - begin_ns);
}

static double measure_store(struct store_load *load)
{
    struct task_job *jobs = mem_zero(load->tasks, sizeof *jobs);
    for (size_t i = 0; i < load->tasks; i++)
        jobs[i] = (struct task_job){.fn = add_messages, .arg = load};
    load->left = load->messages;
    size_t groups = load->store->queue_writer.batch_count;
    double cpu = bench_cpu_seconds();
    uint64_t begin_ns = bench_now_ns();
    task_gather("bench.add", jobs, load->tasks);
    double rate = rate_since(load, begin_ns);
    load->store_cpu_seconds += bench_cpu_seconds() - cpu;
    groups = load->store->queue_writer.batch_count - groups;
    load->group = (load->messages + groups / 2) / groups;
    free(jobs);
    return rate;
}

static void write_group(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written <= 0)
            bench_die("write");
        bytes += written;
        length -= (size_t)written;
    }
    if (fdatasync(fd) < 0)
        bench_die("fdatasync");
}

static double measure_disk(const struct store_load *load)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/append", load->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        bench_die("%s", path);
    size_t bytes = load->bytes + load->envelope_bytes;
    char *group_bytes = mem_zero(load->group, bytes);
    uint64_t begin_ns = bench_now_ns();
    for (size_t left = load->messages; left;) {
        size_t group = left < load->group ? left : load->group;
        write_group(fd, group_bytes, group * bytes);
        left -= group;
    }
    double rate = rate_since(load, begin_ns);
    close(fd);
    unlink(path);
    free(group_bytes);
    return rate;
}

static void insert_bare(struct store_database *database, size_t number, struct str bytes)
{
    char key[32];
    snprintf(key, sizeof key, "%x%zx", (unsigned)getpid(), number);
    struct store_query query =
        store_query_begin(database, "INSERT INTO bare(key, bytes) VALUES(?, ?)");
    store_query_text(&query, str_of(key));
    store_query_blob(&query, bytes);
    if (store_query_run(&query) < 0)
        bench_die("a bare insert");
}

static double measure_bare(const struct store_load *load)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/bare.db", load->directory);
    struct store_database database;
    struct err err;
    if (store_database_open(&database, path, STORE_SYNC_COMMITS, &err) < 0 ||
        store_database_run(&database,
                           "DROP TABLE IF EXISTS bare;"
                           "CREATE TABLE bare(number INTEGER PRIMARY KEY,"
                           " key TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL)") < 0)
        bench_die("%s", path);
    size_t length = load->bytes + load->envelope_bytes;
    char *bytes = mem_zero(length, 1);
    uint64_t begin_ns = bench_now_ns();
    for (size_t left = load->messages; left;) {
        if (store_database_step(&database, "BEGIN IMMEDIATE") < 0)
            bench_die("BEGIN");
        for (size_t i = 0; i < load->group && left; i++, left--)
            insert_bare(&database, left, (struct str){bytes, length});
        if (store_database_step(&database, "COMMIT") < 0)
            bench_die("COMMIT");
    }
    double rate = rate_since(load, begin_ns);
    store_database_close(&database);
    free(bytes);
    return rate;
}

static int measure(void *arg)
{
    struct store_load *load = arg;
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/store", load->directory);
    struct store_options options = {.directory = directory,
                                    .body_inline_bytes = (uint64_t)256 * 1024};
    struct err err;
    load->store = store_open(&options, &err);
    if (!load->store)
        bench_die("%s", err.text);
    for (size_t i = 0; i < load->rounds; i++) {
        load->store_rates[i] = measure_store(load);
        load->disk_rates[i] = measure_disk(load);
        load->bare_rates[i] = measure_bare(load);
        load->disk_ratios[i] = load->store_rates[i] / load->disk_rates[i];
        load->bare_ratios[i] = load->store_rates[i] / load->bare_rates[i];
    }
    store_close(load->store);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const double *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

static double median(double values[], size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

int bench_store(int argc, char **argv)
{
    struct store_load load = {.messages = 10000, .bytes = 5000, .tasks = 256, .rounds = 3};
    read_options(&load, argc, argv);
    char *memory = mem_zero(load.bytes, 1);
    memset(memory, 'x', load.bytes);
    load.content = (struct str){memory, load.bytes};
    loop_run_task("bench", measure, &load);
    printf("{\"tasks\": %zu, \"store_per_second\": %.1f, \"disk_per_second\": %.1f, "
           "\"bare_per_second\": %.1f, \"disk_ratio\": %.4f, \"bare_ratio\": %.4f, "
           "\"group\": %zu, \"cpu_us_per_message\": %.1f}\n",
           load.tasks, median(load.store_rates, load.rounds),
           median(load.disk_rates, load.rounds), median(load.bare_rates, load.rounds),
           median(load.disk_ratios, load.rounds), median(load.bare_ratios, load.rounds),
           load.group,
           load.store_cpu_seconds * 1e6 / (double)(load.rounds * load.messages));
    free(memory);
    return 0;
}
