/* A name server for tests, on loopback, UDP and TCP, in the test's own loop. It answers from a table:
 *
 *     {"mx.dest.test", DNS_A, "192.0.2.1"}, {"dest.test", DNS_MX, "10 mx.dest.test"},
 *     {"alias.test", FAKE_CNAME, "dest.test"}, {"txt.test", DNS_TXT, "one|two strings"}
 *
 * NXDOMAIN for a name that is not in the table, NODATA for another type of a name that is. The value
 * may be one of the FAKE_ words below instead. */
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/mem.h"
#include "net/dns.h"

#define FAKE_CNAME     ((enum dns_type)5)
#define FAKE_ANY       ((enum dns_type)255) /* whatever is asked: for the words */
#define FAKE_NODATA    "NODATA"
#define FAKE_SERVFAIL  "SERVFAIL"
#define FAKE_REFUSED   "REFUSED"
#define FAKE_NO_ANSWER "SILENCE"
#define FAKE_TRUNCATED                                                                     \
    "TRUNCATED" /* over UDP; another record of the name is the answer over TCP */
#define FAKE_MALFORMED "MALFORMED" /* an A record of three bytes */
#define FAKE_GARBAGE   "GARBAGE"   /* the packet ends within the record */
#define FAKE_NUL       '\1'        /* within a TXT value: a NUL */

struct fake_record {
    const char *name;
    enum dns_type type;
    const char *value; /* TXT: "x*N" is N times x, in strings of 255 */
};

struct fake_dns {
    const struct fake_record *records; /* the last one has no name */
    uv_udp_t udp;
    uv_tcp_t tcp;
    unsigned question_count, tcp_count;
    char resolver[32]; /* "127.0.0.1@port" */
};

/* --- writing an answer --- */

struct fake_packet {
    unsigned char bytes[65535 + 2];
    size_t length;
};

static inline void fake_put(struct fake_packet *packet, const void *bytes, size_t length)
{
    assert_true(packet->length + length <= sizeof packet->bytes);
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

static inline void fake_put16(struct fake_packet *packet, unsigned value)
{
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    fake_put(packet, bytes, 2);
}

static inline void fake_put_name(struct fake_packet *packet, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        unsigned char octet = (unsigned char)length;
        fake_put(packet, &octet, 1);
        fake_put(packet, name, length);
        name += length + (name[length] == '.');
    }
    fake_put(packet, "", 1);
}

static inline void fake_put_string(struct fake_packet *packet, const char *text,
                                   size_t length)
{
    unsigned char octet = (unsigned char)length;
    fake_put(packet, &octet, 1);
    fake_put(packet, text, length);
    for (unsigned char *byte = packet->bytes + packet->length - length; length; length--)
        if (*byte++ == FAKE_NUL)
            byte[-1] = '\0';
}

static inline void fake_put_txt(struct fake_packet *packet, const char *value)
{
    if (value[0] && value[1] == '*') {
        char many[255];
        memset(many, value[0], sizeof many);
        for (size_t left = strtoul(value + 2, NULL, 10), piece; left; left -= piece) {
            piece = left < sizeof many ? left : sizeof many;
            fake_put_string(packet, many, piece);
        }
        return;
    }
    for (;;) {
        size_t length = strcspn(value, "|");
        fake_put_string(packet, value, length);
        if (!value[length])
            return;
        value += length + 1;
    }
}

static inline void fake_put_rdata(struct fake_packet *packet,
                                  const struct fake_record *record)
{
    unsigned char address[16];
    char *end;
    switch ((int)record->type) {
    case DNS_A:
        assert_int_equal(inet_pton(AF_INET, record->value, address), 1);
        fake_put(packet, address, 4);
        break;
    case DNS_AAAA:
        assert_int_equal(inet_pton(AF_INET6, record->value, address), 1);
        fake_put(packet, address, 16);
        break;
    case DNS_MX:
        fake_put16(packet, (unsigned)strtoul(record->value, &end, 10));
        fake_put_name(packet, strcmp(end, " .") == 0 ? "" : end + 1);
        break;
    case DNS_TXT:
        fake_put_txt(packet, record->value);
        break;
    default: /* PTR, CNAME */
        fake_put_name(packet, record->value);
    }
}

