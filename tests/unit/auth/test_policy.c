/* The whole matrix of what follows from what. */
#include "test.h"

#include "auth/policy.h"

static struct message *message;
static struct auth_verdict verdict;
static struct auth_options options;

static struct str sealers[2];

static void set_from(const char *value)
{
    struct str raw =
        str_of(arena_printf(message->arena, "From: %s\r\nTo: a@b.test\r\n\r\n", value));
    header_parse(raw, message->arena, &message->header);
}

static int open_message(void **state)
{
    (void)state;
    message = message_new();
    assert_int_equal(net_address_parse(STR("192.0.2.1"), 0, &message->client.address), 0);
    verdict = (struct auth_verdict){
        .spf = {.domain = STR("sender.test")},
        .dmarc = {.from_domain = STR("from.test"), .policy_domain = STR("from.test")},
    };
    sealers[0] = STR("list.test");
    sealers[1] = STR("google.test");
    options = (struct auth_options){
        .spf = AUTH_MARK,
        .dkim = AUTH_MARK,
        .arc = AUTH_MARK,
        .dmarc = AUTH_ENFORCE,
        .authentication = AUTH_ENFORCE,
        .from = AUTH_ENFORCE,
        .trusted_sealers = sealers,
        .trusted_sealer_count = 2,
    };
    set_from("Anna <anna@from.test>");
    return 0;
}

static int release_message(void **state)
{
    (void)state;
    message_release(message);
    return 0;
}

/* "accept", "quarantine dmarc", "550 5.7.26 authentication", "451 4.7.1 dmarc" */
static const char *decide(void)
{
    struct auth_decision decision = auth_policy_decide(&options, message, &verdict);
    assert_true(decision.text.length < 480);
    assert_int_equal(decision.action == AUTH_ACCEPT, decision.code == 0);
    if (decision.is_quarantined)
        return arena_printf(message->arena, "quarantine %s", decision.check);
    if (decision.action == AUTH_ACCEPT)
        return decision.is_arc_overridden ? "overridden" : "accept";
    assert_int_equal(decision.action == AUTH_DEFER, decision.code < 500);
    assert_true(decision.text.length > 0);
    return arena_printf(message->arena, "%u %s %s", decision.code, decision.enhanced,
                        decision.check);
}

static void set_dkim(enum auth_result result)
{
    verdict.dkim[0].result = result;
    verdict.dkim_count = result != AUTH_NONE;
}

static void set_dmarc(enum auth_result result, enum auth_dmarc_policy policy)
{
    verdict.dmarc.result = result;
    verdict.dmarc.policy = policy;
}

/* "list.test+ evil.test" from oldest to newest; a plus: it says dmarc=pass. */
static void set_arc(enum auth_result result, const char *chain)
{
    struct str rest = str_of(chain);
    verdict.arc = (struct auth_arc){.result = result};
    while (rest.length) {
        struct str sealer = str_cut(&rest, ' ');
        struct auth_arc_set *set = &verdict.arc.sets[verdict.arc.count++];
        *set = (struct auth_arc_set){verdict.arc.count, sealer, STR("s"), AUTH_FAIL};
        if (sealer.at[sealer.length - 1] == '+') {
            set->sealer.length--;
            set->results_dmarc = AUTH_PASS;
        }
    }
}

