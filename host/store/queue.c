/* The queue's entries: added, read, given back, ended. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Adding, and what else happens in the same transaction: a leg given back, or ended, for which a notice is added. */
struct addition {
    struct store *store;
    const struct store_message *message;
    const struct store_leg *legs;
    size_t leg_count;
    struct store_content content;
};

struct ending {
    struct str owner;
    const struct store_leg *leg; /* given back */
    uint64_t leg_id;             /* ended */
    struct addition *notice;     /* NULL: none */
    struct str file; /* of the message that ended with its last leg; empty: none */
    char file_name[80];
};

/* --- adding --- */

static int insert_message(struct store_database *database, struct addition *addition)
{
    const struct store_message *message = addition->message;
    struct store_content *content = &addition->content;
    struct str bytes = {NULL, 0};
    if (!content->is_file)
        bytes = store_body_join(content);
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO message(id, created_ms, reverse_path, return_path, envid, ret,"
        " is_8bit, is_utf8, activity_id, bytes, checksum, content)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    store_query_text(&query, message->id);
    store_query_number(&query, message->created_ms);
    store_query_text(&query, message->reverse_path);
    store_query_text(&query, message->return_path);
    store_query_text(&query, message->envid);
    store_query_number(&query, message->ret);
    store_query_number(&query, message->is_8bit);
    store_query_number(&query, message->is_utf8);
    store_query_text(&query, message->activity_id);
    store_query_number(&query, content->bytes);
    store_query_blob(&query,
                     (struct str){(const char *)content->checksum, STORE_CHECKSUM_BYTES});
    if (content->is_file)
        store_query_null(&query);
    else
        store_query_blob(&query, bytes);
    int result = store_query_run(&query);
    store_body_free(content);
    return result;
}

static int insert_leg(struct store_database *database, const struct store_leg *leg,
                      uint64_t message_number, uint64_t created_ms)
{
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO leg(message, recipient, destination, original, orcpt, notify,"
        " next_ms, attempts, is_delay_told, state, last_reply, last_peer, created_ms)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    store_query_number(&query, message_number);
    store_query_text(&query, leg->recipient);
    store_query_text(&query, leg->destination);
    store_query_text(&query, leg->original);
    store_query_text(&query, leg->orcpt);
    store_query_number(&query, leg->notify);
    store_query_number(&query, leg->next_ms);
    store_query_number(&query, leg->attempts);
    store_query_number(&query, leg->is_delay_told);
    store_query_number(&query, leg->state);
    store_query_text(&query, leg->last_reply);
    store_query_text(&query, leg->last_peer);
    store_query_number(&query, created_ms);
    int result = store_query_run(&query);
    if (result < 0 || leg->state != STORE_WAITING)
        return result;
    return store_destination_wait(database, leg->destination, leg->next_ms);
}

static int insert(struct store_database *database, void *arg)
{
    struct addition *addition = arg;
    int result = insert_message(database, addition);
    if (result < 0)
        return result;
    uint64_t number = (uint64_t)sqlite3_last_insert_rowid(database->handle);
    for (size_t i = 0; result == 0 && i < addition->leg_count; i++)
        result =
            insert_leg(database, &addition->legs[i], number, addition->message->created_ms);
    return result;
}

struct file_work {
    struct addition *addition;
    int result;
};

static void write_file(void *arg)
{
    struct file_work *work = arg;
    work->result = store_body_write(&work->addition->store->bodies,
                                    work->addition->message->id, &work->addition->content);
}

/* Apart from the transaction, so that long contents are written and fsynced side by side. */
static int prepare_addition(struct addition *addition)
{
    if (!store_body_is_id(addition->message->id))
        return -EINVAL;
    addition->content = store_body_measure(
        &addition->store->bodies, addition->message->parts, addition->message->part_count);
    if (!addition->content.is_file)
        return 0;
    struct file_work work = {.addition = addition};
    task_work(write_file, &work);
    return work.result;
}

struct removal {
    const struct store_bodies *bodies;
    struct str id;
};

static void remove_file(void *arg)
{
    const struct removal *removal = arg;
    store_body_remove(removal->bodies, removal->id);
}

void store_remove_file(struct store *store, struct str id)
{
    struct removal removal = {&store->bodies, id};
    task_work(remove_file, &removal);
}

static int run_with_addition(struct store *store, store_operation_fn *run, void *arg,
                             struct addition *addition)
{
    int result = addition ? prepare_addition(addition) : 0;
    if (result < 0)
        return result;
    result = store_lane_run(&store->queue_writer, run, arg);
    if (result < 0 && addition && addition->content.is_file)
        store_remove_file(store, addition->message->id);
    return result;
}

int store_queue_add(struct store *store, const struct store_message *message,
                    const struct store_leg legs[], size_t leg_count)
{
    struct addition addition = {store, message, legs, leg_count, {0}};
    return leg_count ? run_with_addition(store, insert, &addition, &addition) : -EINVAL;
}

/* --- reading --- */

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
        database,
        "SELECT id, created_ms, reverse_path, return_path, envid, ret, is_8bit,"
        " is_utf8, activity_id, bytes, checksum, content FROM message WHERE id = ?");
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
    reading->is_file = store_query_is_null_next(&query);
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
    store_tell(reading->store, STR("an entry of the queue is corrupt and was set aside"),
               "%.*s: %s", STR_ARG(reading->id), why);
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

/* --- giving back and ending --- */

/* Whose the leg must be: the owner's, or free. What is free, though the owner once had it, has been given back since
 * its lease had ended, and what the owner says of it is still true. */
#define IS_OWNERS                                                                          \
    " AND (owner = (SELECT number FROM owner WHERE name = ?)"                              \
    " OR (owner IS NULL AND state = 0))"

static int give_back(struct store_database *database, void *arg)
{
    const struct ending *ending = arg;
    const struct store_leg *leg = ending->leg;
    struct store_query query = store_query_begin(
        database,
        "UPDATE leg SET next_ms = ?, attempts = ?, is_delay_told = ?, last_reply = ?,"
        " last_peer = ?, owner = NULL WHERE id = ?" IS_OWNERS);
    store_query_number(&query, leg->next_ms);
    store_query_number(&query, leg->attempts);
    store_query_number(&query, leg->is_delay_told);
    store_query_text(&query, leg->last_reply);
    store_query_text(&query, leg->last_peer);
    store_query_number(&query, leg->id);
    store_query_text(&query, ending->owner);
    int result = store_query_change(&query);
    if (result == 0)
        result = store_destination_wait_for_leg(database, leg->id);
    if (result == 0 && ending->notice)
        result = insert(database, ending->notice);
    return result;
}

/* The message of a leg that the owner may end. */
static int find_ending(struct store_database *database, const struct ending *ending,
                       uint64_t *message)
{
    struct store_query query =
        store_query_begin(database, "SELECT message FROM leg WHERE id = ?" IS_OWNERS);
    store_query_number(&query, ending->leg_id);
    store_query_text(&query, ending->owner);
    int result = store_query_get_number(&query, message, UINT64_MAX);
    if (result < 0)
        return result;
    return *message == UINT64_MAX ? -ESTALE : 0;
}

static int end_leg(struct store_database *database, void *arg)
{
    struct ending *ending = arg;
    uint64_t message;
    int result = find_ending(database, ending, &message);
    if (result == 0)
        result = store_leg_delete(database, ending->leg_id);
    if (result == 0)
        result = store_message_end(database, message, ending->file_name,
                                   sizeof ending->file_name, &ending->file);
    if (result == 0 && ending->notice)
        result = insert(database, ending->notice);
    return result;
}

static int run_ending(struct store *store, store_operation_fn *run, struct ending *ending,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg)
{
    struct addition addition = {store, notice, notice_leg, 1, {0}};
    if (notice)
        ending->notice = &addition;
    int result = run_with_addition(store, run, ending, ending->notice);
    if (result == 0 && ending->file.length)
        store_remove_file(store, ending->file);
    return result;
}

int store_queue_retry(struct store *store, struct str owner, const struct store_leg *leg,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg)
{
    struct ending ending = {.owner = owner, .leg = leg};
    return run_ending(store, give_back, &ending, notice, notice_leg);
}

int store_queue_end(struct store *store, struct str owner, uint64_t leg_id,
                    const struct store_message *notice, const struct store_leg *notice_leg)
{
    struct ending ending = {.owner = owner, .leg_id = leg_id};
    return run_ending(store, end_leg, &ending, notice, notice_leg);
}
