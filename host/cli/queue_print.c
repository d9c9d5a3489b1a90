#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/queue.h"
#include "mail/message.h"

/* --- words --- */

static const char *state_name(const struct store_leg *leg)
{
    static const char *const names[] = {[STORE_WAITING] = "waiting",
                                        [STORE_HELD] = "held",
                                        [STORE_SET_ASIDE] = "set aside"};
    return leg->owner.length ? "in delivery" : names[leg->state];
}

#define SPAN_BYTES 24

/* "3d4h", "5m10s": the two largest parts. */
static const char *span_text(uint64_t ms, char text[SPAN_BYTES])
{
    uint64_t seconds = ms / 1000;
    if (seconds >= 86400)
        snprintf(text, SPAN_BYTES, "%" PRIu64 "d%" PRIu64 "h", seconds / 86400,
                 seconds / 3600 % 24);
    else if (seconds >= 3600)
        snprintf(text, SPAN_BYTES, "%" PRIu64 "h%" PRIu64 "m", seconds / 3600,
                 seconds / 60 % 60);
    else if (seconds >= 60)
        snprintf(text, SPAN_BYTES, "%" PRIu64 "m%" PRIu64 "s", seconds / 60, seconds % 60);
    else
        snprintf(text, SPAN_BYTES, "%" PRIu64 "s", seconds);
    return text;
}

static const char *age_text(uint64_t since_ms, char text[SPAN_BYTES])
{
    uint64_t now_ms = unix_now_ms();
    return span_text(now_ms > since_ms ? now_ms - since_ms : 0, text);
}

static const char *next_text(const struct store_leg *leg, char text[SPAN_BYTES])
{
    uint64_t now_ms = unix_now_ms();
    if (leg->state != STORE_WAITING || leg->owner.length)
        return "-";
    return leg->next_ms > now_ms ? span_text(leg->next_ms - now_ms, text) : "now";
}

static const char *size_text(uint64_t bytes, char text[SPAN_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1024;
        unit++;
    }
    snprintf(text, SPAN_BYTES, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return text;
}

/* A terminal obeys control bytes. */
static void print_padded(struct str text, int width)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        putchar(byte < ' ' || byte == 127 ? '?' : byte);
    }
    for (size_t i = text.length; i < (size_t)width; i++)
        putchar(' ');
}

static struct str path_or_null(struct str path)
{
    return path.length ? path : STR("<>");
}

/* --- the list --- */

void cli_queue_print_list_head(void)
{
    printf("%-18s%-8s%-11s%-30s%-30s%-12s%6s  %-8s  %s\n", "ID", "AGE", "SIZE", "FROM",
           "TO", "STATE", "TRIES", "NEXT", "LAST REPLY");
}

void cli_queue_print_list_row(const struct store_leg *leg)
{
    char age[SPAN_BYTES], size[SPAN_BYTES], next[SPAN_BYTES];
    printf("%-17.*s %-7s %-10s ", STR_ARG(leg->message_id), age_text(leg->created_ms, age),
           size_text(leg->bytes, size));
    print_padded(path_or_null(leg->reverse_path), 29);
    putchar(' ');
    print_padded(leg->recipient, 29);
    printf(" %-12s%6" PRIu32 "  %-8s  ", state_name(leg), leg->attempts,
           next_text(leg, next));
    print_padded(leg->last_reply, 0);
    putchar('\n');
}

void cli_queue_print_sum(const struct store_queue_sum *sum)
{
    char size[SPAN_BYTES], age[SPAN_BYTES];
    printf("%" PRIu64 " messages, %" PRIu64 " recipients, %s", sum->messages, sum->legs,
           size_text(sum->bytes, size));
    if (sum->in_delivery)
        printf(", %" PRIu64 " in delivery", sum->in_delivery);
    if (sum->held)
        printf(", %" PRIu64 " held", sum->held);
    if (sum->set_aside)
        printf(", %" PRIu64 " set aside", sum->set_aside);
    if (sum->oldest_ms)
        printf(", the oldest of %s", age_text(sum->oldest_ms, age));
    putchar('\n');
}

/* --- one message --- */

static void print_field(const char *name, struct str value)
{
    printf("%-14s", name);
    print_padded(value, 0);
    putchar('\n');
}

