/* The content of messages: its checksum, and where it is: in the message's row, or, when it is long, in a file
 * <directory>/bodies/<id> that is on stable storage before the row is, and is removed after it. All of it blocks: on
 * the thread pool. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* Half of SHA-256: mail is not attacked here but must not be sent on damaged, and OpenSSL, which is linked anyway,
 * computes it at the speed of any hash. */
#define STORE_CHECKSUM_BYTES 16

struct store_bodies {
    char *directory;
    uint64_t inline_bytes; /* longer ones are files */
    bool keep_orphans;     /* they may belong to a database that was set aside */
};

struct store_content {
    const struct str *parts;
    size_t part_count;
    uint64_t bytes;
    bool is_file;
    unsigned char checksum[STORE_CHECKSUM_BYTES];
    char *joined; /* what is bound to the row, when there are several parts */
};

/* Message ids are names of files too: [0-9a-z]+, at most 64. */
bool store_body_is_id(struct str id);
struct store_content store_body_measure(const struct store_bodies *bodies,
                                        const struct str parts[], size_t part_count);
/* The checksum, and the content in one piece unless it is a file's. */
struct str store_body_join(struct store_content *content);
void store_body_free(struct store_content *content);
void store_checksum(const struct str parts[], size_t part_count,
                    unsigned char checksum[STORE_CHECKSUM_BYTES]);
bool store_body_is_sound(struct str content, uint64_t bytes, struct str checksum);

/* Returns 0 when the file and its name are on stable storage, with the checksum set; else no file is left. */
int store_body_write(const struct store_bodies *bodies, struct str id,
                     struct store_content *content);
/* -ENOENT, -EBADMSG when it is not `bytes` long, or another negative errno value. */
int store_body_read(const struct store_bodies *bodies, struct str id, uint64_t bytes,
                    struct arena *arena, struct str *content);
void store_body_remove(const struct store_bodies *bodies, struct str id);

/* Files that are older than an hour: none of them is being written. */
struct store_body_listing {
    const struct store_bodies *bodies;
    struct arena *arena;
    struct str *ids;
    bool *is_kept; /* not set here */
    size_t count;
};
void store_body_list(struct store_body_listing *listing);
