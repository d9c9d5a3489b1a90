#include "add.h"

#include <errno.h>

#include "internal.h"

static int insert_message(struct store_database *database, struct store_addition *addition)
{
    const struct store_message *message = addition->message;
    const struct store_content *content = &addition->content;
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO message(id, created_ms, reverse_path, return_path, envid, ret,"
        " is_8bit, is_utf8, activity_id, bytes, checksum, is_file)"
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
    store_query_number(&query, content->is_file);
    return store_query_run(&query);
}

static int insert_content(struct store_database *database, uint64_t message_number,
                          struct str bytes)
{
    struct store_query query =
        store_query_begin(database, "INSERT INTO content(message, bytes) VALUES(?, ?)");
    store_query_number(&query, message_number);
    store_query_blob(&query, bytes);
    return store_query_run(&query);
}

static int insert_leg(struct store_database *database, const struct store_leg *leg,
                      uint64_t message_number, const struct store_message *message)
{
    unsigned char checksum[STORE_CHECKSUM_BYTES];
    store_leg_checksum(leg, message->id, message->reverse_path, checksum);
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO leg(message, recipient, destination, original, orcpt, notify,"
        " next_ms, attempts, is_delay_told, state, last_reply, last_peer, created_ms,"
        " checksum, owner) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
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
    store_query_number(&query, message->created_ms);
    store_query_blob(&query, (struct str){(const char *)checksum, sizeof checksum});
    if (leg->state == STORE_WAITING)
        store_query_number(&query, STORE_ARRIVALS);
    return store_query_run(&query);
}

static int insert_all(struct store_database *database, struct store_addition *addition,
                      struct str bytes)
{
    int result = insert_message(database, addition);
    if (result < 0)
        return result;
    uint64_t number = (uint64_t)sqlite3_last_insert_rowid(database->handle);
    if (!addition->content.is_file)
        result = insert_content(database, number, bytes);
    for (size_t i = 0; result == 0 && i < addition->leg_count; i++)
        result = insert_leg(database, &addition->legs[i], number, addition->message);
    return result;
}

int store_addition_insert(struct store_database *database, void *arg)
{
    struct store_addition *addition = arg;
    struct str bytes = {NULL, 0};
    if (!addition->content.is_file)
        bytes = store_body_join(&addition->content);
    int result = insert_all(database, addition, bytes);
    store_body_free(&addition->content);
    return result;
}

struct file_work {
    struct store_addition *addition;
    int result;
};

static void write_file(void *arg)
{
    struct file_work *work = arg;
    work->result = store_body_write(&work->addition->store->bodies,
                                    work->addition->message->id, &work->addition->content);
}

/* Apart from the transaction, so that long contents are written and fsynced side by side. */
static int prepare_addition(struct store_addition *addition)
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

int store_addition_run(struct store *store, struct store_addition *addition,
                       store_operation_fn *run, void *arg)
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
    struct store_addition addition = {store, message, legs, leg_count, {0}};
    return leg_count
               ? store_addition_run(store, &addition, store_addition_insert, &addition)
               : -EINVAL;
}
