/* TLS on streams, both sides on loopback: handshakes, names, trust, and what an attacker tries. */
#include <sys/stat.h>

#include "certificate.h"
#include "loopback.h"

#include "net/internal.h"

#define MEBIBYTE ((size_t)1024 * 1024)

static char directory[] = "/tmp/postern-test-tls-XXXXXX";

static struct {
    struct certificate_files first, wild, only_common, rsa;
    struct tls_server *server;
} given;

static int make_certificates(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    given.first = certificate_make(
        directory, "first.test", "DNS:first.test,DNS:MX.first.test,IP:127.0.0.1", "P-256");
    given.wild = certificate_make(directory, "wild.test", "DNS:*.wild.test", "P-256");
    given.only_common = certificate_make(directory, "common.test", NULL, "P-256");
    given.rsa = certificate_make(directory, "rsa.test", "DNS:rsa.test", "RSA");
    struct tls_certificate certificates[] = {
        {given.first.chain, given.first.key},
        {given.wild.chain, given.wild.key},
        {given.only_common.chain, given.only_common.key},
        {given.rsa.chain, given.rsa.key},
    };
    struct err err = {0};
    given.server = tls_server_new(certificates, 4, &err);
    return given.server ? 0 : -1;
}

static int remove_certificates(void **state)
{
    (void)state;
    tls_server_release(given.server);
    const struct certificate_files *all[] = {&given.first, &given.wild, &given.only_common,
                                             &given.rsa};
    for (size_t i = 0; i < 4; i++) {
        unlink(all[i]->chain);
        unlink(all[i]->key);
    }
    return rmdir(directory);
}

/* --- both sides of a handshake --- */

struct side {
    struct net_stream *stream;
    struct tls_server *server;
    struct tls_client *client;
    enum tls_trust trust;
    const char *name;
    struct err err;
};

static int accept_side(void *arg)
{
    struct side *side = arg;
    return net_stream_tls_accept(side->stream, side->server, task_in_ms(10000), &side->err);
}

static int connect_side(void *arg)
{
    struct side *side = arg;
    return net_stream_tls_connect(side->stream, side->client, side->trust, side->name,
                                  task_in_ms(10000), &side->err);
}

/* Returns the client's result. */
static int shake(struct pair *pair, struct tls_server *server, struct side *client)
{
    struct side accepting = {.stream = pair->server, .server = server};
    client->stream = pair->client;
    struct task_job jobs[] = {{accept_side, &accepting, 0}, {connect_side, client, 0}};
    task_gather("handshake", jobs, 2);
    return jobs[1].result;
}

static struct tls_client *client_new(const char *ca_file)
{
    struct err err = {0};
    struct tls_client *client = tls_client_new(ca_file, &err);
    assert_non_null(client);
    return client;
}

/* In a task: a pair with TLS, whoever the server is. */
static void tls_pair_open(struct pair *pair)
{
    pair_open(pair);
    struct tls_client *client = client_new(NULL);
    struct side side = {.client = client, .trust = TLS_ANY_PEER, .name = "first.test"};
    assert_int_equal(shake(pair, given.server, &side), 0);
    tls_client_free(client);
}

static int echo(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    assert_null(net_stream_tls_version(pair.client));
    assert_null(net_stream_tls_cipher(pair.client));
    pair_close(&pair);
    tls_pair_open(&pair);
    assert_string_equal(net_stream_tls_version(pair.client), "TLSv1.3");
    assert_string_equal(net_stream_tls_cipher(pair.client),
                        net_stream_tls_cipher(pair.server));
    struct str parts[] = {STR("250"), STR(""), STR(" fine\r\n")};
    assert_int_equal(net_stream_write(pair.server, parts, 3, TASK_FOREVER), 0);
    expect_text(pair.client, "250 fine\r\n");
    assert_int_equal(write_text(pair.client, "MAIL"), 0);
    expect_text(pair.server, "MAIL");
    net_stream_write_now(pair.server, STR("421 bye"));
    expect_text(pair.client, "421 bye");
    pair_close(&pair);
    return 0;
}

static void what_is_written_arrives_through_tls(void **state)
{
    (void)state;
    test_run(echo, NULL);
}

