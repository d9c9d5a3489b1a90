/* host.yaml: what it may say, and what is told about what it may not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "test.h"

#include "base/buf.h"
#include "base/table.h"

static char directory[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static int open_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/postern-config-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    write_file("a.test.yaml", "domain: a.test\nrules:\n  - {to: x@, drop: true}\n");
    char scripts[128];
    snprintf(scripts, sizeof scripts, "%s/scripts", directory);
    return mkdir(scripts, 0700);
}

static int remove_directory(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command); /* the path is mkdtemp's own */
}

static struct config *load(const char *host_yaml, struct problem_list *problems)
{
    write_file("host.yaml", host_yaml);
    problem_list_open(problems);
    return config_load(directory, CONFIG_SERVE, problems);
}

static struct config *load_well(const char *host_yaml)
{
    struct problem_list problems;
    struct config *config = load(host_yaml, &problems);
    if (problems.first)
        print_error("%.*s\n", STR_ARG(problems.first->text));
    assert_non_null(config);
    problem_list_close(&problems);
    return config;
}

#define LEAST "name: mx.a.test\npostmaster: me@a.test\n"

static void presets_stand_where_nothing_is_said(void **state)
{
    (void)state;
    struct config *config = load_well(LEAST);
    assert_string_equal(config->host_name, "mx.a.test");
    assert_int_equal(config->smtp.message_bytes_max, 25 * 1024 * 1024);
    assert_int_equal(config->smtp.command_timeout_ms, 300000);
    assert_int_equal(config->smtp.listener_count, 2);
    assert_int_equal(net_address_port(&config->smtp.listeners[0].address), 25);
    assert_true(net_address_is_v6(&config->smtp.listeners[1].address));
    assert_int_equal(config->delivery.mx_port, 25);
    assert_true(config->delivery.ipv6);
    assert_int_equal(config->worker_limits.memory_bytes, 64 * 1024 * 1024);
    assert_false(config->has_destinations);
    config_release(config);
}

static void every_part_is_read(void **state)
{
    (void)state;
    write_file("scripts/w.lua", "return {email = function() end}");
    struct config *config = load_well(
        LEAST "listen:\n"
              "  - 127.0.0.1:2500\n"
              "  - {address: '[::1]:465', tls: implicit, proxy: [10.0.0.0/8, '::1']}\n"
              "limits: {message_size: 1MiB, command_timeout: 10s}\n"
              "dns: {resolver: 127.0.0.1@5353}\n"
              "routes:\n"
              "  b.test: 127.0.0.1:2626\n"
              "  .c.test: {host: smart.test, port: 587, tls: verified}\n"
              "  '*': {host: '::1', tls: none}\n"
              "destinations: [me@b.test]\n"
              "auth:\n"
              "  {spf: enforce, arc: off, client_timeout: 2s, sealers: [Lists.Test],\n"
              "   lists: [bl.test, {zone: wl.test, action: allow, codes: 127.0.0.0/30}],\n"
              "   exempt: {from: [p.test, A@q.test], clients: 10.0.0.0/8},\n"
              "   rspamd: {url: 'http://127.0.0.1:11334/', action: enforce, timeout: 2s}}\n"
              "worker_limits: {cpu_soft: 50ms}\n"
              "workers:\n"
              "  w: {vars: {TEAM: t@b.test}, limits: {memory: 8MiB},\n"
              "      circuit: {pause: 2s}, on_error: forward me@b.test,\n"
              "      canary: {share: 5%, promote: 50}, tests: off}\n"
              "test_time: 5s\n");
    assert_int_equal(config->smtp.listeners[1].tls, SMTP_TLS_IMPLICIT);
    assert_int_equal(config->smtp.listeners[1].proxy_count, 2);
    assert_int_equal(config->smtp.message_bytes_max, 1024 * 1024);
    assert_string_equal(config->dns.resolver, "127.0.0.1@5353");
    assert_int_equal(config->delivery.route_count, 3);
    assert_int_equal(config->delivery.routes[0].port, 2626);
    assert_true(str_equal(config->delivery.routes[1].domain, STR(".c.test")));
    assert_int_equal(config->delivery.routes[1].tls, DELIVERY_TLS_VERIFIED);
    assert_true(str_equal(config->delivery.routes[2].host, STR("::1")));
    assert_int_equal(config->delivery.routes[2].port, 25);
    struct config_worker *worker = table_get(config->workers, STR("w"));
    assert_non_null(worker);
    assert_int_equal(worker->options.limits.cpu_soft_ms, 50);
    assert_int_equal(worker->options.limits.memory_bytes, 8 * 1024 * 1024);
    assert_int_equal(worker->options.circuit.failures, 10);
    assert_int_equal(worker->options.circuit.pause_ms, 2000);
    assert_int_equal(worker->canary.share_percent, 5);
    assert_int_equal(worker->canary.runs, 20);
    assert_int_equal(worker->canary.promote, 50);
    assert_false(worker->is_tested);
    assert_int_equal(config->test_ms, 5000);
    assert_int_equal(worker->on_error.way, ON_ERROR_FORWARD);
    assert_true(str_equal(worker->on_error.destination.text, STR("me@b.test")));
    assert_true(str_equal(worker->options.variables[0].value, STR("t@b.test")));
    const struct auth_options *auth = &config->auth;
    assert_int_equal(auth->spf, AUTH_ENFORCE);
    assert_int_equal(auth->arc, AUTH_OFF);
    assert_int_equal(auth->dmarc, AUTH_ENFORCE);
    assert_int_equal(auth->client_timeout_ms, 2000);
    assert_true(str_equal(auth->trusted_sealers[0], STR("lists.test")));
    assert_true(auth->lists[0].rejects && !auth->lists[0].is_allowed);
    assert_true(!auth->lists[1].rejects && auth->lists[1].is_allowed);
    assert_int_equal(auth->lists[1].codes[0].prefix_bits, 30);
    assert_true(str_equal(auth->exempt_from[0], STR("p.test")));
    assert_true(str_equal(auth->exempt_from[1], STR("A@q.test")));
    assert_int_equal(auth->exempt_client_count, 1);
    assert_int_equal(auth->rspamd, AUTH_ENFORCE);
    assert_true(str_equal(auth->rspamd_url, STR("http://127.0.0.1:11334")));
    assert_int_equal(auth->rspamd_timeout_ms, 2000);
    struct arena *arena = arena_new();
    struct mailbox mailbox;
    mailbox_parse(STR("ME@b.test"), arena, &mailbox);
    assert_true(config_is_destination(config, &mailbox));
    mailbox_parse(STR("you@b.test"), arena, &mailbox);
    assert_false(config_is_destination(config, &mailbox));
    arena_free(arena);
    config_release(config);
}

