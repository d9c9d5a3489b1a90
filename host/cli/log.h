/* What `postern log` prints. */
#pragma once

#include "base/arena.h"
#include "store/store.h"

/* How rows are shown. */
struct log_form {
    const char *as_json, *as_story; /* NULL: not so; else a line for each */
};

/* Each row in its form. */
void log_print_rows(const struct log_form *form, const struct store_activity_row rows[],
                    size_t count, struct arena *arena);
/* A row that has been shown before: what is new since its first `attempts_shown` attempts. */
void log_print_news(const struct log_form *form, const struct store_activity_row *row,
                    size_t attempts_shown, struct arena *arena);

/* A line; all there is, stage by stage; a line of JSON. */
void log_print_line(const struct store_activity *activity, struct arena *arena);
void log_print_attempt(const struct store_attempt *attempt, size_t number,
                       struct arena *arena);
void log_print_story(const struct store_activity_row *row, struct arena *arena);
void log_print_json(const struct store_activity_row *row, struct arena *arena);

/* What was sent, for people: "forward to ben@dest.test, reply to anna@sender.test (Re: Lunch)"; empty: nothing, or it is
 * not known. */
struct str log_actions(struct str actions, struct arena *arena);

/* The subject as people read it. */
struct str log_subject(const struct store_activity *activity, struct arena *arena);

/* Prints what is added or changes in the store until SIGINT or SIGTERM, or until nobody reads it. `filter` is what is to be
 * shown. 0 or a negative errno value. */
int log_follow(struct store *store, const struct store_activity_filter *filter,
               const struct log_form *form);
