/* Every map of host.yaml, in the order of the reference. The tables lie with what reads them. */
#include "config_internal.h"

enum { TOP, LOG, DNS, LIMITS, DELIVERY, FORWARDING, QUEUE, STORE, KEEP_MESSAGES };

const struct option_section config_reference[] = {
    {"", "The host: what is not about one domain.", &config_sections[TOP].table,
     config_top_keys},
    {"log", "", &config_sections[LOG].table, NULL},
    {"dns", "", &config_sections[DNS].table, NULL},
    {"listen[]", "An item of `listen` that is no bare address.", NULL,
     config_listener_keys},
    {"tls[]", "A certificate.", NULL, config_certificate_keys},
    {"limits", "Of what is received.", &config_sections[LIMITS].table, NULL},
    {"auth",
     "What is verified. enforce: may refuse; mark: is told to rules and scripts, and noted "
     "in a field; off: is not asked. With mark, what dmarc, authentication and from would "
     "refuse goes on marked as quarantined. `auth: off` switches all of it off.",
     &config_auth_options, config_auth_keys},
    {"auth.lists[]", "An item of `lists` that is no bare zone.", NULL,
     config_auth_list_keys},
    {"auth.exempt", "", NULL, config_auth_exempt_keys},
    {"auth.rspamd", "", &config_rspamd_options, config_rspamd_keys},
    {"delivery", "Of what is sent.", &config_sections[DELIVERY].table,
     config_delivery_keys},
    {"routes.DOMAIN", "A route that is no bare host:port.", NULL, config_route_keys},
    {"forwarding", "How mail is passed on.", &config_sections[FORWARDING].table, NULL},
    {"queue", "When delivery is tried again.", &config_sections[QUEUE].table, NULL},
    {"store", "What is kept in the folder `state`.", &config_sections[STORE].table, NULL},
    {"keep_messages",
     "Messages that `postern replay` can try again; unless `for` is given none are kept.",
     &config_sections[KEEP_MESSAGES].table, NULL},
    {"http",
     "HTTP for workers with a `url`. What is about connections is of each host process.",
     &config_http_options, config_http_keys},
    {"http.listen[]", "An item of `listen` that is no bare address.", NULL,
     config_http_listener_keys},
    {"worker_limits", "Of every worker; `limits` of a worker has the same keys.",
     &config_worker_options, NULL},
    {"workers.NAME", "What a worker has beside its script.", NULL, config_worker_keys},
    {"workers.NAME.secrets.NAME", "One of the two.", NULL, config_secret_keys},
    {"workers.NAME.limiters.NAME", "", &config_limiter_options, NULL},
    {"workers.NAME.send.NAME", "", NULL, config_send_keys},
    {"workers.NAME.fetch.NAME", "", NULL, config_fetch_keys},
    {"workers.NAME.url[]", "A URL that is no bare path.", NULL, config_url_keys},
    {"workers.NAME.circuit", "", &config_circuit_options, NULL},
    {"workers.NAME.canary", "", &config_canary_options, NULL},
    {0},
};
