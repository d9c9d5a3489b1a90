#include "cli/zone.h"

#include <stdio.h>

#include "cli/json.h"

#define TTL_S            3600
#define STRING_BYTES_MAX 255

static const char *const purpose_words[] = {
    [ZONE_MX] = "mx", [ZONE_SPF] = "spf", [ZONE_DKIM] = "dkim", [ZONE_DMARC] = "dmarc"};
static const char *const verdict_words[] = {
    [ZONE_UNASKED] = "unasked", [ZONE_OK] = "ok",           [ZONE_MISSING] = "missing",
    [ZONE_DIFFERS] = "differs", [ZONE_UNKNOWN] = "unknown",
};

struct zone_record zone_key_record(const struct signing_key *key, struct arena *arena)
{
    return (struct zone_record){.purpose = ZONE_DKIM,
                                .name = signing_key_name(key, arena),
                                .value = signing_key_record(key, arena)};
}

/* A character-string of a zone file (RFC 1035 section 5.1). */
static void print_string(struct str text)
{
    putchar('"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < ' ' || c > '~')
            printf("\\%03u", c);
        else
            printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    putchar('"');
}

static void print_strings(struct str text)
{
    bool has_several = text.length > STRING_BYTES_MAX;
    fputs(has_several ? "( " : "", stdout);
    do {
        size_t length = text.length < STRING_BYTES_MAX ? text.length : STRING_BYTES_MAX;
        print_string(str_part(text, 0, length));
        text = str_from(text, length);
        fputs(text.length ? " " : "", stdout);
    } while (text.length);
    fputs(has_several ? " )" : "", stdout);
}

void zone_print(const struct zone_record *record)
{
    printf("%.*s. %d IN %s ", STR_ARG(record->name), TTL_S,
           record->purpose == ZONE_MX ? "MX" : "TXT");
    if (record->purpose == ZONE_MX)
        printf("%.*s", STR_ARG(record->value));
    else
        print_strings(record->value);
    putchar('\n');
}

void zone_print_check(const struct zone_record *record)
{
    for (size_t i = 0; i < record->published_count; i++) {
        fputs("    DNS: ", stdout);
        if (record->purpose == ZONE_MX)
            printf("%.*s", STR_ARG(record->published[i]));
        else
            print_string(record->published[i]);
        putchar('\n');
    }
    printf("    => %s%s%s\n", verdict_words[record->verdict], record->reason ? ": " : "",
           record->reason ? record->reason : "");
}

json_t *zone_json(const struct zone_record *record)
{
    json_t *json = json_pack("{ss so ss so}", "purpose", purpose_words[record->purpose],
                             "name", cli_json_bytes(record->name), "type",
                             record->purpose == ZONE_MX ? "MX" : "TXT", "value",
                             cli_json_bytes(record->value));
    if (record->verdict == ZONE_UNASKED)
        return json;
    json_t *published = json_array();
    for (size_t i = 0; i < record->published_count; i++)
        json_array_append_new(published, cli_json_bytes(record->published[i]));
    json_object_set_new(json, "published", published);
    json_object_set_new(json, "verdict", json_string(verdict_words[record->verdict]));
    if (record->reason)
        json_object_set_new(json, "reason", cli_json_bytes(str_of(record->reason)));
    return json;
}
