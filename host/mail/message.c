#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"

#define ID_TIME_DIGITS   9 /* 36^9 ms: until the year 5188 */
#define ID_CHANCE_DIGITS 7

/* --- the body --- */

struct blob *blob_adopt(char *bytes, size_t length)
{
    struct blob *blob = mem_alloc(sizeof *blob);
    blob->references = 1;
    blob->length = length;
    blob->bytes = bytes;
    return blob;
}

struct blob *blob_copy(struct str bytes)
{
    return blob_adopt(mem_copy_text(bytes.length ? bytes.at : "", bytes.length),
                      bytes.length);
}

struct blob *blob_keep(struct blob *blob)
{
    blob->references++;
    return blob;
}

void blob_release(struct blob *blob)
{
    if (!blob)
        return;
    invariant(blob->references > 0, "blob: released once too often");
    if (--blob->references)
        return;
    free(blob->bytes);
    free(blob);
}

struct str blob_view(const struct blob *blob)
{
    return (struct str){blob->bytes, blob->length};
}

/* --- the message --- */

struct message *message_new(void)
{
    struct arena *arena = arena_new();
    struct message *message = arena_new_of(arena, struct message);
    message->references = 1;
    message->arena = arena;
    return message;
}

struct message *message_keep(struct message *message)
{
    message->references++;
    return message;
}

void message_release(struct message *message)
{
    if (!message)
        return;
    invariant(message->references > 0, "message: released once too often");
    if (--message->references)
        return;
    blob_release(message->raw);
    arena_free(message->arena);
}

/* --- ids --- */

static void write_base36(uint64_t number, char *digits, size_t count)
{
    while (count--) {
        digits[count] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        number /= 36;
    }
}

/* The kernel is asked each time (well under 1 µs), so that forked processes cannot repeat each other. */
struct str message_new_id(struct arena *arena)
{
    uint64_t chance;
    invariant(getrandom(&chance, sizeof chance, 0) == (ssize_t)sizeof chance,
              "message: the kernel gives no random bytes");
    size_t length = ID_TIME_DIGITS + ID_CHANCE_DIGITS;
    char *id = arena_alloc(arena, length + 1);
    write_base36(unix_now_ms(), id, ID_TIME_DIGITS);
    write_base36(chance, id + ID_TIME_DIGITS, ID_CHANCE_DIGITS);
    return (struct str){id, length};
}

/* --- time --- */

/* strftime's names would follow the locale. */
const char *date_text(uint64_t unix_ms, char text[DATE_TEXT_BYTES])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    invariant(gmtime_r(&seconds, &utc), "message: no such year");
    snprintf(text, DATE_TEXT_BYTES, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000",
             days + (size_t)3 * (size_t)utc.tm_wday, utc.tm_mday,
             months + (size_t)3 * (size_t)utc.tm_mon, utc.tm_year + 1900, utc.tm_hour,
             utc.tm_min, utc.tm_sec);
    return text;
}

uint64_t unix_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
