/* What the tests of the queue share: a world of destinations that answer as they are told to, and an observer
 * that counts. Times are short, and nothing is said about how long anything takes: tests wait for a state. */
#pragma once

#include "test.h"

#include "base/mem.h"
#include "base/table.h"
#include "delivery/queue.h"
#include "mail/message.h"

#define WAIT_MS 60000

/* How a destination answers, by its name: all under "down" are down, and so on. */
struct world {
    struct table *calls; /* destination -> times asked */
    size_t call_count, active, active_max;
    bool is_back;   /* what was down is there again */
    bool is_locked; /* peers do not answer until unlocked */
    bool is_hole;   /* what is down does not even say so */
    bool peers_have_dsn;
    uint64_t bytes, bytes_max; /* in delivery, as the legs say */
    size_t cancelled;
};

struct seen {
    size_t delivered, deferred, failed, noticed, troubled;
    char last_trouble[200];
    char last_reply[300];
    enum notice_action last_action;
};

static struct {
    struct store *store;
    struct world world;
    struct seen seen;
    struct queue_options options;
    struct delivery *delivery;
    struct queue *queue;
    struct arena *arena;
    unsigned message_count;
} fixture;

/* --- the world --- */

static inline size_t calls_to(const char *destination)
{
    return (size_t)(uintptr_t)table_get(fixture.world.calls, str_of(destination));
}

static void count_call(struct str destination)
{
    size_t before = (size_t)(uintptr_t)table_get(fixture.world.calls, destination);
    table_set(fixture.world.calls, destination, (void *)(uintptr_t)(before + 1));
    fixture.world.call_count++;
}

static struct delivery_result answer_of(struct str domain)
{
    struct delivery_result result = {
        .status = DELIVERY_TEMPORARY,
        .is_from_peer = true,
        .peer = STR("mx.test[192.0.2.1]:25"),
        .tls = STR(""),
        .peer_has_dsn = fixture.world.peers_have_dsn,
    };
    bool is_back = fixture.world.is_back;
    if (str_starts(domain, STR("down")) && !is_back) {
        result.reply = reply_make(451, "4.4.1", "no connection to %.*s", STR_ARG(domain));
        result.is_from_peer = false;
        result.is_of_destination = true;
    } else if (str_starts(domain, STR("grey")) && !is_back) {
        result.reply = reply_make(450, "4.2.0", "greylisted, come again");
    } else if (str_starts(domain, STR("full")) && !is_back) {
        result.reply = reply_make(452, "4.2.2", "mailbox full");
    } else if (str_starts(domain, STR("slow")) && !is_back) {
        result.reply = reply_make(451, "4.7.0", "enough for now");
        result.is_from_peer = false;
        result.wait_ms = 20;
    } else if (str_starts(domain, STR("no"))) {
        result.status = DELIVERY_PERMANENT;
        result.reply = reply_make(550, "5.1.1", "nobody of that name");
    } else {
        result.status = DELIVERY_OK;
        result.reply = reply_make(250, "2.0.0", "taken");
    }
    return result;
}

static void deliver(void *arg, const struct delivery_request *request, struct arena *arena,
                    struct delivery_result *result)
{
    (void)arg;
    (void)arena;
    struct world *world = &fixture.world;
    count_call(request->recipient->domain);
    if (++world->active > world->active_max)
        world->active_max = world->active;
    int slept = task_sleep(1);
    bool is_down = str_starts(request->recipient->domain, STR("down"));
    while ((world->is_locked || (world->is_hole && is_down)) && slept == 0)
        slept = task_sleep(1);
    world->active--;
    *result = answer_of(request->recipient->domain);
    if (slept < 0) {
        world->cancelled++;
        result->status = DELIVERY_TEMPORARY;
        result->is_from_peer = false;
        result->reply = reply_make(451, "4.4.2", "cut short");
    }
}

/* --- the observer --- */

