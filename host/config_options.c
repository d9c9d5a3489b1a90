/* The tables of host.yaml's options (STYLE.md: one table feeds the parser, `postern check` and the reference). */
#include "config_internal.h"

#define ANY     UINT32_MAX
#define HOUR_MS (3600ULL * 1000)
#define DAY_MS  (24 * HOUR_MS)

#define ROW(member) offsetof(struct config, member)
static const struct option_row top_rows[] = {
    {"name", OPTION_TEXT, ROW(host_name), NULL, 0, 0,
     "this host's name in greeting, EHLO and Received; the system's when left out"},
    {"state", OPTION_TEXT, ROW(state_directory), ".postern", 0, 0,
     "folder of queue, activity log, secret and control sockets; with dev, of the outbox"},
    {"scripts", OPTION_TEXT, ROW(scripts_directory), "scripts", 0, 0,
     "folder of the workers' scripts: `worker: x` runs x.lua"},
    {"keys", OPTION_TEXT, ROW(keys_directory), "keys", 0, 0,
     "folder of the private keys that sign: <domain>/<selector>.pem"},
    {"shutdown", OPTION_DURATION64, ROW(shutdown_ms), "30s", 0, HOUR_MS,
     "how long messages in flight may take at the end"},
    {"hosts", OPTION_COUNT, ROW(host_count), NULL, 1, CONFIG_HOSTS_MAX,
     "host processes that share the listeners; one per core when left out"},
    {"user", OPTION_TEXT, ROW(user), NULL, 0, 0,
     "whom hosts run as when `postern serve` is started as root"},
    {"group", OPTION_TEXT, ROW(group), NULL, 0, 0, "the user's own when left out"},
    {"test_time", OPTION_DURATION32, ROW(test_ms), "1m", 100, HOUR_MS,
     "that the tests of changed scripts (NAME_test.lua) may take in all before a reload"},
    {"hang", OPTION_DURATION32, ROW(hang_ms), "60s", 1000, HOUR_MS,
     "a host that does nothing for so long is killed and started again"},
};
static const struct option_row log_rows[] = {
    {"level", OPTION_TEXT, ROW(log_level), "info", 0, 0, "debug, info, warn, error or off"},
};
static const struct option_row dns_rows[] = {
    {"resolver", OPTION_TEXT, ROW(dns.resolver), NULL, 0, 0,
     "forwarder as address@port; /etc/resolv.conf's when left out"},
    {"timeout", OPTION_DURATION32, ROW(dns.timeout_ms), "10s", 100, 60000,
     "for one question"},
};
static const struct option_row limit_rows[] = {
    {"message_size", OPTION_BYTES64, ROW(smtp.message_bytes_max), "25MiB", 1024, 1ULL << 30,
     "a larger message is refused at MAIL or during DATA"},
    {"message_memory", OPTION_BYTES64, ROW(smtp.memory_bytes_max), "1GiB", 1024, 1ULL << 40,
     "of all messages being received together: 452 past it"},
    {"recipients", OPTION_COUNT, ROW(smtp.recipients_max), "100", 1, 10000,
     "in one transaction"},
    {"command_length", OPTION_BYTES32, ROW(smtp.command_bytes_max), "2048", 1024, 65536,
     "of a command line"},
    {"line_length", OPTION_BYTES32, ROW(smtp.line_bytes_max), "8192", 1000, 1 << 20,
     "of a line of a message"},
    {"header_size", OPTION_BYTES32, ROW(smtp.header_bytes_max), "256KiB", 1024, 16 << 20,
     "of a message's header"},
    {"hops", OPTION_COUNT, ROW(smtp.hops_max), "50", 1, 1000,
     "Received fields, before a message is taken to loop"},
    {"errors", OPTION_COUNT, ROW(smtp.errors_max), "10", 1, 1000,
     "of a client, before its session ends"},
    {"transactions", OPTION_COUNT, ROW(smtp.transactions_max), "1000", 1, ANY,
     "in one session"},
    {"connections", OPTION_COUNT, ROW(smtp.connections_max), "5000", 1, 1000000, "in all"},
    {"connections_per_address", OPTION_COUNT, ROW(smtp.connections_per_address_max), "50",
     1, 1000000, "from one IPv4 address or IPv6 /64"},
    {"command_timeout", OPTION_DURATION32, ROW(smtp.command_timeout_ms), "5m", 100, HOUR_MS,
     "for the client's next command"},
    {"data_timeout", OPTION_DURATION32, ROW(smtp.data_timeout_ms), "3m", 100, HOUR_MS,
     "for the next block of a message"},
    {"message_timeout", OPTION_DURATION32, ROW(smtp.message_timeout_ms), "30m", 100,
     24 * HOUR_MS, "for one message's content in all"},
    {"data_rate", OPTION_BYTES32, ROW(smtp.data_rate_min), "100", 0, 1 << 20,
     "bytes a second that a message's content must keep up; 0: none"},
    {"reject_early_talkers", OPTION_BOOL, ROW(smtp.reject_early_talkers), "false", 0, 0,
     "refuse who speaks before the greeting"},
    {"tls_handshake_timeout", OPTION_DURATION32, ROW(smtp.tls_handshake_timeout_ms), "30s",
     100, HOUR_MS, "for a client's TLS handshake"},
};
static const struct option_row delivery_rows[] = {
    {"port", OPTION_COUNT, ROW(delivery.mx_port), "25", 1, 65535, "of the MX hosts"},
    {"ipv6", OPTION_BOOL, ROW(delivery.ipv6), "true", 0, 0, "use IPv6 where a host has it"},
    {"ca_file", OPTION_TEXT, ROW(delivery.ca_file), NULL, 0, 0,
     "trusted roots; the system's when left out"},
    {"connections_per_destination", OPTION_COUNT,
     ROW(delivery.connections_per_destination_max), "20", 1, 10000,
     "more messages wait for one of these"},
    {"messages_per_connection", OPTION_COUNT, ROW(delivery.messages_per_connection_max),
     "1000", 1, ANY, "then a new one is opened"},
    {"idle", OPTION_DURATION32, ROW(delivery.idle_ms), "30s", 0, HOUR_MS,
     "a kept connection closes after"},
    {"mx_hosts", OPTION_COUNT, ROW(delivery.mx_hosts_max), "5", 1, 50,
     "tried for one message"},
    {"rate_per_host", OPTION_COUNT, ROW(delivery.rate_per_host), "0", 0, ANY,
     "messages a minute to one MX host, of each host process; 0: any number"},
    {"connect_timeout", OPTION_DURATION32, ROW(delivery.connect_timeout_ms), "30s", 100,
     HOUR_MS, "to connect"},
    {"greeting_timeout", OPTION_DURATION32, ROW(delivery.greeting_timeout_ms), "5m", 100,
     HOUR_MS, "for the greeting"},
    {"command_timeout", OPTION_DURATION32, ROW(delivery.command_timeout_ms), "5m", 100,
     HOUR_MS, "for the reply to a command"},
    {"data_start_timeout", OPTION_DURATION32, ROW(delivery.data_start_timeout_ms), "2m",
     100, HOUR_MS, "for the reply to DATA"},
    {"data_block_timeout", OPTION_DURATION32, ROW(delivery.data_block_timeout_ms), "3m",
     100, HOUR_MS, "for a block to be sent"},
    {"data_end_timeout", OPTION_DURATION32, ROW(delivery.data_end_timeout_ms), "10m", 100,
     HOUR_MS, "for the reply to the whole message"},
    {"total_timeout", OPTION_DURATION32, ROW(delivery.total_timeout_ms), "4m", 100, HOUR_MS,
     "for one delivery in all: its sender waits, and gives up after 10 minutes (RFC 5321 "
     "section 4.5.3.2.6)"},
};
static const struct option_row forwarding_rows[] = {
    {"domain", OPTION_TEXT, ROW(forwarding_domain), NULL, 0, 0,
     "of ours, for rewritten senders (SRS), ARC and a DKIM signature; the recipient's own "
     "when left out"},
    {"srs", OPTION_BOOL, ROW(has_srs), "true", 0, 0,
     "rewrite the envelope's sender, so that SPF passes at the next hop and bounces come "
     "back"},
    {"seal", OPTION_BOOL, ROW(has_seal), "true", 0, 0,
     "add an ARC set and DKIM signatures, where there are keys"},
    {"own_hops", OPTION_COUNT, ROW(own_hops_max), "3", 1, 50,
     "times that a message may pass through here, before it is taken to loop"},
    {"bounces_per_minute", OPTION_COUNT, ROW(bounces_per_minute), "60", 0, ANY,
     "that go back to one sender through rewritten addresses; 0: any number"},
};
static const struct option_row queue_rows[] = {
    {"first_retry", OPTION_DURATION64, ROW(queue.first_retry_ms), "1m", 10, DAY_MS,
     "after a failure; then each time twice as long"},
    {"retry_max", OPTION_DURATION64, ROW(queue.retry_max_ms), "4h", 10, 7 * DAY_MS,
     "between two attempts"},
    {"lifetime", OPTION_DURATION64, ROW(queue.lifetime_ms), "5d", 100, 30 * DAY_MS,
     "of a message, before it is given up and its sender told"},
    {"delay_notice", OPTION_DURATION64, ROW(queue.delay_notice_ms), "0s", 0, 30 * DAY_MS,
     "tell the sender once that it takes so long; 0: do not"},
    {"active", OPTION_COUNT, ROW(queue.active_max), "200", 1, 10000,
     "deliveries at once, of each host process"},
    {"active_per_destination", OPTION_COUNT, ROW(queue.active_per_destination_max), "10", 1,
     10000, "of these, to one domain"},
    {"rate_per_destination", OPTION_COUNT, ROW(queue.rate_per_destination), "0", 0, ANY,
     "messages a minute to one domain; 0: any number"},
    {"lease", OPTION_DURATION64, ROW(queue.lease_ms), "20s", 300, 60 * 1000,
     "another host takes over a crashed one's messages after"},
};
static const struct option_row store_rows[] = {
    {"space", OPTION_BYTES64, ROW(store_space_bytes), "256MiB", 0, 1ULL << 40,
     "free on the disk, below which mail is refused for now (452)"},
    {"inodes", OPTION_COUNT, ROW(store_inodes), "1000", 0, ANY, "free, in the same way"},
    {"keep", OPTION_DURATION64, ROW(activity_ms), "31d", 0, 3660 * DAY_MS,
     "rows of the activity log"},
};
static const struct option_row keep_rows[] = {
    {"for", OPTION_DURATION64, ROW(keep.for_ms), "0s", 0, 366 * DAY_MS,
     "messages are kept as they came, for `postern replay`, so long; 0: not at all"},
    {"share", OPTION_PERCENT, ROW(keep.percent), "100%", 1, 100, "of the messages"},
    {"bytes_max", OPTION_BYTES64, ROW(keep.bytes_max), "1GiB", 1 << 20, 1ULL << 40,
     "of all of them on the disk; past it the oldest go"},
    {"message_bytes_max", OPTION_BYTES64, ROW(keep.message_bytes_max), "256KiB", 1024,
     16ULL << 20, "larger ones are not kept"},
};
#undef ROW