/* The line of host.yaml that each is told at, and a part of what is told. */
static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    write_file("scripts/w.lua", "return {email = function() end}");
    static const struct {
        const char *text;
        unsigned line;
        const char *told;
    } rows[] = {
        {LEAST "limit: {errors: 3}\n", 3, "limits"},
        {LEAST "limits: {message_sise: 3}\n", 3, "message_size"},
        {LEAST "limits:\n  message_size: big\n", 4, ""},
        {LEAST "limits:\n  hops: 0\n", 4, ""},
        {LEAST "listen: nowhere\n", 3, "0.0.0.0:25"},
        {LEAST "listen: [{address: '1.2.3.4:25', tls: maybe}]\n", 3,
         "starttls, implicit, off"},
        {LEAST "listen: [{tls: off}]\n", 3, "address"},
        {LEAST "listen: [{address: '1.2.3.4:25', proxy: everybody}]\n", 3, "10.0.0.0/8"},
        {LEAST "tls: {certificate: x.pem}\n", 3, "key"},
        {LEAST "tls: {certificate: x.pem, key: y.pem}\n", 3, "x.pem"},
        {LEAST "routes: [a]\n", 3, "domain: host:port"},
        {LEAST "routes:\n  b.test: 'host:99999'\n", 4, "host:port"},
        {LEAST "routes:\n  b.test: {port: 25}\n", 4, "host"},
        {LEAST "routes:\n  'b..test': h.test\n", 4, "a domain"},
        {LEAST "destinations: [nobody]\n", 3, "me@mail.test"},
        {LEAST "workers: {w: {script: missing.lua}}\n", 3, "missing.lua"},
        {LEAST "workers: [w]\n", 3, "script"},
        {LEAST "workers: {w: {on_error: [a]}}\n", 3, "text"},
        {LEAST "workers:\n  w:\n    on_error: retry\n", 5, "reject TEXT"},
        {LEAST "workers: {w: {on_error: defer me@b.test}}\n", 3, "reject TEXT"},
        {LEAST "workers: {w: {on_error: forward}}\n", 3, "no mail address"},
        {LEAST "workers: {w: {on_error: forward me}}\n", 3, "no mail address"},
        {LEAST "destinations: [a@b.test]\nworkers:\n  w: {on_error: forward me@b.test}\n",
         5, "verified"},
        {LEAST "workers: {w: {on_error: \"reject caf\\u00e9\"}}\n", 3, "ASCII"},
        {LEAST "workers: {w: {circuit: {failures: 33}}}\n", 3, ""},
        {LEAST "workers: {w: {circuit: {after: 3}}}\n", 3, "failures"},
        {LEAST "workers: {w: {canary: 10}}\n", 3, "such as 10%"},
        {LEAST "workers: {w: {canary: 0%}}\n", 3, "from 1 to 100 %"},
        {LEAST "workers: {w: {canary: 101%}}\n", 3, "from 1 to 100 %"},
        {LEAST "workers: {w: {canary: {runs: 5}}}\n", 3, "share: 10%"},
        {LEAST "workers: {w: {canary: {share: 5%, promote: 5}}}\n", 3, "too few"},
        {LEAST "workers: {w: {canary: {share: 5%, after: 5}}}\n", 3, "share"},
        {LEAST "workers: {w: {tests: sometimes}}\n", 3, "before_reload, off"},
        {LEAST "auth: {dmark: off}\n", 3, "dmarc"},
        {LEAST "auth: {dmarc: maybe}\n", 3, "off, mark, enforce"},
        {LEAST "auth: {lists: ['not a zone']}\n", 3, "zone"},
        {LEAST "auth: {lists: [{zone: a.test, codes: 127.0.0}]}\n", 3, "127.0.0.2"},
        {LEAST "auth: {exempt: everybody}\n", 3, "clients"},
        {LEAST "auth: {rspamd: localhost}\n", 3, "http://127.0.0.1:11333"},
        {LEAST "auth: {rspamd: {action: mark}}\n", 3, "http://127.0.0.1:11333"},
        {LEAST "auth: {rspamd: {url: 'http://a.test', action: off}}\n", 3, "mark, enforce"},
        {LEAST "auth: {rspamd: {url: 'http://a.test', actions: mark}}\n", 3, "actions"},
        {LEAST "auth: on\n", 3, "key: value"},
        {LEAST "log: {level: loud}\n", 1, "debug"},
        {"name: '-'\npostmaster: me@a.test\n", 1, "host name"},
        {"name: [a\n", 2, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem_list problems;
        struct config *config = load(rows[i].text, &problems);
        if (config || !problems.first || problems.first->line != rows[i].line ||
            str_find(problems.first->text, str_of(rows[i].told)) < 0)
            fail_msg("row %zu: \"%.*s\" at line %u", i,
                     STR_ARG(problems.first ? problems.first->text : STR("nothing told")),
                     problems.first ? problems.first->line : 0);
        problem_list_close(&problems);
    }
}

