/* What is kept of a message is read as it was, and whatever else stands there does no harm. */
#include <stdlib.h>
#include <string.h>

#include "kept_message.h"
#include "test.h"

#include "base/mem.h"
#include "worker/wire.h"

#define TEXT STR("From: anna@there.test\r\nSubject: hello\r\n\r\nHel\0lo.\xff\r\n")

static struct mailbox mailbox_of(const char *text, struct arena *arena)
{
    struct mailbox mailbox;
    assert_int_equal(mailbox_parse(str_of(text), arena, &mailbox), 0);
    return mailbox;
}

static struct message *make_message(void)
{
    struct message *message = message_new();
    message->raw = blob_copy(TEXT);
    message->id = STR("0123456789abcdef");
    message->reverse_path = mailbox_of("Anna@there.test", message->arena);
    message->client.helo = STR("there.test \xff");
    message->client.hostname = STR("mx.there.test");
    message->client.tls_version = STR("TLSv1.3");
    message->is_8bit = true;
    assert_int_equal(net_address_parse(STR("2001:db8::1"), 4711, &message->client.address),
                     0);
    return message;
}

static struct auth_verdict *make_verdict(struct arena *arena)
{
    struct auth_list_hit *hits = arena_new_of(arena, struct auth_list_hit);
    struct auth_verdict *verdict = arena_new_of(arena, struct auth_verdict);
    *hits = (struct auth_list_hit){STR("list.test"), STR("127.0.0.2"), false, true};
    *verdict = (struct auth_verdict){
        .client = {.iprev = AUTH_PASS, .hits = hits, .hit_count = 1},
        .spf = {.result = AUTH_SOFTFAIL, .domain = STR("there.test"), .is_of_helo = true},
        .dkim = {{.result = AUTH_FAIL, .domain = STR("a.test"), .key_bits = 2048},
                 {.result = AUTH_PASS, .domain = STR("b.test"), .selector = STR("s1")}},
        .dkim_count = 2,
        .arc = {.result = AUTH_PASS,
                .count = 1,
                .sets = {{.instance = 1, .sealer = STR("c.test")}}},
        .dmarc = {.result = AUTH_PASS,
                  .from_domain = STR("there.test"),
                  .policy = DMARC_POLICY_QUARANTINE,
                  .is_dkim_aligned = true},
        .rspamd = {.has_answered = true, .action = RSPAMD_DEFER, .score = 4.5},
        .spam_score = 1.25,
    };
    return verdict;
}

/* Written and read again. */
static void pass_through(const struct kept_message *kept, struct kept_message *found)
{
    struct store_kept stored = {.id = kept->message->id,
                                .time_ms = 1234567890123,
                                .envelope = kept_message_envelope(kept),
                                .content = blob_view(kept->message->raw)};
    struct err err = {0};
    assert_true(stored.envelope.length > 0);
    assert_int_equal(kept_message_read(&stored, found, &err), 0);
}

static void a_message_is_read_as_it_was_kept(void **state)
{
    (void)state;
    struct message *message = make_message();
    struct mailbox recipients[] = {mailbox_of("ben@here.test", message->arena),
                                   mailbox_of("\"c d\"@here.test", message->arena)};
    struct kept_message found, kept = {.message = message,
                                       .recipients = recipients,
                                       .recipient_count = 2,
                                       .is_reply_unchecked = true};
    pass_through(&kept, &found);
    assert_true(str_equal(blob_view(found.message->raw), TEXT));
    assert_true(str_equal(found.message->id, message->id));
    assert_true(found.message->received_at == 1234567890123);
    assert_int_equal(found.message->header.count, 2);
    assert_true(mailbox_same(&found.message->reverse_path, &message->reverse_path));
    assert_true(
        net_address_same_ip(&found.message->client.address, &message->client.address));
    assert_true(str_equal(found.message->client.helo, message->client.helo));
    assert_true(str_equal(found.message->client.hostname, message->client.hostname));
    assert_true(found.message->is_8bit && !found.message->is_utf8);
    assert_int_equal(found.recipient_count, 2);
    assert_true(str_equal(found.recipients[1].text, STR("\"c d\"@here.test")));
    assert_true(found.is_reply_unchecked);
    assert_null(found.verdict);
    message_release(found.message);
    message_release(message);
}