/* --- names --- */

static const struct {
    const char *asked;
    const char *got; /* common name of the certificate */
} choices[] = {
    {"first.test", "first.test"},    {"mx.First.test", "first.test"},
    {"mx.wild.test", "wild.test"},   {"MX2.WILD.TEST", "wild.test"},
    {"a.b.wild.test", "first.test"}, /* a wildcard covers one label */
    {"wild.test", "first.test"},     {"common.test", "common.test"},
    {"rsa.test", "rsa.test"},        {"unknown.test", "first.test"},
    {"localhost", "first.test"},     {"127.0.0.1", "first.test"},
};

static int choose_by_name(void *arg)
{
    (void)arg;
    struct tls_client *client = client_new(NULL);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        struct pair pair;
        pair_open(&pair);
        struct side side = {.client = client, .name = choices[i].asked};
        assert_int_equal(shake(&pair, given.server, &side), 0);
        X509 *certificate = SSL_get0_peer_certificate(pair.client->tls->ssl);
        char name[64] = "";
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof name);
        assert_string_equal(name, choices[i].got);
        pair_close(&pair);
    }
    tls_client_free(client);
    return 0;
}

static void the_asked_name_picks_the_certificate(void **state)
{
    (void)state;
    test_run(choose_by_name, NULL);
}

/* --- trust --- */

static int verify(const char *ca_file, const char *name, enum tls_trust trust,
                  struct err *err)
{
    struct pair pair;
    pair_open(&pair);
    struct tls_client *client = client_new(ca_file);
    struct side side = {.client = client, .trust = trust, .name = name};
    int result = shake(&pair, given.server, &side);
    *err = side.err;
    pair_close(&pair);
    tls_client_free(client);
    return result;
}

static int verify_peers(void *arg)
{
    (void)arg;
    struct err err;
    const char *ca = given.first.chain;
    assert_int_equal(verify(ca, "mx.first.test", TLS_VERIFY_PEER, &err), 0);
    assert_int_equal(verify(ca, "127.0.0.1", TLS_VERIFY_PEER, &err), 0);
    assert_int_equal(verify(ca, "127.0.0.2", TLS_VERIFY_PEER, &err), -EPROTO);
    assert_non_null(strstr(err.text, "IP address mismatch"));
    assert_int_equal(verify(ca, "other.test", TLS_VERIFY_PEER, &err), -EPROTO);
    assert_non_null(strstr(err.text, "ostname mismatch"));
    assert_int_equal(verify(NULL, "mx.first.test", TLS_VERIFY_PEER, &err), -EPROTO);
    assert_non_null(strstr(err.text, "self-signed certificate"));
    assert_int_equal(verify(NULL, "other.test", TLS_ANY_PEER, &err), 0);
    return 0;
}

static void a_verified_peer_has_the_name_and_a_trusted_root(void **state)
{
    (void)state;
    test_run(verify_peers, NULL);
}

static int shake_self_signed(void *arg)
{
    struct err err = {0};
    struct tls_server *server = tls_server_new_self_signed(arg, &err);
    assert_non_null(server);
    struct tls_client *client = client_new(NULL);
    struct pair pair;
    pair_open(&pair);
    struct side side = {.client = client, .name = arg};
    assert_int_equal(shake(&pair, server, &side), 0);
    tls_server_release(server); /* the stream holds it */
    assert_int_equal(write_text(pair.client, "x"), 0);
    expect_text(pair.server, "x");
    X509 *certificate = SSL_get0_peer_certificate(pair.client->tls->ssl);
    bool has_name = X509_check_host(certificate, arg, 0, 0, NULL) == 1 ||
                    X509_check_ip_asc(certificate, arg, 0) == 1;
    pair_close(&pair);
    tls_client_free(client);
    return has_name;
}

static void a_self_signed_certificate_bears_its_name(void **state)
{
    (void)state;
    char name[] = "postern.test", ip[] = "127.0.0.1";
    char longest[] =
        "a-label-of-many-letters.and-another-label-of-many-letters.and-one-more.test";
    assert_true(test_run(shake_self_signed, name));
    assert_true(test_run(shake_self_signed, ip));
    assert_true(test_run(shake_self_signed, longest));
}