const struct node_key config_top_keys[] = {
    {"log", "map", NULL, "how much is logged"},
    {"dns", "map", NULL, "how DNS is asked"},
    {"limits", "map", NULL, "of what is received"},
    {"delivery", "map", NULL, "of what is sent"},
    {"forwarding", "map", NULL, "how mail is passed on"},
    {"queue", "map", NULL, "when delivery is tried again"},
    {"store", "map", NULL, "what is kept"},
    {"keep_messages", "map", NULL, "whether messages are kept as they came, and which"},
    {"worker_limits", "map", NULL, "of every worker that has none of its own"},
    {"listen", "list", "0.0.0.0:25, \"[::]:25\"",
     "where mail comes in: addresses, or maps"},
    {"dev_listen", "text", "127.0.0.1:2525", "the same for `postern dev`: one address"},
    {"tls", "list", NULL, "certificates; SNI picks among several"},
    {"routes", "map", NULL,
     "next hops in place of MX: {corp.test: \"mail.corp.test:25\"}; .corp.test is all "
     "below "
     "it, \"*\" all"},
    {"workers", "map", NULL,
     "by name; a worker that needs only its script need not be here"},
    {"queues", "map", NULL,
     "queues between workers, by name; one that needs no options need not be here"},
    {"destinations", "list", "anywhere", "addresses that mail may be forwarded to"},
    {"postmaster", "address", NULL,
     "where mail to postmaster@ of a domain without a rule for it goes"},
    {"http", "map", "off", "where HTTP is offered"},
    {"auth", "map or off", NULL, "what is verified, and how much that may do"},
    {0},
};
const struct node_key config_delivery_keys[] = {
    {"tls", CONFIG_DELIVERY_TLS_WORDS, "opportunistic",
     "to MX hosts; verified: with a certificate for the host's name"},
    {0},
};

const struct config_section config_sections[] = {
    {"", OPTION_TABLE(top_rows)},
    {"log", OPTION_TABLE(log_rows)},
    {"dns", OPTION_TABLE(dns_rows)},
    {"limits", OPTION_TABLE(limit_rows)},
    {"delivery", OPTION_TABLE(delivery_rows)},
    {"forwarding", OPTION_TABLE(forwarding_rows)},
    {"queue", OPTION_TABLE(queue_rows)},
    {"store", OPTION_TABLE(store_rows)},
    {"keep_messages", OPTION_TABLE(keep_rows)},
    {NULL, {NULL, 0}},
};
