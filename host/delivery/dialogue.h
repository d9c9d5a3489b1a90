/* What is said on a connection, as a client sees it: commands out, replies in. */
#pragma once

#include "base/buf.h"
#include "net/stream.h"
#include "smtp/reply.h"

struct dialogue {
    struct net_stream *stream;
    char *peer;         /* "mx1.dest.test[192.0.2.1]:25" */
    struct buf out;     /* commands not yet sent */
    struct reply reply; /* the last one; ours when the peer gave none */
    bool is_from_peer;
    bool is_over; /* nothing more is to be said or heard */
};

/* Owns the stream from now on. */
void dialogue_open(struct dialogue *dialogue, struct net_stream *stream, struct str name);
/* Closes the stream, after QUIT if the peer may still listen. */
void dialogue_close(struct dialogue *dialogue);

/* Adds a command, without its CRLF, to what goes out in one write before the next reply is heard. */
void dialogue_say(struct dialogue *dialogue, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Waits for a reply; `after` tells people what it should answer. True when its first digit is `wanted`.
 * False when the peer refuses (4xx, 5xx; a 421 also ends the dialogue), and when it gives no reply or one
 * that makes no sense: then the dialogue is over and `reply` a 451 of ours. */
bool dialogue_hear(struct dialogue *dialogue, uint32_t timeout_ms, const char *after,
                   int wanted);

/* A write has failed: the dialogue is over, with the peer's refusal if it had sent one, else as above. */
void dialogue_hear_last_words(struct dialogue *dialogue, int failure, const char *after);
