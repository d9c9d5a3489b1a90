/* A message as the EMAIL frame says it (wire.h). */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#include "net/address.h"

#define PAYLOAD_SPARE_BYTES ((size_t)1024)

/* A copy that nobody can change any more: the isolate maps it. */
static int sealed_copy(struct str raw, int *fd)
{
    int copy = memfd_create("postern-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return -errno;
    for (struct str rest = raw; rest.length;) {
        ssize_t written = write(copy, rest.at, rest.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            goto failed;
        rest = str_from(rest, (size_t)written);
    }
    if (fcntl(copy, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        goto failed;
    *fd = copy;
    return 0;

failed:;
    int result = errno ? -errno : -EIO;
    close(copy);
    return result;
}

static int put_optional(struct buf *out, const char *key, struct str text)
{
    return text.length ? value_put_string(out, key, text) : 0;
}

static int put_client(struct buf *out, const struct message_client *client)
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    int failed = value_put_table(out, "client");
    failed |=
        value_put_string(out, "ip", str_of(net_address_ip_text(&client->address, ip)));
    failed |= value_put_string(out, "helo", client->helo);
    failed |= put_optional(out, "hostname", client->hostname);
    failed |= put_optional(out, "tls", client->tls_version);
    return failed | value_end_table(out);
}

static int put_captures(struct buf *out, const struct worker_email *email)
{
    int failed = value_put_table(out, "captures");
    for (size_t i = 0; i < email->capture_count; i++) {
        failed |= value_write_string(out, email->captures[i].name);
        failed |= value_write_string(out, email->captures[i].value);
    }
    return failed | value_end_table(out);
}

int email_encode(const struct worker_email *email, uint64_t remaining_ms, struct buf *out,
                 int *raw_fd)
{
    const struct message *message = email->message;
    const struct str raw = blob_view(message->raw);
    const bool is_inline = raw.length <= WIRE_INLINE_BYTES;
    buf_reserve(out, PAYLOAD_SPARE_BYTES + (is_inline ? raw.length : 0));
    int failed = value_begin_table(out);
    failed |= value_put_string(out, "from", message->reverse_path.text);
    failed |= value_put_string(out, "to", email->recipient.text);
    failed |= value_put_number(out, "rawSize", (double)raw.length);
    if (is_inline)
        failed |= value_put_string(out, "raw", raw);
    failed |= value_put_bool(out, "canBeForwarded", email->can_be_forwarded);
    failed |= put_captures(out, email);
    failed |= put_client(out, &message->client);
    if (email->auth.length)
        failed |= value_write_string(out, STR("auth")) | buf_append(out, email->auth);
    if (email->spam_score >= 0)
        failed |= value_put_number(out, "spamScore", email->spam_score);
    failed |= value_put_number(out, "remainingMs", (double)remaining_ms);
    failed |= value_end_table(out);
    if (failed || is_inline || *raw_fd >= 0)
        return failed;
    return sealed_copy(raw, raw_fd);
}
