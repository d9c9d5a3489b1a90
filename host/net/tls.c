/* TLS contexts: one SSL_CTX per certificate, and a table from the names in the certificates to them.
 * Sessions are resumed by tickets alone, so that the server keeps nothing per client. */
#include "tls.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "internal.h"

#include "base/mem.h"
#include "base/table.h"

struct tls_server {
    size_t holders;
    size_t count;
    SSL_CTX **contexts;  /* the first is for everybody else */
    struct table *names; /* lower case, "*.example.com" too -> SSL_CTX */
};

struct tls_client {
    SSL_CTX *context;
};

const char *tls_reason(void)
{
    unsigned long first = ERR_get_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(first))
        return strerror(ERR_GET_REASON(first));
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    return reason ? reason : "unknown error";
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    invariant(context != NULL, "tls: OpenSSL gives no context");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

/* --- names and SNI --- */

static void add_name(struct tls_server *server, struct str name, SSL_CTX *context)
{
    char lower[256];
    if (name.length == 0 || name.length >= sizeof lower)
        return;
    for (size_t i = 0; i < name.length; i++)
        lower[i] = ascii_lower(name.at[i]);
    name.at = lower;
    if (!table_get(server->names, name))
        table_set(server->names, name, context);
}

static struct str string_of(const ASN1_STRING *string)
{
    return (struct str){(const char *)ASN1_STRING_get0_data(string),
                        (size_t)ASN1_STRING_length(string)};
}

/* The names a client may ask for: those of the extension, else the common name (RFC 6125). */
static void add_names(struct tls_server *server, SSL_CTX *context)
{
    X509 *certificate = SSL_CTX_get0_certificate(context);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool has_names = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        add_name(server, string_of(name->d.dNSName), context);
        has_names = true;
    }
    GENERAL_NAMES_free(names);
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (!has_names && at >= 0)
        add_name(server,
                 string_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))),
                 context);
}

static SSL_CTX *find_context(const struct tls_server *server, struct str name)
{
    char lower[256] = "*";
    if (name.length >= sizeof lower - 1)
        return NULL;
    for (size_t i = 0; i < name.length; i++)
        lower[1 + i] = ascii_lower(name.at[i]);
    SSL_CTX *exact = table_get(server->names, (struct str){lower + 1, name.length});
    ptrdiff_t dot = str_index(name, '.');
    if (exact || dot <= 0)
        return exact;
    lower[dot] = '*';
    return table_get(server->names,
                     (struct str){lower + dot, name.length - (size_t)dot + 1});
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *context = name ? find_context(arg, str_of(name)) : NULL;
    if (!context)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_set_SSL_CTX(ssl, context))
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* --- certificates --- */

/* Never asks the terminal for a pass phrase. */
static int no_passphrase(char *text, int size, int is_writing, void *arg)
{
    (void)is_writing;
    (void)arg;
    if (size > 0)
        text[0] = '\0';
    return -1;
}

/* A key of the certificate's kind but not its own, or of another kind. */
static bool is_mismatch(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_X509 ||
           (ERR_GET_LIB(error) == ERR_LIB_SSL &&
            ERR_GET_REASON(error) == SSL_R_NO_CERTIFICATE_ASSIGNED);
}

static int load(SSL_CTX *context, const struct tls_certificate *certificate,
                struct err *err)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate->chain_file) != 1)
        return err_set(err, -EINVAL, "%s: no usable certificate: %s",
                       certificate->chain_file, tls_reason());
    if (SSL_CTX_use_PrivateKey_file(context, certificate->key_file, SSL_FILETYPE_PEM) ==
            1 &&
        SSL_CTX_check_private_key(context) == 1)
        return 0;
    if (is_mismatch(ERR_peek_error())) {
        ERR_clear_error();
        return err_set(err, -EINVAL, "%s: the key does not belong to the certificate in %s",
                       certificate->key_file, certificate->chain_file);
    }
    return err_set(err, -EINVAL, "%s: no usable private key: %s", certificate->key_file,
                   tls_reason());
}

/* --- servers --- */

static struct tls_server *server_new(size_t count)
{
    struct tls_server *server = mem_zero(1, sizeof *server);
    server->holders = 1;
    server->contexts = mem_zero(count, sizeof *server->contexts);
    server->names = table_new();
    return server;
}

/* A context more, which is filled by the caller. */
static SSL_CTX *add_context(struct tls_server *server)
{
    SSL_CTX *context = context_new(TLS_server_method());
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, server);
    server->contexts[server->count++] = context;
    return context;
}

struct tls_server *tls_server_new(const struct tls_certificate certificates[], size_t count,
                                  struct err *err)
{
    if (count == 0) {
        err_set(err, -EINVAL, "TLS needs a certificate");
        return NULL;
    }
    struct tls_server *server = server_new(count);
    for (size_t i = 0; i < count; i++) {
        SSL_CTX *context = add_context(server);
        if (load(context, &certificates[i], err) < 0) {
            tls_server_release(server);
            return NULL;
        }
        add_names(server, context);
    }
    return server;
}

struct tls_server *tls_server_new_self_signed(const char *host_name, struct err *err)
{
    struct tls_server *server = server_new(1);
    SSL_CTX *context = add_context(server);
    int result = tls_self_sign(context, host_name);
    if (result == 0)
        return server;
    err_set(err, result, "no self-signed certificate for %s: %s", host_name, tls_reason());
    tls_server_release(server);
    return NULL;
}

struct tls_server *tls_server_keep(struct tls_server *server)
{
    server->holders++;
    return server;
}

void tls_server_release(struct tls_server *server)
{
    if (!server || --server->holders > 0)
        return;
    for (size_t i = 0; i < server->count; i++)
        SSL_CTX_free(server->contexts[i]);
    free(server->contexts);
    table_free(server->names);
    free(server);
}

SSL *tls_server_connection(const struct tls_server *server)
{
    return SSL_new(server->contexts[0]);
}

/* --- clients --- */

struct tls_client *tls_client_new(const char *ca_file, struct err *err)
{
    struct tls_client *client = mem_zero(1, sizeof *client);
    client->context = context_new(TLS_client_method());
    ERR_clear_error();
    int loaded = ca_file ? SSL_CTX_load_verify_file(client->context, ca_file)
                         : SSL_CTX_set_default_verify_paths(client->context);
    if (loaded == 1)
        return client;
    err_set(err, -EINVAL, "%s: no usable root certificates: %s",
            ca_file ? ca_file : "the system's store", tls_reason());
    tls_client_free(client);
    return NULL;
}

void tls_client_free(struct tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    free(client);
}

static bool set_peer_name(SSL *ssl, enum tls_trust trust, const char *name)
{
    struct net_address address = {0};
    bool is_ip = net_address_parse(str_of(name), 0, &address) == 0;
    if (!is_ip && SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (trust == TLS_ANY_PEER)
        return true;
    struct str ip = net_address_bytes(&address);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return is_ip ? X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl),
                                             (const unsigned char *)ip.at, ip.length) == 1
                 : SSL_set1_host(ssl, name) == 1;
}

SSL *tls_client_connection(const struct tls_client *client, enum tls_trust trust,
                           const char *name)
{
    SSL *ssl = SSL_new(client->context);
    if (!ssl)
        return NULL;
    SSL_set_verify(ssl, trust == TLS_VERIFY_PEER ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    /* A weak key is better than none, where the alternative is the clear. */
    if (trust == TLS_ANY_PEER)
        SSL_set_security_level(ssl, 1);
    if (set_peer_name(ssl, trust, name))
        return ssl;
    SSL_free(ssl);
    return NULL;
}
