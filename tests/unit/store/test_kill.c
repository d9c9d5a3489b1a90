/* Hosts are killed at random moments, two at a time on one store: every message whose store_queue_add returned 0 is
 * there afterwards. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store/fixture.h"

#define ROUNDS 50

struct adder {
    int fd;
    unsigned round, host;
    unsigned next;
};

/* Long contents among them: files. */
static int add_until_killed(void *arg)
{
    struct adder *adder = arg;
    static char bytes[6000];
    for (;;) {
        unsigned number = adder->next++;
        char id[32];
        int length =
            snprintf(id, sizeof id, "r%uh%un%u", adder->round, adder->host, number);
        struct str content = {bytes, number % 7 ? 300 : sizeof bytes};
        struct store_message message = {
            .id = {id, (size_t)length}, .parts = &content, .part_count = 1};
        struct store_leg leg = leg_to("ben@dest.test");
        if (store_queue_add(fixture.store, &message, &leg, 1) != 0)
            return 1;
        id[length] = '\n';
        if (write(adder->fd, id, (size_t)length + 1) != length + 1)
            return 1;
    }
}

static int add_from_many_tasks(void *arg)
{
    fixture.store = open_another();
    if (!fixture.store)
        return 1;
    struct task_job jobs[8];
    for (size_t i = 0; i < 8; i++)
        jobs[i] = (struct task_job){.fn = add_until_killed, .arg = arg};
    return task_gather("add", jobs, 8);
}

static pid_t start_host(struct adder adder)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    test_loop_open(NULL);
    _exit(test_run(add_from_many_tasks, &adder));
}

static void kill_hosts_after(unsigned round, int fd, long us)
{
    pid_t hosts[2];
    for (unsigned i = 0; i < 2; i++)
        hosts[i] = start_host((struct adder){.fd = fd, .round = round, .host = i});
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
    for (unsigned i = 0; i < 2; i++) {
        kill(hosts[i], SIGKILL);
        int status;
        waitpid(hosts[i], &status, 0);
        assert_true(WIFSIGNALED(status));
    }
}

static struct {
    char *text; /* the ids that were said to be there, a line each */
    size_t length, count;
} said;

static void read_said(int fd)
{
    off_t length = lseek(fd, 0, SEEK_END);
    said.text = mem_alloc((size_t)length + 1);
    assert_int_equal(pread(fd, said.text, (size_t)length, 0), length);
    said.length = (size_t)length;
}

static int check_all(void *arg)
{
    (void)arg;
    fixture.store = open_another();
    if (!fixture.store)
        return 1;
    struct str rest = {said.text, said.length};
    int missing = 0;
    while (rest.length) {
        struct str id = str_cut(&rest, '\n');
        struct store_message message;
        struct arena *arena = arena_new();
        missing += store_queue_read(fixture.store, id, arena, &message) != 0;
        arena_free(arena);
        said.count++;
    }
    store_close(fixture.store);
    return missing;
}

static void what_was_added_survives_kills(void **state)
{
    (void)state;
    strcpy(fixture.directory, "/tmp/postern-store-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    fixture.options = (struct store_options){
        .directory = fixture.directory, .body_inline_bytes = 4096, .report = keep_report};
    char log[100];
    snprintf(log, sizeof log, "%s/said", fixture.directory);
    int fd = open(log, O_RDWR | O_CREAT | O_APPEND, 0600);
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (unsigned round = 0; round < ROUNDS; round++)
        kill_hosts_after(round, fd, 1000 + rand_r(&seed) % 150000);
    read_said(fd);
    close(fd);
    test_loop_open(NULL);
    assert_int_equal(test_run(check_all, NULL), 0);
    assert_int_equal(test_loop_close(NULL), 0);
    assert_int_equal(fixture.report_count, 0);
    print_message("%zu messages\n", said.count);
    assert_true(said.count > 0);
    free(said.text);
    remove_tree(fixture.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_added_survives_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
