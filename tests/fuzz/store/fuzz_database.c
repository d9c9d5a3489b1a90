/* Whatever is found as queue.db: store_open must neither crash nor hang, and what it then lists, claims and reads is
 * bounded. An input that begins with 0xff is the file itself; any other edits a sound one, seven bytes at a time: where
 * (three bytes), how far, and three bytes to put there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/task.h"
#include "store/store.h"

#define EDIT_BYTES 7
#define NOW_MS     1700000000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], path[128];
static char *sound;
static size_t sound_length;

static struct store *open_store(void)
{
    struct store_options options = {.directory = directory, .body_inline_bytes = 4096};
    struct err err;
    return store_open(&options, &err);
}

static int fill(void *arg)
{
    (void)arg;
    struct store *store = open_store();
    for (unsigned i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        char bytes[3000];
        memset(bytes, 'x', sizeof bytes);
        struct str content = {bytes, 100 + 100 * (size_t)i};
        struct store_message message = {
            .id = str_of(id), .parts = &content, .part_count = 1};
        struct store_leg leg = {.recipient = STR("ben@dest.test"),
                                .destination =
                                    i % 2 ? STR("dest.test") : STR("other.test")};
        store_queue_add(store, &message, &leg, 1);
    }
    struct str key = STR("key");
    store_ledger_add(store, &key, 1, NOW_MS);
    store_close(store);
    return 0;
}

static int use(void *arg)
{
    (void)arg;
    struct store *store = open_store();
    if (!store)
        return 0;
    struct arena *arena = arena_new();
    store_lease_renew(store, STR("one"), NOW_MS, NOW_MS + 1000);
    struct store_claim claim = {
        .owner = STR("one"), .now_ms = NOW_MS, .legs_max = 30, .per_destination_max = 30};
    struct store_leg *legs;
    size_t count;
    store_queue_claim(store, &claim, arena, &legs, &count);
    for (size_t i = 0; i < count; i++) {
        struct store_message message;
        store_queue_read(store, legs[i].message_id, arena, &message);
        store_queue_end(store, STR("one"), legs[i].id, NULL, NULL);
    }
    struct store_filter filter = {.state = -1, .limit = 30};
    store_queue_list(store, &filter, arena, &legs, &count);
    struct store_queue_sum sum;
    store_queue_summary(store, NOW_MS, &sum);
    arena_free(arena);
    store_close(store);
    return 0;
}

static void run(task_fn *fn)
{
    struct task *task = task_start("fuzz", fn, NULL);
    uv_run(task_loop(), UV_RUN_DEFAULT);
    task_join(task);
}

static void read_sound_one(void)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    sound_length = (size_t)ftell(file);
    rewind(file);
    sound = mem_alloc(sound_length);
    if (fread(sound, 1, sound_length, file) != sound_length)
        abort();
    fclose(file);
}

/* In memory where there is a place for it: each input is fsynced many times. */
static void set_up(void)
{
    static uv_loop_t loop;
    uv_loop_init(&loop);
    task_runtime_open(&loop);
    strcpy(directory, "/dev/shm/postern-fuzz-XXXXXX");
    if (!mkdtemp(directory)) {
        strcpy(directory, "/tmp/postern-fuzz-XXXXXX");
        if (!mkdtemp(directory))
            abort();
    }
    snprintf(path, sizeof path, "%s/queue.db", directory);
    run(fill);
    read_sound_one();
}

static void put_file(const char *bytes, size_t length)
{
    char command[200];
    snprintf(command, sizeof command, "rm -f %s/queue.db* %s/flags", directory, directory);
    if (system(command) != 0)
        abort();
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length)
        abort();
    fclose(file);
}

static void put_edited(const uint8_t *data, size_t size)
{
    char *bytes = mem_alloc(sound_length);
    memcpy(bytes, sound, sound_length);
    for (; size >= EDIT_BYTES; data += EDIT_BYTES, size -= EDIT_BYTES) {
        size_t at = (((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) + data[3]) %
                    (sound_length - 3);
        memcpy(bytes + at, data + 4, 3);
    }
    put_file(bytes, sound_length);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sound)
        set_up();
    if (size && data[0] == 0xff)
        put_file((const char *)data + 1, size - 1);
    else
        put_edited(data, size);
    run(use);
    return 0;
}
