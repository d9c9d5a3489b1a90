#include "log.h"

/* 16 MiB; 64 MiB. */
#define MOVED_PAGES 4096
#define PAGES_MAX   16384

static int note_pages(void *arg, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct store_database *writer = arg;
    writer->log_pages = pages;
    return SQLITE_OK;
}

int store_log_open(struct store_log *log, const char *path, struct store_database *writer,
                   struct err *err)
{
    log->writer = writer;
    sqlite3_wal_hook(writer->handle, note_pages, writer);
    return store_database_open(&log->mover, path, STORE_SYNC_COMMITS, err);
}

/* A failure loses nothing, since all of it stays in the log: the next commit tries again. It moves as much as it can
 * without waiting for readers, or for another host that is moving. */
static void move(void *arg)
{
    struct store_database *database = arg;
    store_database_error(database,
                         sqlite3_wal_checkpoint_v2(database->handle, NULL,
                                                   SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

static int move_beside(void *arg)
{
    struct store_log *log = arg;
    task_work(move, &log->mover);
    log->is_moving = false;
    log->is_moved = true;
    return 0;
}

static void end_moving(struct store_log *log)
{
    if (log->moving)
        task_join(log->moving);
    log->moving = NULL;
}

static void begin_moving(struct store_log *log)
{
    end_moving(log);
    log->is_moving = true;
    log->moving = task_start("store.checkpoint", move_beside, log);
}

void store_log_keep(struct store_log *log)
{
    if (log->writer->log_pages < MOVED_PAGES)
        return;
    if (log->is_moving && log->writer->log_pages >= PAGES_MAX)
        end_moving(log);
    if (log->is_moving)
        return;
    if (!log->is_moved) {
        begin_moving(log);
        return;
    }
    log->is_moved = false;
    log->writer->is_corrupt |= log->mover.is_corrupt;
    task_work(move, log->writer);
}

static void close_mover(void *arg)
{
    store_database_close(arg);
}

void store_log_close(struct store_log *log)
{
    end_moving(log);
    task_work(close_mover, &log->mover);
}
