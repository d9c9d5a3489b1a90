/* A self-signed certificate, made in memory: ECDSA on P-256, ten years. */
#include <errno.h>

#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "internal.h"

#define DAY_S ((long)24 * 60 * 60)

/* The subject's alternative name: a DNS name, or the IP address that `host_name` is. */
static int add_alternative_name(X509 *certificate, const char *host_name)
{
    struct net_address address;
    bool is_ip = net_address_parse(str_of(host_name), 0, &address) == 0;
    struct str bytes = is_ip ? net_address_bytes(&address) : str_of(host_name);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *string =
        ASN1_STRING_type_new(is_ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    int done =
        names && name && string && ASN1_STRING_set(string, bytes.at, (int)bytes.length);
    if (done) {
        GENERAL_NAME_set0_value(name, is_ip ? GEN_IPADD : GEN_DNS, string);
        string = NULL;
        done = sk_GENERAL_NAME_push(names, name) > 0;
        name = done ? NULL : name;
    }
    done = done && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
    ASN1_STRING_free(string);
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return done;
}

static int fill_in(X509 *certificate, EVP_PKEY *key, const char *host_name)
{
    unsigned char serial[8];
    uint64_t number = 0;
    if (RAND_bytes(serial, sizeof serial) != 1)
        return 0;
    for (size_t i = 0; i < sizeof serial; i++)
        number = number << 8 | serial[i];
    X509_NAME *subject = X509_get_subject_name(certificate);
    /* A common name has at most 64 bytes; the alternative name is what counts. */
    const char *common_name = strlen(host_name) <= 64 ? host_name : "postern";
    return X509_set_version(certificate, X509_VERSION_3) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 3650 * DAY_S) &&
           X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0) &&
           X509_set_issuer_name(certificate, subject) &&
           X509_set_pubkey(certificate, key) &&
           add_alternative_name(certificate, host_name) &&
           X509_sign(certificate, key, EVP_sha256());
}

int tls_self_sign(SSL_CTX *context, const char *host_name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    int done = key && certificate && fill_in(certificate, key, host_name) &&
               SSL_CTX_use_certificate(context, certificate) == 1 &&
               SSL_CTX_use_PrivateKey(context, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return done ? 0 : -EINVAL;
}