static void either_spf_or_dkim_is_authentication(void **state)
{
    (void)state;
    static const struct {
        enum auth_result spf, dkim;
        const char *enforce, *mark;
    } cases[] = {
        {AUTH_PASS, AUTH_NONE, "accept", "accept"},
        {AUTH_PASS, AUTH_FAIL, "accept", "accept"},
        {AUTH_PASS, AUTH_TEMPERROR, "accept", "accept"},
        {AUTH_NONE, AUTH_PASS, "accept", "accept"},
        {AUTH_FAIL, AUTH_PASS, "accept", "accept"},
        {AUTH_TEMPERROR, AUTH_PASS, "accept", "accept"},
        {AUTH_NONE, AUTH_NONE, "550 5.7.26 authentication", "quarantine authentication"},
        {AUTH_NEUTRAL, AUTH_NONE, "550 5.7.26 authentication", "quarantine authentication"},
        {AUTH_SOFTFAIL, AUTH_FAIL, "550 5.7.26 authentication",
         "quarantine authentication"},
        {AUTH_FAIL, AUTH_POLICY, "550 5.7.26 authentication", "quarantine authentication"},
        {AUTH_PERMERROR, AUTH_PERMERROR, "550 5.7.26 authentication",
         "quarantine authentication"},
        {AUTH_TEMPERROR, AUTH_NONE, "451 4.7.26 authentication", "accept"},
        {AUTH_TEMPERROR, AUTH_FAIL, "451 4.7.26 authentication", "accept"},
        {AUTH_FAIL, AUTH_TEMPERROR, "451 4.7.26 authentication", "accept"},
        {AUTH_TEMPERROR, AUTH_TEMPERROR, "451 4.7.26 authentication", "accept"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        verdict.spf.result = cases[i].spf;
        set_dkim(cases[i].dkim);
        options.authentication = AUTH_ENFORCE;
        assert_string_equal(decide(), cases[i].enforce);
        options.authentication = AUTH_MARK;
        assert_string_equal(decide(), cases[i].mark);
        options.authentication = AUTH_OFF;
        assert_string_equal(decide(), "accept");
    }
}

static void authentication_asks_for_nothing_that_is_off(void **state)
{
    (void)state;
    options.spf = AUTH_OFF;
    assert_string_equal(decide(), "550 5.7.26 authentication");
    options.dkim = AUTH_OFF;
    assert_string_equal(decide(), "accept");
}

static void the_domain_decides_what_becomes_of_a_dmarc_failure(void **state)
{
    (void)state;
    static const struct {
        enum auth_result dmarc;
        enum auth_dmarc_policy policy;
        const char *enforce, *mark;
    } cases[] = {
        {AUTH_NONE, DMARC_POLICY_NONE, "accept", "accept"},
        {AUTH_PASS, DMARC_POLICY_REJECT, "accept", "accept"},
        {AUTH_FAIL, DMARC_POLICY_NONE, "accept", "accept"},
        {AUTH_FAIL, DMARC_POLICY_QUARANTINE, "quarantine dmarc", "quarantine dmarc"},
        {AUTH_FAIL, DMARC_POLICY_REJECT, "550 5.7.1 dmarc", "quarantine dmarc"},
        {AUTH_TEMPERROR, DMARC_POLICY_NONE, "accept", "accept"},
        {AUTH_TEMPERROR, DMARC_POLICY_QUARANTINE, "quarantine dmarc", "quarantine dmarc"},
        {AUTH_TEMPERROR, DMARC_POLICY_REJECT, "451 4.7.1 dmarc", "accept"},
    };
    verdict.spf.result = AUTH_PASS;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_dmarc(cases[i].dmarc, cases[i].policy);
        options.dmarc = AUTH_ENFORCE;
        assert_string_equal(decide(), cases[i].enforce);
        options.dmarc = AUTH_MARK;
        assert_string_equal(decide(), cases[i].mark);
        options.dmarc = AUTH_OFF;
        assert_string_equal(decide(), "accept");
    }
}

static void a_record_that_cannot_be_asked_for_defers(void **state)
{
    (void)state;
    verdict.spf.result = AUTH_PASS;
    set_dmarc(AUTH_TEMPERROR, DMARC_POLICY_NONE);
    verdict.dmarc.policy_domain = STR("");
    assert_string_equal(decide(), "451 4.7.1 dmarc");
}

static void trusted_sealers_may_override_dmarc(void **state)
{
    (void)state;
    static const struct {
        enum auth_result arc;
        const char *chain, *decision;
    } cases[] = {
        {AUTH_PASS, "list.test+", "overridden"},
        {AUTH_PASS, "LIST.test+", "overridden"},
        {AUTH_PASS, "list.test+ google.test", "overridden"},
        {AUTH_PASS, "evil.test list.test+", "overridden"},
        {AUTH_PASS, "list.test", "550 5.7.1 dmarc"},
        {AUTH_PASS, "evil.test+", "550 5.7.1 dmarc"},
        {AUTH_PASS, "sub.list.test+", "550 5.7.1 dmarc"},
        {AUTH_PASS, "list.test+ evil.test", "550 5.7.1 dmarc"},
        {AUTH_PASS, "list.test+ evil.test google.test", "550 5.7.1 dmarc"},
        {AUTH_PASS, "evil.test+ list.test", "550 5.7.1 dmarc"},
        {AUTH_PASS, "", "550 5.7.1 dmarc"},
        {AUTH_FAIL, "list.test+", "550 5.7.1 dmarc"},
        {AUTH_NONE, "", "550 5.7.1 dmarc"},
        {AUTH_TEMPERROR, "list.test+", "451 4.7.1 dmarc"},
        {AUTH_TEMPERROR, "evil.test+", "550 5.7.1 dmarc"},
    };
    verdict.spf.result = AUTH_PASS;
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_arc(cases[i].arc, cases[i].chain);
        if (strcmp(decide(), cases[i].decision) != 0)
            fail_msg("%s: %s", cases[i].chain, decide());
    }
}

