/* What the files of delivery/ know of each other's structs. */
#pragma once

#include "delivery.h"

#include "base/list.h"
#include "delivery/dialogue.h"

/* --- the ways of delivery: delivery.c calls through this table --- */

struct delivery_way {
    /* Fills status, reply and what it knows of the peer; the result comes zeroed. */
    void (*send)(struct delivery *delivery, const struct delivery_request *request,
                 struct arena *arena, struct delivery_result *result);
    void (*close)(struct delivery *delivery);
    /* NULL: it has no options. */
    int (*reconfigure)(struct delivery *delivery, const struct delivery_options *options,
                       struct err *err);
    /* NULL: it has no connections. */
    void (*each_connection)(const struct delivery *delivery,
                            void (*see)(struct str peer, bool is_idle, size_t messages,
                                        void *arg),
                            void *arg);
};

/* The first member of each way's own struct. */
struct delivery {
    const struct delivery_way *way;
};

/* Ends a delivery with a reply of ours: its code decides the status. */
void delivery_result_say(struct delivery_result *result, struct reply reply);

/* --- a connection as its client (client.c, client_open.c), kept by pool.c --- */

struct client {
    struct dialogue dialogue;
    struct {
        struct list node;   /* among its destination's busy or kept clients */
        struct list by_age; /* among all kept clients */
        struct pool_destination *destination;
        uint64_t idle_until_ms;
    } pool; /* pool.c's */
    /* from the reply to EHLO */
    bool has_pipelining, has_size, has_8bitmime, has_smtputf8, has_chunking, has_starttls,
        has_dsn;
    unsigned long long size_max; /* 0: no limit told */
    bool needs_reset;            /* a transaction was begun and not ended */
    size_t message_count;
};
