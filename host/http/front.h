/* HTTP as the host offers it: the URLs of workers. Nothing of it is on the path of a message: the server has limits of its
 * own, and a worker's isolate keeps room for mail whatever comes in here. */
#pragma once

#include "route.h"

struct http_front;

/* Opens the listeners of router->config; `tls` may be NULL, router is borrowed, and each request is for the snapshot that it then has. */
struct http_front *http_front_open(struct router *router, struct tls_server *tls,
                                   struct err *err);
/* After router->config has changed. */
void http_front_reconfigure(struct http_front *front, struct tls_server *tls);
/* The address of the n-th listener; NULL past the last. */
const struct net_address *http_front_address(const struct http_front *front, size_t n);
/* As http_server_shut_down and http_server_hasten. */
void http_front_shut_down(struct http_front *front, uint64_t deadline_ms);
void http_front_hasten(struct http_front *front);
/* After http_front_shut_down; NULL is ignored. */
void http_front_close(struct http_front *front);
