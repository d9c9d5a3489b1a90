/* Which worker an HTTP request is for. A URL of the map is a path with all that is below it, for one host or any, and for
 * some methods or all. The most particular counts: a URL of the request's host before one of any host, then the longer
 * path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* A bit each; HEAD is asked for as GET is. */
enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PUT = 4,
    HTTP_PATCH = 8,
    HTTP_DELETE = 16,
    HTTP_OPTIONS = 32,
    HTTP_METHODS_ALL = 63
};
/* 0: unknown. */
unsigned http_method_of(struct str name);

struct http_url_rule {
    struct str host;  /* lower case, without a port; empty: any */
    struct str path;  /* begins with '/', does not end with it unless that is all */
    unsigned methods; /* 0 never */
    void *target;
};

struct http_url_map {
    struct http_url_rule *rules;
    size_t count;
};

/* A path such as host.yaml gives: "/hooks/github", "/hooks/", "/"; puts it into the form that rules have. False for what no
 * request could have. */
bool http_url_path_read(struct str text, struct str *path);
/* The rule that is for requests of the same host and path, with a method in common; NULL if there is none. */
const struct http_url_rule *http_url_map_clash(const struct http_url_map *map,
                                               const struct http_url_rule *rule);

struct http_url_match {
    const struct http_url_rule *rule; /* NULL: there is none */
    unsigned allowed; /* the methods of the URL, when it is there but not for this one */
};
/* `host` as in the field Host, `target` of the request line. */
struct http_url_match http_url_map_find(const struct http_url_map *map, struct str host,
                                        struct str target, struct str method);

/* "." or ".." as a segment, however it is written: programs differ in what such a path means. */
bool http_url_has_dots(struct str target);

/* "GET, HEAD, POST" */
#define HTTP_ALLOW_BYTES 64
const char *http_url_allow(unsigned allowed, char text[HTTP_ALLOW_BYTES]);
