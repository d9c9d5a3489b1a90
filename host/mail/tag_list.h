/* Lists of tag=value (RFC 6376 section 3.2): DKIM-Signature, ARC-Seal, key records, DMARC records. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define TAG_LIST_MAX 64

struct tag {
    struct str name;  /* case matters */
    struct str value; /* without folding white space at its ends; within it is kept */
    struct str raw;   /* all between "=" and ";" or the end */
};

/* Views point into the text that was parsed. */
struct tag_list {
    size_t count;
    struct tag tags[TAG_LIST_MAX];
};

/* Reads a whole list. Returns 0; or, with `list` empty, -EINVAL when it is malformed or has a name twice
 * or more than TAG_LIST_MAX tags. Line ends within are folding: CRLF (or LF) and a blank. */
int tag_list_parse(struct str text, struct tag_list *list);

/* The tag of this name, or NULL. */
const struct tag *tag_list_find(const struct tag_list *list, struct str name);
/* Its value; empty when there is no such tag. */
struct str tag_list_value(const struct tag_list *list, struct str name);

/* What values are made of. */

/* Cuts the next element off a list with colons ("relaxed:simple", "From : To"), trimmed: false after the
 * last. An empty list has one empty element; start with *is_done = false. */
bool tag_next_element(struct str *list, bool *is_done, struct str *element);
/* True if an element of the list is `word`, in any case. */
bool tag_has_element(struct str list, struct str word);
/* 1*DIGIT: false otherwise. What is greater than UINT64_MAX is UINT64_MAX. */
bool tag_number(struct str value, uint64_t *number);
/* Decodes base64 with folding white space anywhere, and nothing else around it; padding is needed. In the
 * arena. Returns 0 or -EINVAL. */
int tag_base64(struct str value, struct arena *arena, struct str *bytes);
