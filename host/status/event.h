/* One call per thing that happens: it writes the log line, counts the metric and, when the thing belongs
 * to a message, adds to the message's trail; so the three cannot differ. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* name in log and metrics, level, and the sentence of the reference page */
#define STATUS_EVENTS(X)                                                                   \
    X(HOST_STARTED, "host.started", INFO, "The host serves.")                              \
    X(HOST_STOPPED, "host.stopped", INFO, "The host has ended its last session.")          \
    X(HOST_CRASHED, "host.crashed", ERROR, "A host has ended though nobody asked it to.")  \
    X(HOST_RESTARTED, "host.restarted", INFO, "A host was started again.")                 \
    X(HOST_HUNG, "host.hung", ERROR, "A host did not answer, and was killed.")             \
    X(SUPERVISOR_STARTED, "supervisor.started", INFO, "The supervisor's hosts serve.")     \
    X(SUPERVISOR_STOPPED, "supervisor.stopped", INFO, "All hosts have ended.")             \
    X(SUPERVISOR_PRIVILEGED, "supervisor.privileged", WARN,                                \
      "Hosts run as root: host.yaml names no user for them.")                              \
    X(SUPERVISOR_PROBLEM, "supervisor.problem", ERROR,                                     \
      "Something that the supervisor needed was refused by the system.")                   \
    X(RULES_LOADED, "rules.loaded", INFO, "A rule set took effect.")                       \
    X(RULES_REFUSED, "rules.refused", ERROR,                                               \
      "A changed rules directory has problems; the set before it stays.")                  \
    X(WORKER_TESTS_FAILED, "worker.tests_failed", WARN,                                    \
      "A script's tests fail; it serves, since there is no version before it.")            \
    X(WORKER_CHANGED, "worker.changed", INFO,                                              \
      "A new version of a worker takes messages: all, or its canary's share.")             \
    X(CANARY_CHOSEN, "canary.chosen", DEBUG,                                               \
      "While a worker's new version is tried: which version a message goes to.")           \
    X(CANARY_PROMOTED, "canary.promoted", INFO,                                            \
      "A new version of a worker did no worse than the one before: it takes all "          \
      "messages.")                                                                         \
    X(CANARY_RETURNED, "canary.returned", ERROR,                                           \
      "A new version of a worker failed more often: the one before takes all messages.")   \
    X(RESTART_NEEDED, "restart.needed", WARN,                                              \
      "An option has changed that takes effect at the next start only.")                   \
    X(SESSION_NOTE, "session", DEBUG,                                                      \
      "Something about an SMTP session that is not about a message.")                      \
    X(RECIPIENT_REFUSED, "recipient.refused", INFO, "RCPT was refused.")                   \
    X(MESSAGE_RECEIVED, "message.received", INFO, "A whole message is in.")                \
    X(MESSAGE_VERIFIED, "message.verified", INFO,                                          \
      "SPF, DKIM, DMARC and ARC were looked at.")                                          \
    X(RULE_MATCHED, "rule.matched", INFO, "A rule was found for the recipient.")           \
    X(HTTP_REQUEST, "http.request", INFO,                                                  \
      "An HTTP request was answered, or its client has gone (status 0).")                  \
    X(WORKER_LOG, "worker.log", INFO, "A worker printed or logged.")                       \
    X(WORKER_ENDED, "worker.ended", INFO, "A worker has decided.")                         \
    X(SCHEDULE_STARTED, "schedule.started", INFO,                                          \
      "A time of a worker's cron has come, and this host runs it.")                        \
    X(SCHEDULE_SKIPPED, "schedule.skipped", WARN,                                          \
      "A time of a worker's cron has come while its run before goes on: it is left out.")  \
    X(SCHEDULE_FAILED, "schedule.failed", ERROR,                                           \
      "A scheduled run did not end well; it is not tried again before its next time.")     \
    X(WORKER_ON_ERROR, "worker.on_error", WARN,                                            \
      "A worker failed; the message goes the way that host.yaml names for that.")          \
    X(WORKER_CIRCUIT_OPENED, "worker.circuit_opened", ERROR,                               \
      "A worker keeps failing, and gets no messages for a while.")                         \
    X(WORKER_CIRCUIT_CLOSED, "worker.circuit_closed", INFO,                                \
      "A worker that kept failing gets messages again.")                                   \
    X(WORKER_QUEUE_RETRIED, "worker_queue.retried", INFO,                                  \
      "Messages of a queue between workers will be tried again.")                          \
    X(WORKER_QUEUE_DEAD, "worker_queue.dead", WARN,                                        \
      "Messages were tried as often as may be, and are in the dead letter queue.")         \
    X(WORKER_QUEUE_DROPPED, "worker_queue.dropped", WARN,                                  \
      "Messages were tried as often as may be, and there is no dead letter queue.")        \
    X(WORKER_QUEUE_EXPIRED, "worker_queue.expired", WARN,                                  \
      "Messages that nobody has handled in time were dropped from their queue.")           \
    X(MESSAGE_FORWARDED, "message.forwarded", INFO, "An upstream took the message.")       \
    X(MESSAGE_REPLIED, "message.replied", INFO, "An upstream took a worker's reply.")      \
    X(MESSAGE_SENT, "message.sent", INFO,                                                  \
      "A worker's own message is on stable storage and will be delivered.")                \
    X(DELIVERY_FAILED, "delivery.failed", WARN,                                            \
      "An upstream refused, or could not be reached.")                                     \
    X(MESSAGE_SENT_BEFORE, "message.sent_before", INFO,                                    \
      "Its sender came again, and this leg had been sent: not once more.")                 \
    X(SENDER_NOT_REWRITTEN, "sender.not_rewritten", WARN,                                  \
      "The reverse-path is too long for SRS and stays; the next hop may find SPF to "      \
      "fail.")                                                                             \
    X(MESSAGE_QUEUED, "message.queued", INFO,                                              \
      "Nobody took it for now: it is on stable storage and will be tried again.")          \
    X(DELIVERY_GIVEN_UP, "delivery.given_up", WARN,                                        \
      "A queued message was refused for good, or is too old.")                             \
    X(NOTICE_QUEUED, "notice.queued", INFO,                                                \
      "A delivery status notification goes to the sender.")                                \
    X(QUEUE_TROUBLED, "queue.troubled", ERROR,                                             \
      "Something of the queue, the store or the keys needs an administrator.")             \
    X(MESSAGE_DROPPED, "message.dropped", INFO, "A rule dropped the message.")             \
    X(MESSAGE_REJECTED, "message.rejected", INFO,                                          \
      "A rule or a worker rejected the message.")                                          \
    X(MESSAGE_NOT_KEPT, "message.not_kept", DEBUG,                                         \
      "It was to be kept for replays, but is too large, or there is no room.")             \
    X(MESSAGE_HANDLED, "message.handled", INFO,                                            \
      "A worker ended the message without sending it on.")                                 \
    X(MESSAGE_ANSWERED, "message.answered", INFO, "The sender has his reply to DATA.")

