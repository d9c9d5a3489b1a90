/* Certificates for the tests of TLS, made on the spot and written as PEM files. */
#pragma once

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "test.h"

struct certificate_files {
    char chain[96], key[96];
};

/* `kind` is "P-256" or "RSA"; `names` is an extension as in openssl.cnf ("DNS:a.test,IP:127.0.0.1"), or
 * NULL for a certificate that has only its common name. */
static inline struct certificate_files certificate_make(const char *directory,
                                                        const char *common_name,
                                                        const char *names, const char *kind)
{
    struct certificate_files files;
    snprintf(files.chain, sizeof files.chain, "%s/%s.pem", directory, common_name);
    snprintf(files.key, sizeof files.key, "%s/%s.key", directory, common_name);
    EVP_PKEY *key =
        strcmp(kind, "RSA") == 0 ? EVP_RSA_gen((size_t)2048) : EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *extension =
        names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names) : NULL;
    if (extension)
        X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(files.chain, "w");
    assert_true(PEM_write_X509(file, certificate));
    fclose(file);
    file = fopen(files.key, "w");
    assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return files;
}
