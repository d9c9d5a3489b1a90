/* A host's control socket in the state folder: `postern status` asks there. One request is one line, the
 * answer one JSON document. */
#pragma once

#include "host.h"

#include "base/err.h"

struct control;

/* Listens on <state>/control.<number>.sock, with dev on <state>/control.sock. NULL with `err`. */
struct control *control_open(struct host *host, struct err *err);
/* NULL is ignored. */
void control_close(struct control *control);