enum status_event {
#define X(id, name, level, sentence) STATUS_##id,
    STATUS_EVENTS(X)
#undef X
        STATUS_EVENT_COUNT
};

/* A field of an event: text (untrusted: escaped in the log) or a number. */
struct status_field {
    const char *name;
    struct str text;
    long long number;
    int is_number;
};
#define FIELD(name, view) ((struct status_field){(name), (view), 0, 0})
#define FIELD_NUMBER(name, value)                                                          \
    ((struct status_field){(name), {0}, (long long)(value), 1})

/* The stages that one message went through. */
struct trail_entry {
    enum status_event event;
    uint64_t after_ms; /* since the trail began */
    const struct status_field *fields;
    size_t field_count;
    struct trail_entry *next;
};
struct trail;
struct trail *trail_new(struct arena *arena, struct str message_id);
const struct trail_entry *trail_first(const struct trail *trail);

/* EVENT(trail, STATUS_MESSAGE_DROPPED, FIELD("rule", rule->name)); trail may be NULL. */
#define EVENT(trail, event, ...)                                                           \
    status_event((trail), (event), (const struct status_field[]){__VA_ARGS__},             \
                 sizeof((const struct status_field[]){__VA_ARGS__}) /                      \
                     sizeof(struct status_field))
void status_event(struct trail *trail, enum status_event event,
                  const struct status_field fields[], size_t count);

/* Where log lines go (default: standard error), and from which level ("debug", "info", "warn", "error", "off"). */
void status_log_to(int fd);
int status_log_level(struct str name);
/* From here on every line names this host: "host=1". */
void status_log_host(unsigned number);
/* Writes what is buffered: the loop does so once per turn. */
void status_flush(void);

uint64_t status_count(enum status_event event);
/* From here on events are counted there too; this process is the only one that writes there. */
void status_count_in(_Atomic uint64_t counts[STATUS_EVENT_COUNT]);
const char *status_event_name(enum status_event event);
