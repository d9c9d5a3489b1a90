/* Every reply that Postern's own SMTP side gives, as named constructors: codes and texts stand here and
 * nowhere else (RFC 5321 section 4.2.3; enhanced codes: RFC 3463 and its registry). */
#pragma once

#include <stdint.h>

#include "base/str.h"
#include "smtp/reply.h"

/* --- the session --- */
struct reply reply_greeting(const char *host_name);
struct reply reply_hello(const char *host_name); /* to HELO */
/* To EHLO, with the keywords of the extensions that are offered. */
struct reply reply_hello_extended(const char *host_name, uint64_t message_bytes_max,
                                  bool offers_tls);
struct reply reply_ok(void);
struct reply reply_bye(const char *host_name);
struct reply reply_help(void);
struct reply reply_cannot_verify(void);
struct reply reply_start_tls(void);

/* --- the session ends with these --- */
struct reply reply_too_many_connections(void);
struct reply reply_too_many_connections_from_address(void);
struct reply reply_too_many_errors(void);
struct reply reply_too_many_transactions(void);
struct reply reply_timed_out(void);
struct reply reply_too_slow(void);
struct reply reply_shutting_down(void);
struct reply reply_talked_early(void);
struct reply reply_not_smtp(void);
struct reply reply_bare_newline(void);
struct reply
reply_unreadable_chunk(void); /* BDAT without a size: its bytes would be commands */

/* --- commands --- */
struct reply reply_unknown_command(void);
struct reply reply_not_implemented(void);
struct reply reply_command_too_long(uint32_t bytes_max);
struct reply reply_command_has_control_bytes(void);
struct reply reply_command_has_8bit_bytes(void);
struct reply reply_bad_arguments(const char *usage);
struct reply reply_bad_sequence(const char *what_now);

/* --- MAIL and RCPT --- */
struct reply reply_sender_ok(void);
struct reply reply_recipient_ok(void);
struct reply reply_bad_sender(void);
struct reply reply_bad_recipient(void);
struct reply reply_needs_smtputf8(void);
struct reply reply_unknown_parameter(struct str keyword);
struct reply reply_bad_parameter(struct str keyword);
struct reply reply_parameter_given_twice(struct str keyword);
/* The queue's disk is nearly full: at MAIL, before anything is accepted. */
struct reply reply_low_space(void);
struct reply reply_too_many_recipients(void);
struct reply reply_unknown_recipient(void);
struct reply reply_relay_denied(void);
/* Mail to an SRS address: its hash is not one of ours; it is older than bounces take; more than one sender
 * should cause. */
struct reply reply_srs_forged(void);
struct reply reply_srs_expired(void);
struct reply reply_srs_rate(void);

/* --- the message --- */
struct reply reply_send_data(void);
struct reply reply_chunk_ok(uint64_t bytes);
struct reply reply_message_accepted(struct str id);
struct reply reply_message_forwarded(struct str id);
/* Taken and on stable storage: the next hop has not been reached yet. */
struct reply reply_queued(struct str id);
/* To several recipients with one reply: taken for `accepted` of them, notices tell of the others. */
struct reply reply_accepted_for_some(struct str id, size_t accepted, size_t recipients);
/* PRDR: a reply for each recipient follows. */
struct reply reply_analysis_started(void);
struct reply reply_no_valid_recipients(void);
struct reply reply_message_too_big(uint64_t bytes_max);
struct reply reply_header_too_big(uint32_t bytes_max);
struct reply reply_line_too_long(uint32_t bytes_max);
struct reply reply_message_has_nul(void);
struct reply reply_mail_loop(uint32_t hops_max);
struct reply reply_no_memory(void);
/* Our own hop header is in the message, with our seal: it has been here before. */
struct reply reply_own_loop(void);
/* A rule or a worker refuses: its reason, or a text of ours when that is empty. */
struct reply reply_rejected(struct str reason);
/* The conditions of a rule could not be evaluated within their limits. */
struct reply reply_rule_too_costly(void);
struct reply reply_worker_failed(void);
/* Something of ours went wrong: the sender keeps the message and comes again. */
struct reply reply_local_error(void);