/* --- loading --- */

static void refuses(const char *chain, const char *key, const char *why)
{
    struct err err = {0};
    struct tls_certificate certificate = {chain, key};
    assert_null(tls_server_new(&certificate, 1, &err));
    assert_int_equal(err.code, -EINVAL);
    if (!strstr(err.text, why))
        fail_msg("\"%s\" says nothing of \"%s\"", err.text, why);
}

static void a_certificate_that_cannot_serve_is_a_clear_error(void **state)
{
    (void)state;
    refuses("/nowhere/chain.pem", given.first.key,
            "/nowhere/chain.pem: no usable certificate: No such file");
    refuses(given.first.chain, "/nowhere/key.pem",
            "/nowhere/key.pem: no usable private key: No such file");
    refuses(given.first.chain, given.wild.key, "does not belong to the certificate in");
    refuses(given.first.chain, given.rsa.key, "does not belong to the certificate in");
    refuses(given.first.key, given.first.key, "no usable certificate");
    refuses(given.first.chain, given.first.chain, "no usable private key");
    struct err err = {0};
    assert_null(tls_server_new(NULL, 0, &err));
    assert_int_equal(err.code, -EINVAL);
    assert_null(tls_client_new("/nowhere/roots.pem", &err));
    assert_non_null(strstr(err.text, "/nowhere/roots.pem: no usable root certificates"));
}

static void an_encrypted_key_is_refused_without_asking(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s/encrypted.key", directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    assert_true(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL));
    fclose(file);
    EVP_PKEY_free(key);
    refuses(given.first.chain, path, "no usable private key");
    unlink(path);
}

/* --- attacks and accidents --- */

static int inject_before_handshake(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    write_text(pair.client, "STARTTLS\r\nMAIL FROM:<evil@test>\r\n");
    write_text(pair.server, "220 go\r\n250 injected\r\n");
    assert_true(net_stream_fill(pair.server, TASK_FOREVER) > 0);
    assert_true(net_stream_fill(pair.client, TASK_FOREVER) > 0);
    net_stream_consume(pair.server, 10);
    net_stream_consume(pair.client, 8);
    struct tls_client *client = client_new(NULL);
    struct side side = {.client = client, .name = "first.test"};
    assert_int_equal(shake(&pair, given.server, &side), 0);
    assert_int_equal(net_stream_input(pair.server).length, 0);
    assert_int_equal(net_stream_input(pair.client).length, 0);
    write_text(pair.client, "EHLO");
    expect_text(pair.server, "EHLO");
    write_text(pair.server, "250");
    expect_text(pair.client, "250");
    pair_close(&pair);
    tls_client_free(client);
    return 0;
}

static void plaintext_before_the_handshake_is_dropped(void **state)
{
    (void)state;
    test_run(inject_before_handshake, NULL);
}

static int accept_implicitly(void *arg)
{
    struct side *side = arg;
    while (net_stream_input(side->stream).length < 20)
        assert_true(net_stream_fill(side->stream, task_in_ms(5000)) > 0);
    net_stream_consume(side->stream, strlen("PROXY"));
    return net_stream_tls_accept_implicit(side->stream, side->server, task_in_ms(10000),
                                          &side->err);
}

static int begin_behind_a_header(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    write_text(pair.client, "PROXY");
    struct tls_client *client = client_new(NULL);
    struct side connecting = {
        .stream = pair.client, .client = client, .name = "first.test"};
    struct side accepting = {.stream = pair.server, .server = given.server};
    struct task_job jobs[] = {{accept_implicitly, &accepting, 0},
                              {connect_side, &connecting, 0}};
    task_gather("handshake", jobs, 2);
    assert_int_equal(jobs[0].result, 0);
    assert_int_equal(jobs[1].result, 0);
    pair_close(&pair);
    tls_client_free(client);
    return 0;
}

static void implicit_tls_may_begin_behind_a_header(void **state)
{
    (void)state;
    test_run(begin_behind_a_header, NULL);
}

