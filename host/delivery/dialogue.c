/* The peer may say anything at any speed: a reply is bounded by its parser, and its time runs from the
 * command on, however slowly it drips in. */
#include "dialogue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/task.h"

/* RSET, MAIL, RCPT and DATA together, with the longest of addresses and parameters. */
#define OUT_BYTES_MAX 4096
/* They have been sent before the connection failed, so they are here or not at all. */
#define LAST_WORDS_MS 100

void dialogue_open(struct dialogue *dialogue, struct net_stream *stream, struct str name)
{
    char address[NET_ADDRESS_TEXT_BYTES];
    char peer[512];
    const struct net_address *ip = net_stream_peer(stream);
    net_address_ip_text(ip, address);
    int length = snprintf(peer, sizeof peer, "%.*s[%s]:%u",
                          (int)(name.length > 253 ? 253 : name.length), name.at, address,
                          net_address_port(ip));
    *dialogue = (struct dialogue){.stream = stream};
    dialogue->peer = mem_copy_text(peer, (size_t)length);
    buf_init(&dialogue->out, OUT_BYTES_MAX);
}

void dialogue_close(struct dialogue *dialogue)
{
    if (!dialogue->is_over && !net_stream_is_dead(dialogue->stream)) {
        net_stream_write_now(dialogue->stream, STR("QUIT\r\n"));
        net_stream_tls_close_notify(dialogue->stream);
    }
    net_stream_close(dialogue->stream);
    buf_free(&dialogue->out);
    free(dialogue->peer);
}

void dialogue_say(struct dialogue *dialogue, const char *format, ...)
{
    char command[OUT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    invariant(length >= 0 && (size_t)length < sizeof command &&
                  buf_append(&dialogue->out, (struct str){command, (size_t)length}) == 0 &&
                  buf_append(&dialogue->out, STR("\r\n")) == 0,
              "delivery: a command is longer than a parsed address allows");
}

static void give_up(struct dialogue *dialogue, struct reply reply)
{
    dialogue->reply = reply;
    dialogue->is_from_peer = false;
    dialogue->is_over = true;
}

static const char *failure_text(int failure)
{
    switch (failure) {
    case 0:
    case -ECONNRESET:
    case -EPIPE:
        return "has closed the connection";
    case -ETIMEDOUT:
        return "has not answered in time";
    case -ECANCELED:
        return "was not waited for any longer";
    case -EPROTO:
    case -ENOBUFS:
        return "has answered what is not SMTP";
    default:
        return strerror(-failure);
    }
}

static void give_up_after(struct dialogue *dialogue, int failure, const char *after)
{
    bool is_nonsense = failure == -EPROTO || failure == -ENOBUFS;
    give_up(dialogue, reply_make(451, is_nonsense ? "4.5.0" : "4.4.2", "%s %s after %s",
                                 dialogue->peer, failure_text(failure), after));
}

/* Waits for a whole reply and takes it: its length; 0 when the peer has closed, or a negative errno. */
static int take_reply(struct dialogue *dialogue, uint64_t deadline_ms)
{
    int length;
    while ((length = reply_parse(net_stream_input(dialogue->stream), &dialogue->reply)) ==
           0) {
        int result = net_stream_fill(dialogue->stream, deadline_ms);
        if (result <= 0)
            return result;
    }
    if (length < 0)
        return length;
    net_stream_consume(dialogue->stream, (size_t)length);
    dialogue->is_from_peer = true;
    dialogue->is_over = dialogue->reply.code == 421; /* RFC 5321 section 3.8 */
    return length;
}

static int say_now(struct dialogue *dialogue, uint64_t deadline_ms)
{
    if (dialogue->out.length == 0)
        return 0;
    struct str commands = buf_view(&dialogue->out);
    int result = net_stream_write(dialogue->stream, &commands, 1, deadline_ms);
    buf_clear(&dialogue->out);
    return result;
}

bool dialogue_hear(struct dialogue *dialogue, uint32_t timeout_ms, const char *after,
                   int wanted)
{
    uint64_t deadline_ms = task_in_ms(timeout_ms);
    int result = say_now(dialogue, deadline_ms);
    if (result < 0) {
        dialogue_hear_last_words(dialogue, result, after);
        return false;
    }
    result = take_reply(dialogue, deadline_ms);
    int code = dialogue->reply.code;
    if (result <= 0)
        give_up_after(dialogue, result, after);
    else if (code / 100 != wanted && reply_is_ok(&dialogue->reply))
        give_up(dialogue, reply_make(451, "4.5.0", "%s has answered %s with %d",
                                     dialogue->peer, after, code));
    return result > 0 && code / 100 == wanted;
}

void dialogue_hear_last_words(struct dialogue *dialogue, int failure, const char *after)
{
    if (take_reply(dialogue, task_in_ms(LAST_WORDS_MS)) > 0 &&
        !reply_is_ok(&dialogue->reply))
        dialogue->is_over = true;
    else
        give_up_after(dialogue, failure, after);
}
