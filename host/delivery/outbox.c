/* Delivery into a directory (`postern dev`): a file per recipient, complete from the moment it has its
 * name, in which the message can be read with any mail reader. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/task.h"
#include "delivery/internal.h"

#define NAMED_ID_BYTES_MAX 64

struct outbox {
    struct delivery base;
    char *directory;
    unsigned long long file_count;
};

/* One file, written on the thread pool. */
struct outbox_file {
    const char *path, *temporary_path;
    struct str envelope;
    const struct delivery_request *request;
    int result;
};

/* --- on the thread pool --- */

static int write_bytes(int file, struct str bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file, bytes.at, bytes.length);
        if (written < 0)
            return -errno;
        bytes = str_from(bytes, (size_t)written);
    }
    return 0;
}

static int write_message(int file, const struct outbox_file *work)
{
    int result = write_bytes(file, work->envelope);
    for (size_t i = 0; result == 0 && i < work->request->part_count; i++)
        result = write_bytes(file, work->request->parts[i]);
    return result;
}

static int write_file(const struct outbox_file *work)
{
    int file = open(work->temporary_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    int result = write_message(file, work);
    if (close(file) < 0 && result == 0)
        result = -errno;
    if (result == 0 && rename(work->temporary_path, work->path) < 0)
        result = -errno;
    if (result < 0)
        unlink(work->temporary_path);
    return result;
}

static void write_file_work(void *arg)
{
    struct outbox_file *work = arg;
    work->result = write_file(work);
}

/* --- in the task --- */

/* What of a message id may stand in a file name. */
static const char *id_for_name(struct str id, struct arena *arena)
{
    char *name = arena_text(arena, id);
    size_t used = 0;
    for (size_t i = 0; i < id.length && used < NAMED_ID_BYTES_MAX; i++)
        if (ascii_alnum(id.at[i]) || id.at[i] == '-')
            name[used++] = id.at[i];
    name[used] = '\0';
    return name;
}

static const char *utc_for_name(struct arena *arena)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    return arena_printf(arena, "%04d%02d%02dT%02d%02d%02d.%03ldZ", utc.tm_year + 1900,
                        utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                        now.tv_nsec / 1000000);
}

static void outbox_send(struct delivery *delivery, const struct delivery_request *request,
                        struct arena *arena, struct delivery_result *result)
{
    struct outbox *outbox = (struct outbox *)delivery;
    const char *name =
        arena_printf(arena, "%s-%s-%llu.eml", utc_for_name(arena),
                     id_for_name(request->message_id, arena), ++outbox->file_count);
    struct outbox_file work = {
        .path = arena_printf(arena, "%s/%s", outbox->directory, name),
        .temporary_path = arena_printf(arena, "%s/.%s.part", outbox->directory, name),
        .request = request,
    };
    work.envelope = str_of(arena_printf(arena,
                                        "X-Postern-Envelope-From: <%.*s>\r\n"
                                        "X-Postern-Envelope-To: <%.*s>\r\n",
                                        STR_ARG(request->reverse_path->text),
                                        STR_ARG(request->recipient->text)));
    task_stage("writing %s", name);
    task_work(write_file_work, &work);
    if (work.result == 0) {
        delivery_result_say(result, reply_make(250, "2.0.0", "captured as %s", name));
        result->peer = STR("outbox");
    } else {
        delivery_result_say(result, reply_make(451, "4.3.0", "the outbox takes no mail: %s",
                                               strerror(-work.result)));
    }
}

static void outbox_close(struct delivery *delivery)
{
    struct outbox *outbox = (struct outbox *)delivery;
    free(outbox->directory);
    free(outbox);
}

struct delivery *delivery_open_outbox(const char *directory, struct err *err)
{
    static const struct delivery_way way = {.send = outbox_send, .close = outbox_close};
    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        err_set(err, -errno, "outbox %s: %s", directory, strerror(errno));
        return NULL;
    }
    if (access(directory, W_OK | X_OK) < 0) {
        err_set(err, -errno, "outbox %s: %s", directory, strerror(errno));
        return NULL;
    }
    struct outbox *outbox = mem_zero(1, sizeof *outbox);
    outbox->base.way = &way;
    outbox->directory = mem_copy_text(directory, strlen(directory));
    return &outbox->base;
}