static void auth_can_be_switched_off_as_a_whole(void **state)
{
    (void)state;
    struct config *config = load_well(LEAST "auth: off\n");
    assert_int_equal(config->auth.dmarc, AUTH_OFF);
    assert_int_equal(config->auth.authentication, AUTH_OFF);
    assert_false(config->auth.scores_spam);
    config_release(config);
}

static void a_worker_gets_the_modules_that_it_names(void **state)
{
    (void)state;
    write_file("scripts/w.lua",
               "local t = require \"tickets\"\nreturn {email = function() end}");
    write_file("scripts/tickets.lua", "local d = require('dates') return {}");
    write_file("scripts/dates.lua", "return {}");
    write_file("scripts/other.lua", "return {}");
    struct config *config = load_well(LEAST "workers: {w: {}}\n");
    struct config_worker *worker = table_get(config->workers, STR("w"));
    assert_int_equal(worker->options.module_count, 2);
    assert_true(str_equal(worker->options.modules[0].name, STR("tickets")));
    assert_true(str_equal(worker->options.modules[1].name, STR("dates")));

    write_file("scripts/other.lua", "return {1}");
    struct config *same = load_well(LEAST "workers: {w: {}}\n");
    assert_string_equal(
        ((struct config_worker *)table_get(same->workers, STR("w")))->version,
        worker->version);
    write_file("scripts/dates.lua", "return {1}");
    struct config *changed = load_well(LEAST "workers: {w: {}}\n");
    assert_string_not_equal(
        ((struct config_worker *)table_get(changed->workers, STR("w")))->version,
        worker->version);
    config_release(config);
    config_release(same);
    config_release(changed);
}

static void a_directory_without_host_yaml_serves_dev_alone(void **state)
{
    (void)state;
    struct problem_list problems;
    problem_list_open(&problems);
    assert_null(config_load(directory, CONFIG_SERVE, &problems));
    assert_true(str_find(problems.first->text, STR("host.yaml")) >= 0);
    problem_list_close(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presets_stand_where_nothing_is_said, open_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(every_part_is_read, open_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(mistakes_are_told_with_their_place, open_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(auth_can_be_switched_off_as_a_whole, open_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_worker_gets_the_modules_that_it_names,
                                        open_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_directory_without_host_yaml_serves_dev_alone,
                                        open_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