static void on_attempt(void *arg, const struct store_message *message,
                       const struct store_leg *leg, const struct delivery_result *result,
                       bool is_final)
{
    (void)arg;
    struct seen *seen = &fixture.seen;
    assert_true(message->id.length > 0);
    assert_true(leg->last_reply.length > 0);
    snprintf(seen->last_reply, sizeof seen->last_reply, "%.*s", STR_ARG(leg->last_reply));
    seen->delivered += result->status == DELIVERY_OK;
    seen->failed += is_final;
    seen->deferred += result->status == DELIVERY_TEMPORARY && !is_final;
}

static void on_notice(void *arg, const struct store_message *message,
                      const struct store_leg *leg, enum notice_action action,
                      const struct store_message *notice)
{
    (void)arg;
    (void)leg;
    assert_true(message->return_path.length > 0);
    assert_int_equal(notice->reverse_path.length, 0);
    fixture.seen.noticed++;
    fixture.seen.last_action = action;
}

static void on_trouble(void *arg, struct str what, struct str detail)
{
    (void)arg;
    fixture.seen.troubled++;
    snprintf(fixture.seen.last_trouble, sizeof fixture.seen.last_trouble, "%.*s: %.*s",
             STR_ARG(what), STR_ARG(detail));
}

/* --- opening --- */

static int fixture_open(void **state)
{
    memset(&fixture, 0, sizeof fixture);
    fixture.options = (struct queue_options){
        .first_retry_ms = 20,
        .retry_max_ms = 160,
        .lifetime_ms = 60000,
        .active_max = 50,
        .active_per_destination_max = 5,
        .lease_ms = 1000,
    };
    fixture.arena = arena_new();
    fixture.world.calls = table_new();
    fixture.delivery = delivery_open_capture(deliver, NULL);
    return test_loop_open(state);
}

static int fixture_close(void **state)
{
    delivery_close(fixture.delivery);
    table_free(fixture.world.calls);
    arena_free(fixture.arena);
    return test_loop_close(state);
}

static struct queue *open_queue(const char *owner)
{
    static const struct notice_options notices = {.host_name = "gw.test"};
    static const struct queue_observer observer = {
        .attempted = on_attempt, .noticed = on_notice, .troubled = on_trouble};
    return queue_open(&fixture.options, &notices, &observer, fixture.store,
                      fixture.delivery, str_of(owner));
}

#define queue_test(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

/* Waits until the expression holds. */
#define wait_for(expression)                                                               \
    do {                                                                                   \
        uint64_t give_up_ms = task_in_ms(WAIT_MS);                                         \
        while (!(expression) && task_now_ms() < give_up_ms)                                \
            task_sleep(2);                                                                 \
        assert_true(expression);                                                           \
    } while (0)

/* --- messages --- */

static const struct str content = {"Subject: x\r\n\r\nbody\r\n", 20};

static struct store_message message_from(const char *sender)
{
    return (struct store_message){
        .id = str_of(arena_printf(fixture.arena, "m%u", ++fixture.message_count)),
        .created_ms = unix_now_ms(),
        .reverse_path = str_of(sender),
        .return_path = str_of(sender),
        .parts = &content,
        .part_count = 1,
        .envid = STR(""),
        .activity_id = STR(""),
    };
}

static struct store_leg leg_to(const char *recipient)
{
    const char *at = strchr(recipient, '@');
    return (struct store_leg){
        .recipient = str_of(recipient),
        .destination = str_of(at + 1),
        .original = STR("someone@ours.test"),
        .orcpt = STR(""),
        .last_reply = STR(""),
        .last_peer = STR(""),
        .owner = STR(""),
        .message_id = STR(""),
    };
}

static inline void add(const char *sender, const char *recipient)
{
    struct store_message message = message_from(sender);
    struct store_leg leg = leg_to(recipient);
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), 0);
}

static inline void close_queue(void)
{
    queue_close(fixture.queue, task_in_ms(WAIT_MS));
    fixture.queue = NULL;
}