static inline void fake_put_record(struct fake_packet *packet,
                                   const struct fake_record *record)
{
    fake_put_name(packet, record->name);
    fake_put16(packet, (unsigned)record->type);
    fake_put16(packet, 1);
    fake_put16(packet, 0);
    fake_put16(packet, 300);
    size_t length_at = packet->length;
    fake_put16(packet, 0);
    fake_put_rdata(packet, record);
    size_t length = packet->length - length_at - 2;
    packet->bytes[length_at] = (unsigned char)(length >> 8);
    packet->bytes[length_at + 1] = (unsigned char)length;
}

/* --- finding one --- */

/* "*.dest.test" is every name below that. */
static inline bool fake_same_name(const char *known, const char *name)
{
    const char *tail = known[0] == '*' ? strchr(name, '.') : NULL;
    return strcasecmp(tail ? known + 1 : known, tail ? tail : name) == 0;
}

static inline const char *fake_word(const struct fake_dns *fake, const char *name, int type)
{
    static const char *const words[] = {FAKE_NODATA,    FAKE_SERVFAIL,  FAKE_REFUSED,
                                        FAKE_NO_ANSWER, FAKE_TRUNCATED, FAKE_MALFORMED,
                                        FAKE_GARBAGE};
    for (const struct fake_record *record = fake->records; record->name; record++)
        if (fake_same_name(record->name, name) &&
            ((int)record->type == type || record->type == FAKE_ANY))
            for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcmp(record->value, words[i]) == 0)
                    return words[i];
    return "";
}

/* Appends the records of the answer, through CNAMEs; *exists: the last name is in the table. */
static inline unsigned fake_put_answers(struct fake_dns *fake, struct fake_packet *packet,
                                        const char *name, int type, bool *exists)
{
    unsigned count = 0;
    *exists = false;
    for (const struct fake_record *record = fake->records; record->name; record++) {
        if (!fake_same_name(record->name, name))
            continue;
        *exists = true;
        if (record->type == FAKE_CNAME) {
            fake_put_record(packet, record);
            if (packet->length > 400) /* a loop */
                return 1 + count;
            return 1 + count + fake_put_answers(fake, packet, record->value, type, exists);
        }
        if ((int)record->type != type || strcmp(record->value, FAKE_TRUNCATED) == 0)
            continue;
        fake_put_record(packet, record);
        count++;
    }
    return count;
}

static inline size_t fake_read_question(const unsigned char *bytes, size_t length,
                                        char name[256], int *type)
{
    size_t at = 12;
    size_t used = 0;
    assert_true(length > at);
    while (bytes[at]) {
        size_t label = bytes[at++];
        assert_true(label < 64 && at + label < length);
        if (used)
            name[used++] = '.';
        memcpy(name + used, bytes + at, label);
        used += label;
        at += label;
    }
    name[used] = '\0';
    assert_true(at + 5 <= length);
    *type = bytes[at + 1] << 8 | bytes[at + 2];
    return at + 5;
}

/* False: say nothing. */
static inline bool fake_answer(struct fake_dns *fake, const unsigned char *question,
                               size_t length, bool is_tcp, struct fake_packet *packet)
{
    char name[256];
    int type;
    size_t question_end = fake_read_question(question, length, name, &type);
    const char *word = fake_word(fake, name, type);
    fake->question_count++;
    fake->tcp_count += is_tcp;
    if (strcmp(word, FAKE_NO_ANSWER) == 0)
        return false;
    bool is_truncated = strcmp(word, FAKE_TRUNCATED) == 0 && !is_tcp;
    unsigned rcode = strcmp(word, FAKE_SERVFAIL) == 0 ? 2
                     : strcmp(word, FAKE_REFUSED)     ? 0
                                                      : 5;
    unsigned count = 0;
    bool exists = true;
    packet->length = 0;
    fake_put(packet, question, question_end);
    if (strcmp(word, FAKE_MALFORMED) == 0 || strcmp(word, FAKE_GARBAGE) == 0) {
        static const unsigned char record[] = {0xC0, 12, 0, 1, 0,   1, 0, 0,
                                               1,    0,  0, 3, 192, 0, 2};
        fake_put(packet, record, sizeof record - (strcmp(word, FAKE_GARBAGE) == 0 ? 2 : 0));
        count = 1;
    } else if (!is_truncated && (!*word || is_tcp)) {
        count = fake_put_answers(fake, packet, name, type, &exists);
    }
    if (!exists)
        rcode = 3;
    packet->bytes[2] = (unsigned char)(0x85 | (is_truncated ? 2 : 0));
    packet->bytes[3] = (unsigned char)(0x80 | rcode);
    memset(packet->bytes + 4, 0, 8);
    packet->bytes[5] = 1;
    packet->bytes[7] = (unsigned char)count;
    packet->bytes[6] = (unsigned char)(count >> 8);
    return true;
}