static int shake_with_garbage(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct side side = {.stream = pair.server, .server = given.server};
    struct task *task = task_start("handshake", accept_side, &side);
    task_sleep(1);
    write_text(pair.client, "EHLO client.test\r\nMAIL FROM:<>\r\n");
    assert_int_equal(task_join(task), -EPROTO);
    assert_non_null(strstr(side.err.text, "TLS handshake: "));
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), -EPROTO);
    assert_int_equal(write_text(pair.server, "x"), -EPROTO);
    assert_true(net_stream_is_dead(pair.server));
    net_stream_write_now(pair.server, STR("x"));
    net_stream_tls_close_notify(pair.server);
    pair_close(&pair);
    return 0;
}

static void garbage_is_no_handshake(void **state)
{
    (void)state;
    test_run(shake_with_garbage, NULL);
}

static int shake_alone(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct side side = {.stream = pair.server, .server = given.server};
    assert_int_equal(
        net_stream_tls_accept(pair.server, given.server, task_in_ms(5), &side.err),
        -ETIMEDOUT);
    pair_close(&pair);
    pair_open(&pair);
    net_stream_close(pair.client);
    side.stream = pair.server;
    assert_int_equal(accept_side(&side), -EPROTO);
    assert_non_null(strstr(side.err.text, "the peer closed the connection"));
    net_stream_close(pair.server);
    return 0;
}

static void a_handshake_with_nobody_ends(void **state)
{
    (void)state;
    test_run(shake_alone, NULL);
}

static int corrupt_a_record(void *arg)
{
    (void)arg;
    struct pair pair;
    tls_pair_open(&pair);
    write_text(pair.client, "before");
    struct str forged = STR("\x17\x03\x03\x00\x20"
                            "0123456789abcdef0123456789abcdef");
    stream_send_now(pair.client, forged);
    task_sleep(5);
    expect_text(pair.server, "before");
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), -EPROTO);
    assert_int_equal(net_stream_fill(pair.client, task_in_ms(5000)),
                     -EPROTO); /* the alert */
    pair_close(&pair);
    return 0;
}

static void a_forged_record_ends_the_session(void **state)
{
    (void)state;
    test_run(corrupt_a_record, NULL);
}

static int end_inside_tls(void *arg)
{
    (void)arg;
    struct pair pair;
    tls_pair_open(&pair);
    write_text(pair.client, "bye");
    net_stream_close(pair.client); /* no close_notify */
    expect_text(pair.server, "bye");
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 0);
    net_stream_close(pair.server);
    tls_pair_open(&pair);
    write_text(pair.client, "bye");
    net_stream_tls_close_notify(pair.client);
    expect_text(pair.server, "bye");
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 0);
    assert_true(net_stream_is_dead(pair.server));
    pair_close(&pair);
    return 0;
}

static void input_ends_with_zero_with_or_without_close_notify(void **state)
{
    (void)state;
    test_run(end_inside_tls, NULL);
}

/* --- a client that is not ours, blocking on the thread pool --- */

struct foreign {
    int raw;
    int version;
    int shaken;
    char reply[16];
};

static void run_foreign(void *arg)
{
    struct foreign *foreign = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, foreign->version);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, foreign->raw);
    foreign->shaken = SSL_connect(ssl) == 1;
    if (foreign->shaken && SSL_write(ssl, "EHLO", 4) == 4)
        SSL_read(ssl, foreign->reply, sizeof foreign->reply - 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
    shutdown(foreign->raw, SHUT_RDWR);
}

static int run_foreign_task(void *arg)
{
    task_work(run_foreign, arg);
    return 0;
}

static int serve_foreign(void *arg)
{
    struct foreign *foreign = arg;
    struct err err = {0};
    struct net_stream *stream = stream_to_raw(&foreign->raw);
    struct task *task = task_start("foreign", run_foreign_task, foreign);
    int result = net_stream_tls_accept(stream, given.server, task_in_ms(10000), &err);
    if (result == 0) {
        assert_string_equal(net_stream_tls_version(stream), "TLSv1.2");
        expect_text(stream, "EHLO");
        write_text(stream, "250 fine");
        assert_int_equal(net_stream_fill(stream, task_in_ms(5000)), 0);
    } else {
        assert_non_null(strstr(err.text, "unsupported protocol"));
    }
    net_stream_close(stream);
    task_join(task);
    close(foreign->raw);
    return result;
}

