/* SPDX-License-Identifier: ISC */
#include "credentials.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static EVP_PKEY *key_make(const char *kind)
{
	if (strcmp(kind, "rsa") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "p256") == 0)
		return EVP_EC_gen("P-256");
	if (strcmp(kind, "p384") == 0)
		return EVP_EC_gen("P-384");
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void name_it(X509 *x, const char *name)
{
	char alt[300];
	X509_NAME *n = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, n);
	(void)snprintf(alt, sizeof alt, "DNS:%s", name);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static X509 *certificate(EVP_PKEY *k, const char *name)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, k);
	name_it(x, name);
	INVARIANT(X509_sign(x, k, EVP_PKEY_is_a(k, "ED25519") ? NULL : EVP_sha256()) > 0);
	return x;
}

void credentials_put(struct buf *out, const char *kind, const char *name)
{
	char *p;
	EVP_PKEY *k = key_make(kind);
	INVARIANT(k != NULL);
	X509 *x = certificate(k, name);
	BIO *b = BIO_new(BIO_s_mem());
	INVARIANT(PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_bio_X509(b, x) == 1);
	long n = BIO_get_mem_data(b, &p);
	buf_add(out, p, (size_t)n);
	BIO_free(b);
	X509_free(x);
	EVP_PKEY_free(k);
}

struct sign_key *credentials_key(const char *kind, const char *name)
{
	struct sign_key *k = NULL;
	const char *why = NULL;
	struct buf pem;
	buf_init(&pem, 65536);
	credentials_put(&pem, kind, name);
	INVARIANT(sign_key_read(buf_view(&pem), &k, &why) == ERR_OK);
	buf_fini(&pem);
	return k;
}
