/* The one function that finds out all there is to know about a message: SPF, DKIM and ARC side by side, DMARC
 * over what they found, the spam score over all of it. */
#pragma once

#include "auth/options.h"
#include "auth/verdict.h"
#include "mail/message.h"
#include "net/dns.h"
#include "net/http_client.h"

/* Fills in `verdict`, whose `client` is already there (auth_client_check); checks that are off are `none`. Views
 * live in the message's arena. What DNS has not told within the options' time is temperror. Returns 0, or
 * -ECANCELED. */
int auth_verify(struct dns *dns, struct http_client *http,
                const struct auth_options *options, struct message *message,
                struct auth_verdict *verdict);
