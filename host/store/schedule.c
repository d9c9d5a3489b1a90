#include "schedule.h"

#include <errno.h>

#include "internal.h"

#define FORGOTTEN_AFTER_MS ((uint64_t)24 * 3600 * 1000)

/* schedule.state */
enum { STATE_LISTED, STATE_GONE, STATE_UNSURE /* within store_schedule_begin */ };

static bool is_ahead(uint64_t time_ms, uint64_t now_ms)
{
    return time_ms > now_ms + STORE_SCHEDULE_AHEAD_MS;
}

/* --- which lines there are --- */

struct beginning {
    struct store_schedule *lines;
    size_t count;
    uint64_t now_ms;
};

static int change_states(struct store_database *database, unsigned from, unsigned to)
{
    struct store_query query =
        store_query_begin(database, "UPDATE schedule SET state = ? WHERE state = ?");
    store_query_number(&query, to);
    store_query_number(&query, from);
    return store_query_run(&query);
}

static int begin_line(struct store_database *database, const struct store_schedule *line,
                      uint64_t now_ms)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO schedule(worker, cron, state, decided_ms) VALUES(?, ?, ?, ?)"
                  " ON CONFLICT(worker, cron) DO UPDATE SET state = excluded.state,"
                  " decided_ms = iif(state = ?, max(decided_ms, excluded.decided_ms),"
                  " decided_ms)");
    store_query_text(&query, line->worker);
    store_query_text(&query, line->cron);
    store_query_number(&query, STATE_LISTED);
    store_query_number(&query, now_ms);
    store_query_number(&query, STATE_GONE);
    return store_query_run(&query);
}

static int get_decided(struct store_database *database, struct store_schedule *line,
                       uint64_t now_ms)
{
    struct store_query query = store_query_begin(
        database, "SELECT decided_ms FROM schedule WHERE worker = ? AND cron = ?");
    store_query_text(&query, line->worker);
    store_query_text(&query, line->cron);
    int result = store_query_get_number(&query, &line->decided_ms, now_ms);
    if (is_ahead(line->decided_ms, now_ms))
        line->decided_ms = now_ms;
    return result;
}

static int forget(struct store_database *database, uint64_t now_ms)
{
    struct store_query query = store_query_begin(
        database, "DELETE FROM schedule WHERE state = ? AND decided_ms < ?");
    store_query_number(&query, STATE_GONE);
    store_query_number(&query,
                       now_ms > FORGOTTEN_AFTER_MS ? now_ms - FORGOTTEN_AFTER_MS : 0);
    return store_query_run(&query);
}

static int begin(struct store_database *database, void *arg)
{
    const struct beginning *beginning = arg;
    int result = change_states(database, STATE_LISTED, STATE_UNSURE);
    for (size_t i = 0; i < beginning->count && result == 0; i++) {
        result = begin_line(database, &beginning->lines[i], beginning->now_ms);
        if (result == 0)
            result = get_decided(database, &beginning->lines[i], beginning->now_ms);
    }
    if (result == 0)
        result = change_states(database, STATE_UNSURE, STATE_GONE);
    return result == 0 ? forget(database, beginning->now_ms) : result;
}

int store_schedule_begin(struct store *store, struct store_schedule lines[], size_t count,
                         uint64_t now_ms)
{
    struct beginning beginning = {lines, count, now_ms};
    return store_lane_run(&store->kv.writer, begin, &beginning);
}

/* --- a time --- */

/* What stands there: 0 and 0 when there is no row. */
static int find_row(struct store_database *database,
                    const struct store_schedule_claim *claim, uint64_t *decided_ms,
                    uint64_t *until_ms)
{
    struct store_query query = store_query_begin(
        database,
        "SELECT decided_ms, until_ms FROM schedule WHERE worker = ? AND cron = ?");
    store_query_text(&query, claim->worker);
    store_query_text(&query, claim->cron);
    int result = store_query_next(&query);
    *decided_ms = *until_ms = 0;
    if (result <= 0)
        return result;
    *decided_ms = store_query_take_number(&query);
    *until_ms = store_query_take_number(&query);
    store_query_end(&query);
    return 0;
}

