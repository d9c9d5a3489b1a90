/* Version 1 is a line of text, version 2 a binary block behind a 12-byte signature. Everything is
 * decided on the first bytes that can decide it, so that another protocol is refused at once. */
#include "proxy.h"

#include <errno.h>

#include <uv.h>

#define V1_PREFIX    STR("PROXY ")
#define V1_BYTES_MAX 107
#define V2_SIGNATURE STR("\r\n\r\n\0\r\nQUIT\n")
#define V2_HEAD      16
#define V2_BYTES_MAX 536

enum v2_command { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum v2_family { V2_UNSPECIFIED = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

static int malformed(struct err *err, const char *why)
{
    return err_set(err, -EPROTO, "PROXY header: %s", why);
}

/* --- version 1 --- */

/* A decimal number without leading zeros. */
static bool parse_port(struct str text, uint16_t *port)
{
    unsigned long long number;
    if (text.length > 5 || !str_to_number(text, &number) || number > UINT16_MAX ||
        (text.length > 1 && text.at[0] == '0'))
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool parse_v1_address(struct str ip, struct str port_text, bool is_v6,
                             struct net_address *address)
{
    uint16_t port;
    return parse_port(port_text, &port) && (str_index(ip, ':') >= 0) == is_v6 &&
           str_index(ip, '[') < 0 && net_address_parse(ip, port, address) == 0;
}

/* `line` is what stands behind "PROXY " without CRLF. */
static int parse_v1_line(struct str line, struct proxy_header *header, struct err *err)
{
    struct str family = str_cut(&line, ' ');
    if (str_equal(family, STR("UNKNOWN"))) {
        header->is_local = true;
        return 1;
    }
    bool is_v6 = str_equal(family, STR("TCP6"));
    if (!is_v6 && !str_equal(family, STR("TCP4")))
        return malformed(err, "neither TCP4, TCP6 nor UNKNOWN");
    struct str source = str_cut(&line, ' '), destination = str_cut(&line, ' ');
    struct str source_port = str_cut(&line, ' ');
    if (!parse_v1_address(source, source_port, is_v6, &header->source) ||
        !parse_v1_address(destination, line, is_v6, &header->destination))
        return malformed(err, "bad address or port");
    return 1;
}

static int parse_v1(struct str input, struct proxy_header *header, struct err *err)
{
    struct str seen =
        str_part(input, 0, input.length < V1_BYTES_MAX ? input.length : V1_BYTES_MAX);
    ptrdiff_t end = str_index(seen, '\n');
    if (end < 0)
        return seen.length < V1_BYTES_MAX ? 0 : malformed(err, "line too long");
    if (end < (ptrdiff_t)V1_PREFIX.length + 1 || input.at[end - 1] != '\r')
        return malformed(err, "line ends without CRLF");
    header->length = (size_t)end + 1;
    return parse_v1_line(
        str_part(input, V1_PREFIX.length, (size_t)end - 1 - V1_PREFIX.length), header, err);
}

/* --- version 2 --- */

static unsigned byte_at(struct str bytes, size_t at)
{
    return (unsigned char)bytes.at[at];
}

static uint16_t number_at(struct str bytes, size_t at)
{
    return (uint16_t)(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

static void set_v4(struct str ip, uint16_t port, struct net_address *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&v4.sin_addr, ip.at, sizeof v4.sin_addr);
    net_address_from_socket((struct sockaddr *)&v4, address);
}

static void set_v6(struct str ip, uint16_t port, struct net_address *address)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&v6.sin6_addr, ip.at, sizeof v6.sin6_addr);
    net_address_from_socket((struct sockaddr *)&v6, address);
}

/* `body` is what stands behind the head: addresses, then TLVs, which say nothing to us. */
static int parse_v2_addresses(unsigned family, struct str body, struct proxy_header *header,
                              struct err *err)
{
    if (family == V2_UNSPECIFIED) {
        header->is_local = true;
        return 1;
    }
    if (family != V2_TCP4 && family != V2_TCP6)
        return malformed(err, "neither TCP over IPv4 nor over IPv6");
    size_t ip_bytes = family == V2_TCP4 ? 4 : 16;
    if (body.length < 2 * ip_bytes + 4)
        return malformed(err, "too short for its addresses");
    void (*set)(struct str, uint16_t, struct net_address *) =
        family == V2_TCP4 ? set_v4 : set_v6;
    set(body, number_at(body, 2 * ip_bytes), &header->source);
    set(str_from(body, ip_bytes), number_at(body, 2 * ip_bytes + 2), &header->destination);
    return 1;
}

static int parse_v2(struct str input, struct proxy_header *header, struct err *err)
{
    size_t at = V2_SIGNATURE.length;
    if (input.length > at && byte_at(input, at) != V2_LOCAL &&
        byte_at(input, at) != V2_PROXY)
        return malformed(err, "unknown version or command");
    if (input.length < V2_HEAD)
        return 0;
    size_t body_bytes = number_at(input, at + 2);
    if (body_bytes > V2_BYTES_MAX - V2_HEAD)
        return malformed(err, "too long");
    if (input.length < V2_HEAD + body_bytes)
        return 0;
    header->length = V2_HEAD + body_bytes;
    header->is_local = byte_at(input, at) == V2_LOCAL;
    if (header->is_local)
        return 1;
    return parse_v2_addresses(byte_at(input, at + 1), str_part(input, V2_HEAD, body_bytes),
                              header, err);
}

/* --- either --- */

/* Whether `input` begins with `prefix`, as far as it goes. */
static bool may_start(struct str input, struct str prefix)
{
    size_t bytes = input.length < prefix.length ? input.length : prefix.length;
    return str_equal(str_part(input, 0, bytes), str_part(prefix, 0, bytes));
}

int proxy_header_parse(struct str input, struct proxy_header *header, struct err *err)
{
    *header = (struct proxy_header){0};
    bool is_v1 = may_start(input, V1_PREFIX);
    struct str prefix = is_v1 ? V1_PREFIX : V2_SIGNATURE;
    if (!is_v1 && !may_start(input, prefix))
        return malformed(err, "the connection does not begin with one");
    if (input.length < prefix.length)
        return 0;
    return is_v1 ? parse_v1(input, header, err) : parse_v2(input, header, err);
}

int proxy_header_read(struct net_stream *stream, uint64_t deadline_ms, struct err *err)
{
    struct proxy_header header;
    for (;;) {
        int parsed = proxy_header_parse(net_stream_input(stream), &header, err);
        if (parsed < 0)
            return parsed;
        if (parsed > 0)
            break;
        int filled = net_stream_fill(stream, deadline_ms);
        if (filled == 0)
            return malformed(err, "the connection ended before it");
        if (filled < 0)
            return err_set(err, filled, "PROXY header: %s", uv_strerror(filled));
    }
    net_stream_consume(stream, header.length);
    if (!header.is_local)
        net_stream_set_peer(stream, &header.source, &header.destination);
    return 0;
}
