/* The parts of a MIME message (RFC 2045, 2046) as an index over its bytes: nothing is copied, nothing is
 * decoded, and no message is too broken. Bounded in depth and in number of parts; linear in time. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

#define MIME_DEPTH_MAX       20
#define MIME_PARTS_MAX       1000
/* Of a field whose parameters are read; a boundary has 70. */
#define MIME_FIELD_BYTES_MAX ((size_t)16 * 1024)

enum mime_problem {
    MIME_TOO_DEEP = 1 << 0,
    MIME_TOO_MANY_PARTS = 1 << 1,
    MIME_NO_BOUNDARY = 1 << 2,     /* a multipart that names none */
    MIME_BOUNDARY_ABSENT = 1 << 3, /* none of its lines is there */
    MIME_NOT_CLOSED = 1 << 4,      /* the line that ends a multipart lacks */
    MIME_FIELD_TOO_LONG = 1 << 5,  /* a field's parameters were not read */
};

struct mime_part {
    struct mime_part *parent, *first, *last,
        *next;         /* child parts; a message/rfc822 has one: the message */
    struct str header; /* the section, as header_parse takes it */
    struct str body;   /* as transferred, without the line end in front of a boundary */
    struct str
        type; /* "text/plain": of the field, or the default; lower case, in the arena */
    struct str type_field; /* Content-Type and Content-Disposition as they stand there; */
    struct str disposition_field; /* empty when they lack or are too long */
    struct str encoding;          /* lower case; "" when nothing is encoded */
    struct str content_id;        /* as it stands there, trimmed */
    unsigned depth;               /* 0: the message itself */
    unsigned problems;            /* of enum mime_problem */
};

/* Views point into `raw` unless said otherwise. */
struct mime_part *mime_tree_read(struct str raw, struct arena *arena);
