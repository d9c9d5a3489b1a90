/* A message of the queue with its content, and what happens when that is damaged. */
#include <errno.h>

#include "internal.h"

struct reading {
    struct store *store;
    struct str id;
    struct arena *arena;
    struct store_message *message;
    uint64_t bytes;
    struct str checksum, content;
    bool is_file;
    int result;
};

static int select_message(struct store_database *database, void *arg)
{
    struct reading *reading = arg;
    struct store_message *message = reading->message;
    struct arena *arena = reading->arena;
    struct store_query query = store_query_begin(
        database, "SELECT id, created_ms, reverse_path, return_path, envid, ret, is_8bit,"
                  " is_utf8, activity_id, bytes, checksum, is_file,"
                  " (SELECT bytes FROM content WHERE content.message = message.number)"
                  " FROM message WHERE id = ?");
    store_query_text(&query, reading->id);
    int result = store_query_next(&query);
    if (result <= 0)
        return result < 0 ? result : -ENOENT;
    *message = (struct store_message){.id = store_query_take_str(&query, arena)};
    message->created_ms = store_query_take_number(&query);
    message->reverse_path = store_query_take_str(&query, arena);
    message->return_path = store_query_take_str(&query, arena);
    message->envid = store_query_take_str(&query, arena);
    message->ret = (uint8_t)store_query_take_number(&query);
    message->is_8bit = store_query_take_number(&query) != 0;
    message->is_utf8 = store_query_take_number(&query) != 0;
    message->activity_id = store_query_take_str(&query, arena);
    reading->bytes = store_query_take_number(&query);
    reading->checksum = store_query_take_str(&query, arena);
    reading->is_file = store_query_take_number(&query) != 0;
    reading->content = store_query_take_str(&query, arena);
    store_query_end(&query);
    if (!reading->is_file &&
        !store_body_is_sound(reading->content, reading->bytes, reading->checksum))
        return -EBADMSG;
    return 0;
}

static void read_file(void *arg)
{
    struct reading *reading = arg;
    reading->result = store_body_read(&reading->store->bodies, reading->id, reading->bytes,
                                      reading->arena, &reading->content);
    if (reading->result == 0 &&
        !store_body_is_sound(reading->content, reading->bytes, reading->checksum))
        reading->result = -EBADMSG;
}

/* -ENOENT when the message has ended meanwhile, whose file is then rightly gone. */
static int set_aside(struct store_database *database, void *arg)
{
    const struct reading *reading = arg;
    struct store_query query = store_query_begin(
        database, "UPDATE leg SET state = 2, owner = NULL"
                  " WHERE message = (SELECT number FROM message WHERE id = ?)");
    store_query_text(&query, reading->id);
    int result = store_query_change(&query);
    return result == -ESTALE ? -ENOENT : result;
}

static int set_aside_and_tell(struct reading *reading, const char *why)
{
    int result = store_lane_run(&reading->store->queue_writer, set_aside, reading);
    if (result < 0)
        return result;
    store_tell(reading->store, STORE_ENTRY_SET_ASIDE, "%.*s: %s", STR_ARG(reading->id),
               why);
    return -EBADMSG;
}

static int read_message(struct reading *reading)
{
    int result = store_lane_run(&reading->store->queue_reader, select_message, reading);
    if (result == -EBADMSG)
        return set_aside_and_tell(reading, "its content has not the checksum it had");
    if (result < 0 || !reading->is_file)
        return result;
    task_work(read_file, reading);
    if (reading->result == -EBADMSG)
        return set_aside_and_tell(reading,
                                  "its file has not the length and checksum it had");
    if (reading->result == -ENOENT)
        return set_aside_and_tell(reading, "its file is gone");
    return reading->result;
}

int store_queue_read(struct store *store, struct str message_id, struct arena *arena,
                     struct store_message *message)
{
    if (!store_body_is_id(message_id))
        return -ENOENT;
    struct reading reading = {
        .store = store, .id = message_id, .arena = arena, .message = message};
    int result = read_message(&reading);
    if (result < 0)
        return result;
    struct str *part = arena_new_of(arena, struct str);
    *part = reading.content;
    message->parts = part;
    message->part_count = 1;
    return 0;
}