static void tls_1_2_is_served_and_older_is_not(void **state)
{
    (void)state;
    struct foreign newer = {.version = TLS1_2_VERSION}, older = {.version = TLS1_1_VERSION};
    assert_int_equal(test_run(serve_foreign, &newer), 0);
    assert_string_equal(newer.reply, "250 fine");
    assert_int_equal(test_run(serve_foreign, &older), -EPROTO);
    assert_false(older.shaken);
}

/* --- much --- */

static int write_much(void *arg)
{
    char *bytes = malloc(8 * MEBIBYTE);
    for (size_t i = 0; i < 8 * MEBIBYTE; i++)
        bytes[i] = (char)(i * 31 + (i >> 9));
    struct str parts[] = {{bytes, 8 * MEBIBYTE - 5}, {bytes + 8 * MEBIBYTE - 5, 5}};
    int result = net_stream_write(arg, parts, 2, TASK_FOREVER);
    free(bytes);
    return result;
}

static int read_much(struct net_stream *stream)
{
    size_t at = 0;
    for (int turn = 0; at < 8 * MEBIBYTE; turn++) {
        assert_true(net_stream_fill(stream, task_in_ms(20000)) > 0);
        struct str input = net_stream_input(stream);
        for (size_t i = 0; i < input.length; i++)
            if (input.at[i] != (char)((at + i) * 31 + ((at + i) >> 9)))
                return -1;
        at += input.length;
        net_stream_consume(stream, input.length);
        if (turn % 64 == 0)
            task_sleep(1);
    }
    return 0;
}

static int transfer_twice(void *arg)
{
    (void)arg;
    struct pair one, two; /* at once: their output shares a buffer */
    tls_pair_open(&one);
    tls_pair_open(&two);
    struct task *writers[] = {task_start("writer", write_much, one.client),
                              task_start("writer", write_much, two.server)};
    assert_int_equal(read_much(one.server), 0);
    assert_int_equal(read_much(two.client), 0);
    assert_int_equal(task_join(writers[0]) + task_join(writers[1]), 0);
    assert_int_equal(one.server->input.capacity + one.server->arrived.capacity, 0);
    pair_close(&one);
    pair_close(&two);
    return 0;
}

static void large_messages_arrive_whole_through_tls(void **state)
{
    (void)state;
    test_run(transfer_twice, NULL);
}

static int do_not_read(void *arg)
{
    (void)arg;
    struct pair pair;
    tls_pair_open(&pair);
    struct task *writer = task_start("writer", write_much, pair.client);
    int filled;
    while ((filled = net_stream_fill(pair.server, task_in_ms(5000))) > 0)
        assert_true(filled <= (int)STREAM_UNREAD_MAX);
    assert_int_equal(filled, -ENOBUFS);
    task_sleep(5);
    assert_true(pair.server->arrived.length <= STREAM_UNREAD_MAX);
    task_cancel(writer);
    assert_int_equal(task_join(writer), -ECANCELED);
    pair_close(&pair);
    return 0;
}

static void reading_pauses_while_much_is_unread_through_tls(void **state)
{
    (void)state;
    test_run(do_not_read, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(what_is_written_arrives_through_tls),
        loop_test(the_asked_name_picks_the_certificate),
        loop_test(a_verified_peer_has_the_name_and_a_trusted_root),
        loop_test(a_self_signed_certificate_bears_its_name),
        loop_test(a_certificate_that_cannot_serve_is_a_clear_error),
        loop_test(an_encrypted_key_is_refused_without_asking),
        loop_test(plaintext_before_the_handshake_is_dropped),
        loop_test(implicit_tls_may_begin_behind_a_header),
        loop_test(garbage_is_no_handshake),
        loop_test(a_handshake_with_nobody_ends),
        loop_test(a_forged_record_ends_the_session),
        loop_test(input_ends_with_zero_with_or_without_close_notify),
        loop_test(tls_1_2_is_served_and_older_is_not),
        loop_test(large_messages_arrive_whole_through_tls),
        loop_test(reading_pauses_while_much_is_unread_through_tls),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
