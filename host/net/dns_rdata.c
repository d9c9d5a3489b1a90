/* Strict parsing of record data. Whoever runs a name server chooses these bytes: no length in them is
 * believed. */
#include "dns_rdata.h"

#include <errno.h>

#define NAME_WIRE_BYTES_MAX 255
#define LABEL_BYTES_MAX     63

/* --- names --- */

static bool is_plain_label(struct str label)
{
    for (size_t i = 0; i < label.length; i++)
        if (label.at[i] <= ' ' || label.at[i] > '~' || label.at[i] == '.')
            return false;
    return true;
}

static size_t append_label(char *name, size_t used, struct str label)
{
    if (used > 0)
        name[used++] = '.';
    for (size_t i = 0; i < label.length; i++)
        name[used++] = ascii_lower(label.at[i]);
    return used;
}

/* domain-name = *( length-octet label ) zero-octet, and nothing after it. */
static int parse_name(struct str wire, struct arena *arena, struct str *name)
{
    if (wire.length > NAME_WIRE_BYTES_MAX)
        return -EPROTO;
    char *text = arena_alloc(arena, wire.length + 1);
    size_t used = 0;
    size_t at = 0;
    while (at < wire.length && wire.at[at] != 0) {
        size_t length = (unsigned char)wire.at[at++];
        if (length > LABEL_BYTES_MAX || length > wire.length - at)
            return -EPROTO;
        struct str label = str_part(wire, at, length);
        if (!is_plain_label(label))
            return -EPROTO;
        used = append_label(text, used, label);
        at += length;
    }
    if (at + 1 != wire.length)
        return -EPROTO;
    *name = (struct str){text, used};
    return 0;
}

/* --- types --- */

static int parse_address(struct str rdata, size_t bytes, struct net_address *address)
{
    if (rdata.length != bytes)
        return -EPROTO;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v4 = bytes == sizeof v4.sin_addr;
    memcpy(is_v4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr, rdata.at, bytes);
    net_address_from_socket(
        is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6, address);
    return 0;
}

static int parse_mx(struct str rdata, struct arena *arena, struct dns_record *record)
{
    if (rdata.length < 3)
        return -EPROTO;
    record->preference =
        (uint16_t)((unsigned char)rdata.at[0] << 8 | (unsigned char)rdata.at[1]);
    return parse_name(str_from(rdata, 2), arena, &record->name);
}

/* One or more strings, each behind its length. */
static int parse_txt(struct str rdata, struct arena *arena, struct str *text)
{
    if (rdata.length == 0)
        return -EPROTO;
    char *joined = arena_alloc(arena, rdata.length);
    size_t used = 0;
    for (size_t at = 0; at < rdata.length;) {
        size_t length = (unsigned char)rdata.at[at++];
        if (length > rdata.length - at)
            return -EPROTO;
        memcpy(joined + used, rdata.at + at, length);
        used += length;
        at += length;
    }
    *text = (struct str){joined, used};
    return 0;
}

int dns_rdata_parse(enum dns_type type, struct str rdata, struct arena *arena,
                    struct dns_record *record)
{
    *record = (struct dns_record){0};
    switch (type) {
    case DNS_A:
        return parse_address(rdata, 4, &record->address);
    case DNS_AAAA:
        return parse_address(rdata, 16, &record->address);
    case DNS_MX:
        return parse_mx(rdata, arena, record);
    case DNS_PTR:
        return parse_name(rdata, arena, &record->name);
    case DNS_TXT:
        return parse_txt(rdata, arena, &record->text);
    }
    return -EPROTO;
}
