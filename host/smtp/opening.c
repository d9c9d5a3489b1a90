/* From the connection to the moment before the greeting: who is it, may it stay, does it know how to wait. */
#include <stdlib.h>

#include "net/proxy.h"
#include "smtp/internal.h"

#define PROXY_TIMEOUT_MS ((uint64_t)10 * 1000)
/* How long reject_early_talkers holds the greeting back. */
#define EARLY_TALK_MS    ((uint64_t)200)

int smtp_session_start_tls(struct smtp_session *session)
{
    struct err err = {0};
    task_stage("TLS handshake");
    bool is_implicit = session->listener->tls == SMTP_TLS_IMPLICIT;
    if (!is_implicit && smtp_session_input(session).length)
        smtp_session_note(session, "session.error",
                          "what was said in the clear after STARTTLS was dropped");
    uint64_t deadline_ms =
        task_in_ms(smtp_session_options(session)->tls_handshake_timeout_ms);
    /* Behind a PROXY header the handshake may have begun already. */
    int result = (is_implicit ? net_stream_tls_accept_implicit : net_stream_tls_accept)(
        session->stream, session->settings->tls, deadline_ms, &err);
    if (result < 0) {
        smtp_session_note(session, "session.error", "TLS: %s", err.text);
        session->is_ending = session->is_lost = true;
        return result;
    }
    smtp_transaction_end(session);
    free(session->helo);
    session->helo = NULL;
    session->is_extended = false;
    return 0;
}

static bool must_send_proxy_header(const struct smtp_session *session)
{
    for (size_t i = 0; i < session->listener->proxy_count; i++)
        if (net_block_contains(&session->listener->proxies[i],
                               net_stream_peer(session->stream)))
            return true;
    return false;
}

static bool read_proxy_header(struct smtp_session *session)
{
    struct err err = {0};
    if (!must_send_proxy_header(session))
        return true;
    task_stage("waiting for a PROXY header");
    if (proxy_header_read(session->stream, task_in_ms(PROXY_TIMEOUT_MS), &err) == 0)
        return true;
    smtp_session_note(session, "session.error", "PROXY: %s", err.text);
    return false;
}

/* Says a last word; not on a listener whose clients expect TLS first. */
static bool turn_away(struct smtp_session *session, const struct reply *reply)
{
    smtp_session_note(session, "session.refused", "%d %s", reply->code, reply->text);
    if (session->listener->tls == SMTP_TLS_IMPLICIT &&
        !net_stream_tls_version(session->stream))
        return false;
    smtp_session_say(session, reply);
    session->is_ending = true;
    return false;
}

/* Counts the session in; code 0 when it may stay. */
static struct reply admission_refusal(struct smtp_session *session)
{
    if (session->server->is_shutting_down)
        return reply_shutting_down();
    switch (smtp_limits_enter(session->server->limits, smtp_session_options(session),
                              net_stream_peer(session->stream))) {
    case NET_FULL:
        return reply_too_many_connections();
    case NET_ADDRESS_FULL:
        return reply_too_many_connections_from_address();
    case NET_ADMITTED:
        break;
    }
    session->is_admitted = true;
    return smtp_no_reply();
}

static bool admit(struct smtp_session *session)
{
    struct reply refusal = admission_refusal(session);
    return refusal.code ? turn_away(session, &refusal) : true;
}

/* A client must wait for the greeting (RFC 5321 section 3.1); spam bots do not. */
static bool let_greet(struct smtp_session *session)
{
    bool is_rejecting = smtp_session_options(session)->reject_early_talkers;
    if (is_rejecting && smtp_session_input(session).length == 0 &&
        net_stream_fill(session->stream, task_in_ms(EARLY_TALK_MS)) == 0)
        return false;
    if (smtp_session_input(session).length == 0)
        return true;
    if (!is_rejecting) {
        smtp_session_note(session, "session.error", "spoke before the greeting");
        return true;
    }
    struct reply refusal = reply_talked_early();
    return turn_away(session, &refusal);
}

/* A reload may have taken the certificates away from a listener that needs them. */
static bool begin_with_tls(struct smtp_session *session)
{
    if (session->settings->tls)
        return smtp_session_start_tls(session) == 0;
    smtp_session_note(session, "session.refused", "implicit TLS without a certificate");
    return false;
}

bool smtp_session_open(struct smtp_session *session)
{
    if (!read_proxy_header(session) || !admit(session))
        return false;
    if (session->listener->tls == SMTP_TLS_IMPLICIT && !begin_with_tls(session))
        return false;
    return let_greet(session);
}
