/* A message as it was received: the raw bytes (reference-counted, never changed), the index of its
 * header, and the envelope it came with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "mail/delivery_notice.h"
#include "mail/header.h"
#include "mail/mailbox.h"
#include "net/address.h"

/* --- the body: the one reference-counted blob --- */

struct blob {
    size_t references;
    size_t length;
    char *bytes;
};

/* Takes over `bytes` (from malloc). One reference is the caller's. */
struct blob *blob_adopt(char *bytes, size_t length);
struct blob *blob_copy(struct str bytes);
struct blob *blob_keep(struct blob *blob);
/* NULL is ignored. */
void blob_release(struct blob *blob);
struct str blob_view(const struct blob *blob);

/* --- who brought it --- */

struct message_client {
    struct net_address address;
    struct str helo;
    struct str hostname;    /* verified reverse name, or empty */
    struct str tls_version; /* "TLSv1.3", or empty */
    struct str tls_cipher;
};

/* --- the message --- */

struct message {
    size_t references;
    struct arena *arena; /* all views below live in it or in raw */
    struct blob *raw;    /* CRLF lines, dots unstuffed, no trace header of ours */
    struct header header;
    struct str trace; /* our own header fields to go on top ("Received: …\r\n") */
    struct str id;    /* Postern's name for it in log and Received, [0-9a-z]+ */
    struct mailbox reverse_path;
    struct dsn_envelope dsn; /* RET and ENVID, for the notices about it */
    struct message_client client;
    bool is_8bit; /* bytes above 127 are in it: needs 8BITMIME, or is sent as it is */
    bool is_utf8; /* came with SMTPUTF8: needs it on */
    uint64_t received_at; /* Unix time, ms */
};

/* A message with an arena of its own and nothing else; one reference is the caller's. Counted, since a
 * worker's waitUntil functions may outlive the SMTP transaction that brought it. */
struct message *message_new(void);
struct message *message_keep(struct message *message);
/* The last release frees the arena, and raw with it. NULL is ignored. */
void message_release(struct message *message);

/* A new message id: 16 characters of time and chance, in the arena. */
struct str message_new_id(struct arena *arena);

/* RFC 5322 date-time in UTC: "Sun, 22 Nov 2026 04:29:12 +0000". */
#define DATE_TEXT_BYTES 40
const char *date_text(uint64_t unix_ms, char text[DATE_TEXT_BYTES]);
uint64_t unix_now_ms(void);
