/* The three parts of a notice's multipart/report (RFC 6522), each in a file of its own. All that comes from peers and
 * from the message is bounded here, so `out` has room for it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "delivery/notice.h"
#include "mail/header.h"

/* Room that is enough for what the first two parts say of the message and of each recipient. */
#define NOTICE_MESSAGE_BYTES   ((size_t)32 * 1024)
#define NOTICE_RECIPIENT_BYTES ((size_t)32 * 1024)
#define NOTICE_ORIGINAL_BYTES  ((size_t)64 * 1024) /* at most so much is given back */
#define NOTICE_ADDRESS_BYTES   320

/* For people: UTF-8 with CRLF. `subject`: of the message, or empty. */
void notice_put_text(const struct notice_request *request, struct str subject,
                     struct buf *out);

/* For machines. What has bytes above 127, since an address has, is message/global-delivery-status, else it is
 * message/delivery-status. */
void notice_put_status(const struct notice_request *request, struct buf *out);

/* What is given back. */
struct notice_original {
    struct header header;
    const char *media_type;
    struct str content; /* lines of at most 998 bytes with CRLF, no NUL */
};
/* The whole message if its sender wants it so (RET=FULL), something has failed, it is not too long, and any peer takes
 * its lines; else its header, without the fields that have such lines. */
struct notice_original notice_original_take(const struct notice_request *request);

/* The last word on a recipient, as it may be told: code and text, several lines split by '\n'. */
struct str notice_reply_text(const struct notice_recipient *recipient, struct arena *arena);
/* "mx1.dest.test", when it is a peer's word and the peer may be told; else empty. */
struct str notice_peer_name(const struct notice_recipient *recipient, struct arena *arena);
