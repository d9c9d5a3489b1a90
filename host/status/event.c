/* The log is logfmt: "2026-11-22T04:29:12.345Z info message.dropped id=… rule=…"; text that came from
 * outside is quoted and escaped, so that one event is one line whatever it holds. Lines gather in a buffer
 * that is written once per turn of the loop. */
#include "status/event.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "mail/message.h"
#include "mail/utf8.h"

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR, LEVEL_OFF };
static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static const struct {
    const char *name;
    enum level level;
} events[] = {
#define X(id, name, level, sentence) {name, LEVEL_##level},
    STATUS_EVENTS(X)
#undef X
};

#define FIELD_BYTES_MAX   1000
#define PENDING_BYTES_MAX ((size_t)1024 * 1024)
#define FLUSH_BYTES       ((size_t)32 * 1024)

static struct {
    int fd;
    enum level level;
    struct buf pending;
    uint64_t lost;
    uint64_t counts[STATUS_EVENT_COUNT];
    _Atomic uint64_t *shared_counts; /* NULL: nobody else looks */
    bool has_host;
    unsigned host;
} sink = {
    .fd = STDERR_FILENO, .level = LEVEL_INFO, .pending = {.ceiling = PENDING_BYTES_MAX}};

struct trail {
    struct arena *arena;
    struct str message_id;
    uint64_t started_at;
    struct trail_entry *first, *last;
};

struct trail *trail_new(struct arena *arena, struct str message_id)
{
    struct trail *trail = arena_new_of(arena, struct trail);
    trail->arena = arena;
    trail->message_id = message_id;
    trail->started_at = unix_now_ms();
    return trail;
}

const struct trail_entry *trail_first(const struct trail *trail)
{
    return trail->first;
}

static void trail_add(struct trail *trail, enum status_event event,
                      const struct status_field fields[], size_t count)
{
    struct trail_entry *entry = arena_new_of(trail->arena, struct trail_entry);
    entry->event = event;
    entry->after_ms = unix_now_ms() - trail->started_at;
    entry->field_count = count;
    struct status_field *copies = arena_array(trail->arena, struct status_field, count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = fields[i];
        if (!fields[i].is_number)
            copies[i].text = arena_str(trail->arena, fields[i].text);
    }
    entry->fields = copies;
    if (trail->last)
        trail->last->next = entry;
    else
        trail->first = entry;
    trail->last = entry;
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || (unsigned char)c >= 0x7f)
            return false;
    }
    return text.length > 0;
}

/* UTF-8 passes, control bytes and quotes are escaped. */
static void write_text(struct buf *line, struct str text)
{
    text = utf8_cut(text, FIELD_BYTES_MAX);
    if (is_plain(text)) {
        buf_append(line, text);
        return;
    }
    buf_append(line, STR("\""));
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (c == '"' || c == '\\')
            buf_printf(line, "\\%c", c);
        else if (c == '\n')
            buf_append(line, STR("\\n"));
        else if ((unsigned char)c < ' ' || c == 0x7f)
            buf_printf(line, "\\x%02x", (unsigned)c);
        else
            buf_append(line, str_part(text, i, 1));
    }
    buf_append(line, STR("\""));
}

static void write_time(struct buf *line)
{
    static time_t last_second;
    static char text[32];
    uint64_t now = unix_now_ms();
    time_t second = (time_t)(now / 1000);
    if (second != last_second) {
        struct tm parts;
        gmtime_r(&second, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        last_second = second;
    }
    buf_printf(line, "%s.%03uZ ", text, (unsigned)(now % 1000));
}

static void write_line(const struct trail *trail, enum status_event event,
                       const struct status_field fields[], size_t count)
{
    struct buf *line = &sink.pending;
    if (line->length + 64 + (count + 1) * (4 * FIELD_BYTES_MAX + 64) > PENDING_BYTES_MAX) {
        sink.lost++;
        return;
    }
    write_time(line);
    buf_printf(line, "%s %s", level_names[events[event].level], events[event].name);
    if (sink.has_host)
        buf_printf(line, " host=%u", sink.host);
    if (trail) {
        buf_append(line, STR(" id="));
        write_text(line, trail->message_id);
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(line, " %s=", fields[i].name);
        if (fields[i].is_number)
            buf_printf(line, "%lld", fields[i].number);
        else
            write_text(line, fields[i].text);
    }
    buf_append(line, STR("\n"));
    if (line->length >= FLUSH_BYTES)
        status_flush();
}

void status_event(struct trail *trail, enum status_event event,
                  const struct status_field fields[], size_t count)
{
    sink.counts[event]++;
    if (sink.shared_counts)
        atomic_fetch_add_explicit(&sink.shared_counts[event], 1, memory_order_relaxed);
    if (trail)
        trail_add(trail, event, fields, count);
    if (events[event].level >= sink.level)
        write_line(trail, event, fields, count);
}

void status_log_to(int fd)
{
    status_flush();
    sink.fd = fd;
}

int status_log_level(struct str name)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (str_equal(name, str_of(level_names[i]))) {
            sink.level = (enum level)i;
            return 0;
        }
    }
    return -EINVAL;
}

void status_flush(void)
{
    while (sink.pending.length) {
        struct str pending = buf_view(&sink.pending);
        ssize_t written = write(sink.fd, pending.at, pending.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN)
            return; /* a slow reader of the log: kept, up to the buffer's ceiling */
        if (written <= 0) {
            buf_clear(&sink.pending);
            return;
        }
        buf_consume(&sink.pending, (size_t)written);
    }
    if (sink.lost) {
        buf_printf(&sink.pending,
                   "%llu log lines were lost: the log's reader is too slow\n",
                   (unsigned long long)sink.lost);
        sink.lost = 0;
    }
}

void status_log_host(unsigned number)
{
    sink.has_host = true;
    sink.host = number;
}

void status_count_in(_Atomic uint64_t counts[STATUS_EVENT_COUNT])
{
    sink.shared_counts = counts;
}

uint64_t status_count(enum status_event event)
{
    return sink.counts[event];
}

const char *status_event_name(enum status_event event)
{
    return events[event].name;
}