/* --- sockets --- */

static inline void fake_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char memory[65536];
    (void)handle, (void)suggested;
    *buf = uv_buf_init(memory, sizeof memory);
}

static inline void fake_on_udp(uv_udp_t *udp, ssize_t length, const uv_buf_t *buf,
                               const struct sockaddr *from, unsigned flags)
{
    static struct fake_packet packet;
    (void)flags;
    if (length <= 0 || !from)
        return;
    if (!fake_answer(udp->data, (const unsigned char *)buf->base, (size_t)length, false,
                     &packet))
        return;
    uv_buf_t answer = uv_buf_init((char *)packet.bytes, (unsigned)packet.length);
    uv_udp_try_send(udp, &answer, 1, from);
}

static inline void fake_tcp_free(uv_handle_t *handle)
{
    free(handle);
}

static inline void fake_on_tcp(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf)
{
    static struct fake_packet packet;
    if (length < 0 || length < 14) { /* questions come in one piece on loopback */
        if (length != 0)
            uv_close((uv_handle_t *)stream, fake_tcp_free);
        return;
    }
    if (!fake_answer(stream->data, (const unsigned char *)buf->base + 2, (size_t)length - 2,
                     true, &packet))
        return;
    char prefix[2] = {(char)(packet.length >> 8), (char)packet.length};
    uv_buf_t answer[2] = {uv_buf_init(prefix, 2),
                          uv_buf_init((char *)packet.bytes, (unsigned)packet.length)};
    uv_try_write(stream, answer, 2);
}

static inline void fake_on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *connection = mem_zero(1, sizeof *connection);
    assert_int_equal(status, 0);
    uv_tcp_init(listener->loop, connection);
    connection->data = listener->data;
    uv_accept(listener, (uv_stream_t *)connection);
    uv_read_start((uv_stream_t *)connection, fake_alloc, fake_on_tcp);
}

/* One port for both: UDP's that the kernel chose may be taken for TCP, so another is tried. */
static inline void fake_dns_bind(int *udp, int *tcp, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    for (int tries = 0; tries < 100; tries++) {
        *address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        *udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        *tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(*udp, (struct sockaddr *)address, length) == 0 &&
            getsockname(*udp, (struct sockaddr *)address, &length) == 0 &&
            bind(*tcp, (struct sockaddr *)address, length) == 0)
            return;
        close(*udp);
        close(*tcp);
    }
    fail_msg("no port is free for UDP and TCP");
}

static inline void fake_dns_open(struct fake_dns *fake, uv_loop_t *loop,
                                 const struct fake_record records[])
{
    int udp, tcp;
    struct sockaddr_in address;
    *fake = (struct fake_dns){.records = records};
    fake_dns_bind(&udp, &tcp, &address);
    snprintf(fake->resolver, sizeof fake->resolver, "127.0.0.1@%u",
             ntohs(address.sin_port));
    uv_udp_init(loop, &fake->udp);
    uv_tcp_init(loop, &fake->tcp);
    fake->udp.data = fake->tcp.data = fake;
    assert_int_equal(uv_udp_open(&fake->udp, udp), 0);
    assert_int_equal(uv_tcp_open(&fake->tcp, tcp), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->tcp, 16, fake_on_connection), 0);
    uv_udp_recv_start(&fake->udp, fake_alloc, fake_on_udp);
}

/* The loop must run once more before `fake` goes. */
static inline void fake_dns_close(struct fake_dns *fake)
{
    uv_close((uv_handle_t *)&fake->udp, NULL);
    uv_close((uv_handle_t *)&fake->tcp, NULL);
}