static void print_envelope(const struct store_message *message, const struct store_leg *leg)
{
    char size[SPAN_BYTES], age[SPAN_BYTES], date[DATE_TEXT_BYTES];
    print_field("id", leg->message_id);
    printf("%-14s%s (%s ago)\n", "came", date_text(leg->created_ms, date),
           age_text(leg->created_ms, age));
    print_field("from", path_or_null(leg->reverse_path));
    if (!message) {
        printf("%-14s%s\n", "content", "corrupt");
        return;
    }
    print_field("told", message->return_path.length ? message->return_path
                                                    : STR("nobody, when it fails"));
    if (message->envid.length)
        print_field("ENVID", message->envid);
    if (message->activity_id.length)
        print_field("in the log", message->activity_id);
    printf("%-14s%s%s%s\n", "size", size_text(leg->bytes, size),
           message->is_8bit ? ", 8BITMIME" : "", message->is_utf8 ? ", SMTPUTF8" : "");
}

static void print_recipient(const struct store_leg *leg)
{
    char next[SPAN_BYTES];
    putchar('\n');
    print_field("to", leg->recipient);
    print_field("for", leg->original);
    printf("%-14s%s\n", "state", state_name(leg));
    if (leg->owner.length)
        print_field("by", leg->owner);
    printf("%-14s%" PRIu32 "\n%-14s%s\n", "tries", leg->attempts, "next",
           next_text(leg, next));
    if (leg->last_reply.length)
        print_field("last reply", leg->last_reply);
    if (leg->last_peer.length)
        print_field("of", leg->last_peer);
}

void cli_queue_print_message(const struct store_message *message,
                             const struct store_leg legs[], size_t count)
{
    print_envelope(message, &legs[0]);
    for (size_t i = 0; i < count; i++)
        print_recipient(&legs[i]);
}

/* --- JSON --- */

static json_t *leg_json(const struct store_leg *leg)
{
    return json_pack(
        "{so so so so ss sI sI sI sI sO so so so}", "id", cli_json_bytes(leg->message_id),
        "from", cli_json_bytes(leg->reverse_path), "to", cli_json_bytes(leg->recipient),
        "original", cli_json_bytes(leg->original), "state", state_name(leg), "attempts",
        (json_int_t)leg->attempts, "created_ms", (json_int_t)leg->created_ms, "next_ms",
        (json_int_t)leg->next_ms, "bytes", (json_int_t)leg->bytes, "delay_told",
        leg->is_delay_told ? json_true() : json_false(), "owner",
        cli_json_bytes(leg->owner), "last_reply", cli_json_bytes(leg->last_reply),
        "last_peer", cli_json_bytes(leg->last_peer));
}

static json_t *legs_json(const struct store_leg legs[], size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, leg_json(&legs[i]));
    return list;
}

void cli_queue_print_list_json(const struct store_leg legs[], size_t count,
                               const struct store_queue_sum *sum)
{
    json_t *total = json_pack(
        "{sI sI sI sI sI sI sI}", "messages", (json_int_t)sum->messages, "recipients",
        (json_int_t)sum->legs, "held", (json_int_t)sum->held, "set_aside",
        (json_int_t)sum->set_aside, "in_delivery", (json_int_t)sum->in_delivery, "bytes",
        (json_int_t)sum->bytes, "oldest_ms", (json_int_t)sum->oldest_ms);
    cli_json_print(
        json_pack("{so so}", "recipients", legs_json(legs, count), "sum", total));
}

void cli_queue_print_message_json(const struct store_message *message,
                                  const struct store_leg legs[], size_t count)
{
    json_t *json =
        json_pack("{so so sI sb so}", "id", cli_json_bytes(legs[0].message_id), "from",
                  cli_json_bytes(legs[0].reverse_path), "bytes", (json_int_t)legs[0].bytes,
                  "corrupt", message == NULL, "recipients", legs_json(legs, count));
    if (message) {
        json_t *more =
            json_pack("{so so so sI sb sb}", "told", cli_json_bytes(message->return_path),
                      "envid", cli_json_bytes(message->envid), "activity_id",
                      cli_json_bytes(message->activity_id), "ret", (json_int_t)message->ret,
                      "8bit", message->is_8bit, "utf8", message->is_utf8);
        json_object_update(json, more);
        json_decref(more);
    }
    cli_json_print(json);
}