static void a_trusted_sealer_also_stands_for_authentication(void **state)
{
    (void)state;
    set_arc(AUTH_PASS, "list.test+");
    assert_string_equal(decide(), "accept");
    set_arc(AUTH_TEMPERROR, "list.test+");
    assert_string_equal(decide(), "451 4.7.26 authentication");
    set_arc(AUTH_PASS, "evil.test+");
    assert_string_equal(decide(), "550 5.7.26 authentication");
}

static void without_exactly_one_from_domain_it_is_refused(void **state)
{
    (void)state;
    verdict.spf.result = AUTH_PASS;
    verdict.dmarc = (struct auth_dmarc){.result = AUTH_PERMERROR, .from_domain = STR("")};
    set_from("a@from.test, b@other.test");
    assert_string_equal(decide(), "550 5.7.1 from");
    options.from = AUTH_MARK;
    assert_string_equal(decide(), "quarantine from");
    options.from = AUTH_OFF;
    assert_string_equal(decide(), "accept");
}

static void from_is_looked_at_without_dmarc_too(void **state)
{
    (void)state;
    verdict.spf.result = AUTH_PASS;
    options.dmarc = AUTH_OFF;
    set_from("a@from.test, b@other.test");
    assert_string_equal(decide(), "550 5.7.1 from");
    set_from("a@from.test, b@from.test");
    assert_string_equal(decide(), "accept");
}

static void spf_dkim_and_arc_refuse_only_when_enforced(void **state)
{
    (void)state;
    static const struct {
        enum auth_result spf, dkim, arc;
        const char *of_spf, *of_dkim, *of_arc;
    } cases[] = {
        {AUTH_PASS, AUTH_PASS, AUTH_PASS, "accept", "accept", "accept"},
        {AUTH_FAIL, AUTH_FAIL, AUTH_FAIL, "550 5.7.23 spf", "550 5.7.20 dkim",
         "550 5.7.29 arc"},
        {AUTH_TEMPERROR, AUTH_TEMPERROR, AUTH_TEMPERROR, "451 4.7.24 spf",
         "451 4.7.20 dkim", "451 4.7.29 arc"},
        {AUTH_NONE, AUTH_NONE, AUTH_NONE, "accept", "550 5.7.20 dkim", "accept"},
        {AUTH_SOFTFAIL, AUTH_PERMERROR, AUTH_NONE, "accept", "550 5.7.20 dkim", "accept"},
    };
    options.authentication = AUTH_OFF;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        verdict.spf.result = cases[i].spf;
        set_dkim(cases[i].dkim);
        set_arc(cases[i].arc, "");
        options.spf = options.dkim = options.arc = AUTH_MARK;
        assert_string_equal(decide(), "accept");
        options.spf = AUTH_ENFORCE;
        assert_string_equal(decide(), cases[i].of_spf);
        options.spf = AUTH_OFF;
        options.dkim = AUTH_ENFORCE;
        assert_string_equal(decide(), cases[i].of_dkim);
        options.dkim = AUTH_OFF;
        options.arc = AUTH_ENFORCE;
        assert_string_equal(decide(), cases[i].of_arc);
    }
}

static void what_is_certain_goes_before_what_waits_for_the_dns(void **state)
{
    (void)state;
    verdict.spf.result = AUTH_TEMPERROR;
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    assert_string_equal(decide(), "550 5.7.1 dmarc");
    set_dmarc(AUTH_FAIL, DMARC_POLICY_QUARANTINE);
    assert_string_equal(decide(), "451 4.7.26 authentication");
    verdict.spf.result = AUTH_FAIL;
    assert_string_equal(decide(), "550 5.7.26 authentication");
}

