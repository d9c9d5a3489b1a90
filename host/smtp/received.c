/*     Time-stamp-line = "Received:" FWS Stamp <CRLF>
 *     Stamp           = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
 *     From-domain     = "FROM" FWS Extended-Domain
 *     Extended-Domain = Domain / ( Domain FWS "(" TCP-info ")" )
 *     TCP-info        = address-literal / ( Domain FWS address-literal )
 *     Opt-info        = [Via] [With] [ID] [For] [Additional-Registered-Clauses]
 */
#include "smtp/received.h"

const char *smtp_protocol_name(const struct smtp_received *received)
{
    /* by SMTPUTF8, then TLS, then authentication */
    static const char *const names[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
    };
    if (!received->is_extended)
        return "SMTP";
    bool is_tls = received->client->tls_version.length > 0;
    return names[received->is_utf8][is_tls][received->is_authenticated];
}

/* The client's own name may be anything graphic; in a header field it must not look like syntax. */
static const char *safe_helo(struct str helo, struct arena *arena)
{
    char *text = arena_text(arena, helo);
    for (char *at = text; *at; at++)
        if (!ascii_alnum(*at) && !strchr(".-_:[]", *at))
            *at = '?';
    return text;
}

static const char *tcp_info(const struct message_client *client, struct arena *arena)
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    net_address_ip_text(&client->address, ip);
    const char *tag = net_address_is_v6(&client->address) ? "IPv6:" : "";
    if (client->hostname.length == 0)
        return arena_printf(arena, "[%s%s]", tag, ip);
    return arena_printf(arena, "%.*s [%s%s]", STR_ARG(client->hostname), tag, ip);
}

static const char *tls_comment(const struct message_client *client, struct arena *arena)
{
    if (client->tls_version.length == 0)
        return "";
    return arena_printf(arena, "\r\n\t(%.*s %.*s)", STR_ARG(client->tls_version),
                        STR_ARG(client->tls_cipher));
}

static const char *for_clause(struct str recipient, struct arena *arena)
{
    if (recipient.length == 0)
        return "";
    return arena_printf(arena, "\r\n\tfor <%.*s>", STR_ARG(recipient));
}

struct str smtp_received_field(const struct smtp_received *received, struct arena *arena)
{
    char date[DATE_TEXT_BYTES];
    return str_of(arena_printf(
        arena,
        "Received: from %s (%s)\r\n"
        "\tby %s (Postern) with %s%s\r\n"
        "\tid %.*s%s;\r\n"
        "\t%s\r\n",
        safe_helo(received->client->helo, arena), tcp_info(received->client, arena),
        received->host_name, smtp_protocol_name(received),
        tls_comment(received->client, arena), STR_ARG(received->id),
        for_clause(received->recipient, arena), date_text(received->at_ms, date)));
}
