/* `postern replay`, in parts:
 *
 *     replay.c          the command: which messages, the totals, the exit code
 *     replay_run.c      one kept message through rules and scripts as they are now, without any effect
 *     replay_print.c    what has become of it then and now, and how that differs */
#pragma once

#include <jansson.h>

#include "config.h"
#include "kept_message.h"

#include "store/store.h"

/* --- one message --- */

struct replay_world {
    struct config *config; /* as it is now; its workers are made for each message */
    struct store *store;   /* only read */
    const json_t *web; /* what servers on the web say: run_trial.h; NULL: nobody answers */
};

/* What became of the message for one recipient. */
struct replay_outcome {
    struct str recipient;
    const struct store_activity *before; /* NULL: the activity log does not say */
    struct store_activity after;
    struct str error; /* the worker's, now */
    bool is_unsure;   /* its worker has asked the web, where nobody answers now */
};

struct replay {
    struct kept_message kept;
    struct replay_outcome *outcomes; /* one for each of its recipients */
};

/* In a task. The rows are those of the message. 0, or -EBADMSG with the reason. */
int replay_run(const struct replay_world *world, const struct store_kept *stored,
               const struct store_activity_row rows[], size_t row_count,
               struct replay *replay, struct err *err);
void replay_free(struct replay *replay);

/* --- what is told about it --- */

enum replay_fate { REPLAY_SAME, REPLAY_CHANGED, REPLAY_UNKNOWN, REPLAY_FATE_COUNT };

struct replay_report {
    bool is_json;
    size_t message_count, counts[REPLAY_FATE_COUNT];
};

/* A line for one recipient, which is counted. */
void replay_print(struct replay_report *report, const struct replay *replay,
                  const struct replay_outcome *outcome);
/* The same for a message that cannot be tried. */
void replay_print_failure(struct replay_report *report, struct str id, const char *why);
void replay_print_totals(const struct replay_report *report);
