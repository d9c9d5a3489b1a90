/* A scripted SMTP server for tests: what it expects to hear, and what it says to that.
 *
 *     {NULL, "220 mx.test"}, {"EHLO", "250 mx.test"}, {"MAIL FROM:<a@b.test>", "250 OK"}, … {0}
 *
 * Text is said with CRLF at its end; "=text" as it is. Content is heard as FAKE_CONTENT, or behind a
 * "BDAT" line at once. After its script, or a QUIT at any time, it closes the connection. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "net/listener.h"

#define FAKE_CONTENT  "(content)"  /* expected: all up to CRLF.CRLF */
#define FAKE_END      "(end)"      /* expected: lines until the client closes */
#define FAKE_CLOSE    "(close)"    /* said: the connection is closed */
#define FAKE_TLS      "(tls)"      /* said: 220, then a handshake */
#define FAKE_ONLY_TLS "(only tls)" /* said: a handshake without a word before */
#define FAKE_SILENCE  "(silence)"  /* said: nothing, until the client closes */
#define FAKE_ENDLESS  "(endless)"  /* said: a line that never ends */

#define FAKE_PATIENCE_MS 30000

struct fake_step {
    const char *expect, *say;
};

struct fake_peer {
    /* One per connection, the last one for all further ones as well. */
    const struct fake_step *scripts[8];
    bool may_be_left; /* the client may close at any step: that is no trouble */
    struct tls_server *tls;
    struct net_listener *listener;
    size_t connection_count, open_count, open_count_max;
    size_t burst_lines; /* most lines that came in one piece */
    struct buf heard;   /* lines, '|' after each */
    struct buf content;
    char trouble[400]; /* what was not as expected */
};

/* --- hearing --- */

static inline void fake_count_burst(struct fake_peer *peer, struct str input)
{
    size_t lines = 0;
    for (size_t i = 0; i < input.length; i++)
        lines += input.at[i] == '\n';
    if (lines > peer->burst_lines)
        peer->burst_lines = lines;
}

/* Moves `bytes` of the input into a buffer; false at the end of the stream. */
static inline bool fake_take(struct net_stream *stream, size_t bytes, struct buf *to)
{
    while (bytes > 0) {
        struct str input = net_stream_input(stream);
        if (input.length == 0) {
            if (net_stream_fill(stream, task_in_ms(FAKE_PATIENCE_MS)) <= 0)
                return false;
            continue;
        }
        size_t piece = input.length < bytes ? input.length : bytes;
        buf_append(to, str_part(input, 0, piece));
        net_stream_consume(stream, piece);
        bytes -= piece;
    }
    return true;
}

static inline bool fake_take_line(struct fake_peer *peer, struct net_stream *stream,
                                  struct buf *line)
{
    ptrdiff_t end;
    while ((end = str_find(net_stream_input(stream), STR("\r\n"))) < 0)
        if (net_stream_fill(stream, task_in_ms(FAKE_PATIENCE_MS)) <= 0)
            return false;
    fake_count_burst(peer, net_stream_input(stream));
    return fake_take(stream, (size_t)end + 2, line);
}

static inline bool fake_take_content(struct fake_peer *peer, struct net_stream *stream)
{
    struct str content;
    do {
        if (!fake_take(stream, 1, &peer->content))
            return false;
        content = buf_view(&peer->content);
    } while (!str_equal(content, STR(".\r\n")) &&
             !str_ends_nocase(content, STR("\r\n.\r\n")));
    return true;
}

static inline bool fake_hear_line(struct fake_peer *peer, struct net_stream *stream,
                                  const char *expect)
{
    struct buf line;
    buf_init(&line, 65536);
    bool is_heard = fake_take_line(peer, stream, &line);
    if (is_heard) {
        struct str text = str_part(buf_view(&line), 0, line.length - 2);
        buf_printf(&peer->heard, "%.*s|", STR_ARG(text));
        if (str_starts(text, STR("BDAT ")))
            is_heard = fake_take(stream, strtoul(text.at + 5, NULL, 10), &peer->content);
        if (str_equal(text, STR("QUIT")))
            is_heard = false;
        else if (expect && !str_starts(text, str_of(expect)))
            snprintf(peer->trouble, sizeof peer->trouble, "expected %s, heard %.*s", expect,
                     STR_ARG(text));
    } else if (expect && !peer->may_be_left && !peer->trouble[0]) {
        snprintf(peer->trouble, sizeof peer->trouble, "expected %s, heard no more", expect);
    }
    buf_free(&line);
    return is_heard && !peer->trouble[0];
}

