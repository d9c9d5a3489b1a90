/* usage: show_seal KEYS_DIRECTORY DOMAIN[,DOMAIN…] RESULTS none|pass|fail FILE...: signs and seals messages as the domains,
 * in place; with RESULTS "-" there is no ARC set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show_message.h"

#include "delivery/seal.h"

#define DOMAINS_MAX 8

static int write_file(const char *path, struct str fields, struct str raw)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    fwrite(fields.at, 1, fields.length, file);
    fwrite(raw.at, 1, raw.length, file);
    return fclose(file);
}

static int seal_file(const struct key_ring *ring, struct seal_request *request,
                     const char *path)
{
    struct str fields;
    struct err err = {0};
    struct message *message = show_read_message(path);
    struct str raw = blob_view(message->raw);
    request->header = &message->header;
    request->body = str_from(raw, message->header.body_offset);
    int result = seal_message(ring, request, message->arena, &fields, &err);
    if (result == 0)
        result = write_file(path, fields, raw);
    if (result < 0)
        fprintf(stderr, "show_seal: %s: %s\n", path, err.text);
    message_release(message);
    return result;
}

static enum seal_chain chain_named(const char *word)
{
    if (strcmp(word, "pass") == 0)
        return SEAL_CHAIN_PASS;
    return strcmp(word, "fail") == 0 ? SEAL_CHAIN_FAIL : SEAL_CHAIN_NONE;
}

int main(int count, char *words[])
{
    if (count < 6) {
        fprintf(stderr, "usage: show_seal KEYS_DIRECTORY DOMAIN[,DOMAIN...] RESULTS "
                        "none|pass|fail FILE...\n");
        return 2;
    }
    struct err err;
    struct str domains[DOMAINS_MAX];
    struct key_ring *ring = key_ring_load(words[1], &err);
    if (!ring) {
        fprintf(stderr, "show_seal: %s\n", err.text);
        return 1;
    }
    struct seal_request request = {
        .domains = domains, .chain = chain_named(words[4]), .now_ms = unix_now_ms()};
    if (strcmp(words[3], "-") != 0)
        request.results = str_of(words[3]);
    for (struct str rest = str_of(words[2]);
         rest.length && request.domain_count < DOMAINS_MAX;)
        domains[request.domain_count++] = str_cut(&rest, ',');
    int result = 0;
    for (char **path = words + 5; *path && result == 0; path++)
        result = seal_file(ring, &request, *path);
    key_ring_release(ring);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