static void a_verdict_is_read_as_it_was_kept(void **state)
{
    (void)state;
    struct message *message = make_message();
    struct mailbox recipient = mailbox_of("ben@here.test", message->arena);
    struct kept_message found, kept = {.message = message,
                                       .recipients = &recipient,
                                       .recipient_count = 1,
                                       .verdict = make_verdict(message->arena)};
    message->reverse_path = (struct mailbox){.is_null = true};
    pass_through(&kept, &found);
    const struct auth_verdict *verdict = found.verdict;
    assert_non_null(verdict);
    assert_true(found.message->reverse_path.is_null);
    assert_int_equal(verdict->client.hit_count, 1);
    assert_true(str_equal(verdict->client.hits[0].zone, STR("list.test")));
    assert_true(verdict->client.hits[0].rejects && !verdict->client.hits[0].is_allowed);
    assert_int_equal(verdict->spf.result, AUTH_SOFTFAIL);
    assert_true(verdict->spf.is_of_helo);
    assert_int_equal(verdict->dkim_count, 2);
    assert_int_equal(verdict->dkim[0].key_bits, 2048);
    assert_int_equal(verdict->dkim[1].result, AUTH_PASS);
    assert_true(str_equal(verdict->dkim[1].selector, STR("s1")));
    assert_int_equal(verdict->arc.count, 1);
    assert_true(str_equal(verdict->arc.sets[0].sealer, STR("c.test")));
    assert_int_equal(verdict->dmarc.policy, DMARC_POLICY_QUARANTINE);
    assert_true(verdict->dmarc.is_dkim_aligned && !verdict->dmarc.is_spf_aligned);
    assert_int_equal(verdict->rspamd.action, RSPAMD_DEFER);
    assert_true(verdict->rspamd.score == 4.5 && verdict->spam_score == 1.25);
    message_release(found.message);
    message_release(message);
}

/* Cut anywhere, or with any byte of it changed. */
static void a_damaged_envelope_does_no_harm(void **state)
{
    (void)state;
    struct message *message = make_message();
    struct mailbox recipient = mailbox_of("ben@here.test", message->arena);
    struct kept_message found, kept = {.message = message,
                                       .recipients = &recipient,
                                       .recipient_count = 1,
                                       .verdict = make_verdict(message->arena)};
    struct str envelope = kept_message_envelope(&kept);
    for (size_t i = 0; i < envelope.length; i++) {
        char *changed = mem_copy_text(envelope.at, envelope.length);
        changed[i] = (char)(changed[i] ^ 0x41);
        struct store_kept cut = {.id = STR("id"), .envelope = str_part(envelope, 0, i)};
        struct store_kept other = {.id = STR("id"), .envelope = {changed, envelope.length}};
        struct err err = {0};
        assert_int_equal(kept_message_read(&cut, &found, &err), -EBADMSG);
        if (kept_message_read(&other, &found, &err) == 0)
            message_release(found.message);
        free(changed);
    }
    message_release(message);
}

/* An envelope of { from, address, recipients = { [1] = … } }. */
static int read_envelope(const char *from, const char *address, const char *recipient)
{
    struct buf out;
    struct kept_message found;
    struct err err = {0};
    buf_init(&out, 10000);
    value_begin_table(&out);
    value_put_string(&out, "from", str_of(from));
    value_put_string(&out, "address", str_of(address));
    value_put_table(&out, "recipients");
    if (recipient) {
        value_write_number(&out, 1);
        value_write_string(&out, str_of(recipient));
    }
    value_end_table(&out);
    value_end_table(&out);
    struct store_kept stored = {.id = STR("id"), .envelope = buf_view(&out)};
    int result = kept_message_read(&stored, &found, &err);
    assert_int_equal(result, err.code);
    if (result == 0)
        message_release(found.message);
    buf_free(&out);
    return result;
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_envelope("", "192.0.2.1:25", "ben@here.test"), 0);
    assert_int_equal(read_envelope("anna", "192.0.2.1:25", "ben@here.test"), -EBADMSG);
    assert_int_equal(read_envelope("", "there", "ben@here.test"), -EBADMSG);
    assert_int_equal(read_envelope("", "192.0.2.1:25", "ben"), -EBADMSG);
    assert_int_equal(read_envelope("", "192.0.2.1:25", NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_as_it_was_kept),
        cmocka_unit_test(a_verdict_is_read_as_it_was_kept),
        cmocka_unit_test(a_damaged_envelope_does_no_harm),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