static inline bool fake_hear(struct fake_peer *peer, struct net_stream *stream,
                             const char *expect)
{
    if (strcmp(expect, FAKE_CONTENT) == 0)
        return fake_take_content(peer, stream);
    if (strcmp(expect, FAKE_END) != 0)
        return fake_hear_line(peer, stream, expect);
    while (fake_hear_line(peer, stream, NULL))
        ;
    return false;
}

/* --- saying --- */

static inline bool fake_write(struct net_stream *stream, struct str text)
{
    return net_stream_write(stream, &text, 1, task_in_ms(FAKE_PATIENCE_MS)) == 0;
}

static inline bool fake_say_endlessly(struct net_stream *stream)
{
    char block[4096];
    memset(block, '2', sizeof block);
    while (fake_write(stream, (struct str){block, sizeof block}))
        ;
    return false;
}

static inline bool fake_start_tls(struct fake_peer *peer, struct net_stream *stream)
{
    struct err err;
    return net_stream_tls_accept(stream, peer->tls, task_in_ms(FAKE_PATIENCE_MS), &err) ==
           0;
}

static inline bool fake_say(struct fake_peer *peer, struct net_stream *stream,
                            const char *say)
{
    if (strcmp(say, FAKE_CLOSE) == 0)
        return false;
    if (strcmp(say, FAKE_SILENCE) == 0)
        return fake_hear(peer, stream, FAKE_END);
    if (strcmp(say, FAKE_ENDLESS) == 0)
        return fake_say_endlessly(stream);
    if (strcmp(say, FAKE_ONLY_TLS) == 0)
        return fake_start_tls(peer, stream);
    if (strcmp(say, FAKE_TLS) == 0)
        return fake_write(stream, STR("220 go on\r\n")) && fake_start_tls(peer, stream);
    if (say[0] == '=')
        return fake_write(stream, str_of(say + 1));
    return fake_write(stream, str_of(say)) && fake_write(stream, STR("\r\n"));
}

/* --- the server --- */

static inline void fake_serve(struct net_stream *stream, void *arg)
{
    struct fake_peer *peer = arg;
    size_t last = 0;
    while (last + 1 < sizeof peer->scripts / sizeof *peer->scripts &&
           peer->scripts[last + 1])
        last++;
    size_t number = peer->connection_count++;
    if (++peer->open_count > peer->open_count_max)
        peer->open_count_max = peer->open_count;
    for (const struct fake_step *step = peer->scripts[number < last ? number : last];
         step->expect || step->say; step++)
        if ((step->expect && !fake_hear(peer, stream, step->expect)) ||
            (step->say && !fake_say(peer, stream, step->say)))
            break;
    peer->open_count--;
    net_stream_close(stream);
}

/* `at`: "127.0.0.1:0"; scripts are set before or after. */
static inline void fake_peer_open(struct fake_peer *peer, const char *at)
{
    struct net_address address;
    struct err err;
    buf_init(&peer->heard, (size_t)1 << 20);
    buf_init(&peer->content, (size_t)1 << 26);
    assert_int_equal(net_address_parse_port(str_of(at), 0, &address), 0);
    peer->listener = net_listener_open(&address, "fake peer", fake_serve, peer, &err);
    assert_non_null(peer->listener);
}

static inline uint16_t fake_peer_port(const struct fake_peer *peer)
{
    return net_address_port(net_listener_address(peer->listener));
}

static inline void fake_peer_close(struct fake_peer *peer)
{
    net_listener_close(peer->listener);
}

/* After the loop has ended. */
static inline void fake_peer_free(struct fake_peer *peer)
{
    assert_string_equal(peer->trouble, "");
    buf_free(&peer->heard);
    buf_free(&peer->content);
}
