/* Reads a YAML (and so JSON) file into a tree. Bounded: file 16 MiB, depth 32, nodes 2,000,000; anchors,
 * aliases, merge keys and tags are refused (a "billion laughs" has no use in a rule file); a second
 * document in a file, bytes that are not UTF-8 and duplicate keys are problems. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "rules/node.h"
#include "rules/problem.h"

#define DOCUMENT_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define DOCUMENT_DEPTH_MAX 32
#define DOCUMENT_NODES_MAX ((size_t)2000000)

/* The tree in the arena, or NULL with a problem reported. An empty file is an empty map. Duplicate keys
 * are problems, too, but leave a tree (the first of them stands), so that what else is wrong with it can be
 * told: whether loading succeeded is what problems->count says at its end. */
struct node *document_load(const char *path, struct arena *arena,
                           struct problem_list *problems);
struct node *document_parse(struct str text, struct str file, struct arena *arena,
                            struct problem_list *problems);