static int skip(struct store_database *database, const struct store_schedule_claim *claim)
{
    struct store_query query = store_query_begin(
        database, "UPDATE schedule SET decided_ms = ? WHERE worker = ? AND cron = ?");
    store_query_number(&query, claim->due_ms);
    store_query_text(&query, claim->worker);
    store_query_text(&query, claim->cron);
    return store_query_run(&query);
}

static int take(struct store_database *database, const struct store_schedule_claim *claim)
{
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO schedule(worker, cron, state, decided_ms, due_ms, started_ms, "
        "until_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?6) ON CONFLICT(worker, cron) DO UPDATE SET"
        " decided_ms = excluded.decided_ms, due_ms = excluded.due_ms,"
        " started_ms = excluded.started_ms, until_ms = excluded.until_ms, ended_ms = 0,"
        " outcome = ''");
    store_query_text(&query, claim->worker);
    store_query_text(&query, claim->cron);
    store_query_number(&query, STATE_LISTED);
    store_query_number(&query, claim->due_ms);
    store_query_number(&query, claim->now_ms);
    store_query_number(&query, claim->until_ms);
    return store_query_run(&query);
}

static int decide(struct store_database *database, void *arg)
{
    struct store_schedule_claim *claim = arg;
    uint64_t decided_ms, until_ms;
    int result = find_row(database, claim, &decided_ms, &until_ms);
    if (result < 0)
        return result;
    if (claim->due_ms <= decided_ms && !is_ahead(decided_ms, claim->now_ms))
        return -EEXIST;
    claim->is_running = until_ms > claim->now_ms && !is_ahead(until_ms, claim->now_ms);
    return claim->is_running ? skip(database, claim) : take(database, claim);
}

int store_schedule_claim(struct store *store, struct store_schedule_claim *claim)
{
    return store_lane_run(&store->kv.writer, decide, claim);
}

static int end(struct store_database *database, void *arg)
{
    const struct store_schedule *run = arg;
    struct store_query query = store_query_begin(
        database, "UPDATE schedule SET until_ms = 0, ended_ms = ?, outcome = ?"
                  " WHERE worker = ? AND cron = ? AND due_ms = ? AND until_ms > 0");
    store_query_number(&query, run->ended_ms);
    store_query_text(&query, run->outcome);
    store_query_text(&query, run->worker);
    store_query_text(&query, run->cron);
    store_query_number(&query, run->due_ms);
    return store_query_change(&query);
}

int store_schedule_end(struct store *store, const struct store_schedule *run)
{
    struct store_schedule ended = *run;
    return store_lane_run(&store->kv.writer, end, &ended);
}

/* --- what is known --- */

struct reading {
    struct store_schedule *rows;
    size_t count;
    struct arena *arena;
};

static int read_row(struct store_database *database, struct store_schedule *row,
                    struct arena *arena)
{
    struct store_query query = store_query_begin(
        database, "SELECT decided_ms, due_ms, started_ms, until_ms, ended_ms, outcome"
                  " FROM schedule WHERE worker = ? AND cron = ?");
    store_query_text(&query, row->worker);
    store_query_text(&query, row->cron);
    *row = (struct store_schedule){.worker = row->worker, .cron = row->cron};
    int result = store_query_next(&query);
    if (result <= 0)
        return result;
    row->decided_ms = store_query_take_number(&query);
    row->due_ms = store_query_take_number(&query);
    row->started_ms = store_query_take_number(&query);
    row->until_ms = store_query_take_number(&query);
    row->ended_ms = store_query_take_number(&query);
    row->outcome = store_query_take_str(&query, arena);
    store_query_end(&query);
    return 0;
}

static int read_rows(struct store_database *database, void *arg)
{
    const struct reading *reading = arg;
    int result = 0;
    for (size_t i = 0; i < reading->count && result == 0; i++)
        result = read_row(database, &reading->rows[i], reading->arena);
    return result;
}

int store_schedule_read(struct store *store, struct store_schedule rows[], size_t count,
                        struct arena *arena)
{
    struct reading reading = {rows, count, arena};
    return count ? store_lane_run(store->kv.reader, read_rows, &reading) : 0;
}