static void who_is_exempt_is_not_refused(void **state)
{
    (void)state;
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    set_from("Anna <Anna@from.test>");
    const struct {
        struct str exempt;
        bool is_exempt;
    } cases[] = {
        {STR("from.test"), true},        {STR("test"), true},
        {STR("rom.test"), false},        {STR("sub.from.test"), false},
        {STR("anna@from.test"), true},   {STR("ben@from.test"), false},
        {STR("anna@other.test"), false}, {STR(""), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.exempt_from = &cases[i].exempt;
        options.exempt_from_count = 1;
        assert_string_equal(decide(), cases[i].is_exempt ? "accept" : "550 5.7.1 dmarc");
    }
}

static void an_exempt_address_must_be_the_only_one(void **state)
{
    (void)state;
    const struct str exempt[] = {STR("anna@from.test")};
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    options.exempt_from = exempt;
    options.exempt_from_count = 1;
    static const char *const cases[] = {
        "anna@from.test, ben@from.test",         "ben@from.test\r\nFrom: anna@from.test",
        "anna@from.test\r\nFrom: ben@from.test", "\"anna@from.test\" <ben@from.test>",
        "(anna@from.test) ben@from.test",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_from(cases[i]);
        assert_string_equal(decide(), "550 5.7.1 dmarc");
    }
}

static void exempt_clients_are_networks(void **state)
{
    (void)state;
    struct net_block blocks[2];
    assert_int_equal(net_block_parse(STR("2001:db8::/32"), &blocks[0]), 0);
    assert_int_equal(net_block_parse(STR("192.0.2.0/28"), &blocks[1]), 0);
    options.exempt_clients = blocks;
    options.exempt_client_count = 2;
    assert_string_equal(decide(), "accept");
    assert_int_equal(net_address_parse(STR("192.0.2.16"), 0, &message->client.address), 0);
    assert_string_equal(decide(), "550 5.7.26 authentication");
}

static struct auth_decision decide_client(const struct auth_list_hit *hits, size_t count)
{
    struct auth_client client = {.hits = hits, .hit_count = count};
    return auth_policy_decide_client(&message->client.address, &client, message->arena);
}

static void assert_text(struct auth_decision decision, const char *text)
{
    if (!str_equal(decision.text, str_of(text)))
        fail_msg("%.*s", STR_ARG(decision.text));
}

static void a_listed_client_is_refused(void **state)
{
    (void)state;
    const struct auth_list_hit hits[] = {
        {.zone = STR("told.test")},
        {.zone = STR("a.test"), .rejects = true},
        {.zone = STR("b.test"), .rejects = true},
    };
    assert_int_equal(decide_client(NULL, 0).action, AUTH_ACCEPT);
    assert_int_equal(decide_client(hits, 1).action, AUTH_ACCEPT);
    struct auth_decision decision = decide_client(hits, 3);
    assert_int_equal(decision.action, AUTH_REJECT);
    assert_int_equal(decision.code, 554);
    assert_string_equal(decision.enhanced, "5.7.1");
    assert_string_equal(decision.check, "block list");
    assert_text(decision, "192.0.2.1 found on one or more RBLs (a.test, b.test)");
}

static void replies_name_the_check_and_the_way_out(void **state)
{
    (void)state;
    verdict.spf.result = AUTH_SOFTFAIL;
    assert_text(
        auth_policy_decide(&options, message, &verdict),
        "this message is not authenticated: SPF softfail of sender.test, DKIM none; "
        "publish an SPF record that names 192.0.2.1, or sign with DKIM");
    set_dkim(AUTH_PASS);
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    assert_text(
        auth_policy_decide(&options, message, &verdict),
        "DMARC of from.test asks to refuse this message (p=reject): SPF softfail of "
        "sender.test, DKIM pass, of another domain; sign it with DKIM as d=from.test, "
        "or send it from a host in that domain's SPF record");
}

static void long_domains_leave_replies_short(void **state)
{
    (void)state;
    static char text[254];
    memset(text, 'a', sizeof text - 1);
    verdict.spf.domain = verdict.dmarc.from_domain = str_of(text);
    assert_string_equal(decide(), "550 5.7.26 authentication");
    set_dmarc(AUTH_FAIL, DMARC_POLICY_REJECT);
    assert_string_equal(decide(), "550 5.7.1 dmarc");
    struct auth_list_hit hits[AUTH_LISTS_MAX];
    for (size_t i = 0; i < AUTH_LISTS_MAX; i++)
        hits[i] = (struct auth_list_hit){.zone = str_of(text), .rejects = true};
    assert_true(decide_client(hits, AUTH_LISTS_MAX).text.length < 480);
}

#define message_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_message, release_message)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(either_spf_or_dkim_is_authentication),
        message_test(authentication_asks_for_nothing_that_is_off),
        message_test(the_domain_decides_what_becomes_of_a_dmarc_failure),
        message_test(a_record_that_cannot_be_asked_for_defers),
        message_test(trusted_sealers_may_override_dmarc),
        message_test(a_trusted_sealer_also_stands_for_authentication),
        message_test(without_exactly_one_from_domain_it_is_refused),
        message_test(from_is_looked_at_without_dmarc_too),
        message_test(spf_dkim_and_arc_refuse_only_when_enforced),
        message_test(what_is_certain_goes_before_what_waits_for_the_dns),
        message_test(who_is_exempt_is_not_refused),
        message_test(an_exempt_address_must_be_the_only_one),
        message_test(exempt_clients_are_networks),
        message_test(a_listed_client_is_refused),
        message_test(replies_name_the_check_and_the_way_out),
        message_test(long_domains_leave_replies_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
