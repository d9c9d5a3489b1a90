/* A message from a file, for the programs that integration tests ask. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "mail/message.h"

#define SHOW_MESSAGE_BYTES_MAX ((size_t)64 << 20)

static inline int show_read_file(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    for (size_t bytes = 1; bytes;) {
        char *room = buf_reserve(content, 65536);
        bytes = room ? fread(room, 1, 65536, file) : 0;
        buf_extend(content, bytes);
    }
    return fclose(file);
}

/* As if it had just come; an empty one, with a complaint, where there is no such file. */
static inline struct message *show_read_message(const char *path)
{
    struct buf content;
    struct message *message = message_new();
    buf_init(&content, SHOW_MESSAGE_BYTES_MAX);
    if (show_read_file(path, &content) < 0)
        fprintf(stderr, "cannot read %s\n", path);
    message->raw = blob_copy(buf_view(&content));
    message->received_at = unix_now_ms();
    header_parse(blob_view(message->raw), message->arena, &message->header);
    buf_free(&content);
    return message;
}
