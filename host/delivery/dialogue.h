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

/* Waits for a reply: true when the peer gave one. False when it did not (`after` tells people what it
 * should have answered): then the dialogue is over and `reply` is a 451 of ours. A 421 is a reply, and
 * ends the dialogue. */
bool dialogue_hear(struct dialogue *dialogue, uint32_t timeout_ms, const char *after);

/* A write has failed: true when the peer had already said why, with 4xx or 5xx; else as above. */
bool dialogue_hear_last_words(struct dialogue *dialogue, int failure, const char *after);

/* Replaces what the peer said, or did not say, by words of ours, and ends the dialogue. */
void dialogue_give_up(struct dialogue *dialogue, struct reply reply);
