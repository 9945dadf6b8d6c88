/* SPDX-License-Identifier: ISC */
#include "tls/sign_key.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tls/context.h"

enum { CHAIN_LENGTH_MAX = 10, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

/* A key under a pass phrase is not for a server that starts by itself: never ask. */
static int no_pass(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

static BIO *reader(struct view pem)
{
	BIO *b = BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.n);
	INVARIANT(b != NULL);
	return b;
}

static const char *key_kind(EVP_PKEY *p)
{
	char curve[64];
	int bits = EVP_PKEY_get_bits(p);
	if (EVP_PKEY_is_a(p, "RSA"))
		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? "rsa" : NULL;
	if (EVP_PKEY_is_a(p, "ED25519"))
		return "ed25519";
	if (!EVP_PKEY_is_a(p, "EC") || EVP_PKEY_get_group_name(p, curve, sizeof curve, NULL) != 1)
		return NULL;
	return strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0 ? "ecdsa" : NULL;
}

static const char *read_private(struct sign_key *k, struct view pem)
{
	BIO *b = reader(pem);
	k->pkey = PEM_read_bio_PrivateKey(b, NULL, no_pass, NULL);
	BIO_free(b);
	if (!k->pkey)
		return "there is no private key in it that can be read (keys under a pass phrase cannot)";
	k->kind = key_kind(k->pkey);
	return k->kind ? NULL : "the key must be RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519";
}

static int64_t expiry(const X509 *leaf)
{
	struct tm t;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &t) != 1)
		return 0;
	return (int64_t)timegm(&t);
}

static const char *check_leaf(struct sign_key *k, X509 *leaf)
{
	EVP_PKEY *pub = X509_get0_pubkey(leaf);
	if (!pub || EVP_PKEY_eq(pub, k->pkey) != 1)
		return "the first certificate is not that of the key";
	k->expires = expiry(leaf);
	return NULL;
}

static bool put_pem(struct buf *out, X509 *x)
{
	char *p;
	BIO *b = BIO_new(BIO_s_mem());
	INVARIANT(b != NULL);
	bool ok = PEM_write_bio_X509(b, x) == 1;
	long n = BIO_get_mem_data(b, &p);
	if (ok)
		buf_add(out, p, (size_t)n);
	BIO_free(b);
	return ok && buf_ok(out);
}

static const char *add_certificate(struct sign_key *k, X509 *x, size_t i)
{
	const char *why = i == 0 ? check_leaf(k, x) : NULL;
	if (!why && (i == CHAIN_LENGTH_MAX || !put_pem(&k->chain, x)))
		why = "the chain is too long";
	return why;
}

static const char *read_chain(struct sign_key *k, struct view pem)
{
	const char *why = NULL;
	size_t i = 0;
	BIO *b = reader(pem);
	for (X509 *x; !why && (x = PEM_read_bio_X509(b, NULL, no_pass, NULL)); i++) {
		why = add_certificate(k, x, i);
		X509_free(x);
	}
	BIO_free(b);
	if (!why && i == 0)
		why = "there is no certificate in it";
	return why;
}

int sign_key_read(struct view pem, struct sign_key **out, const char **why)
{
	struct sign_key *k = mem_new(sizeof *k);
	buf_init(&k->chain, TLS_CHAIN_MAX);
	*why = pem.n > INT_MAX ? "it is too big" : read_private(k, pem);
	if (!*why)
		*why = read_chain(k, pem);
	ERR_clear_error();
	if (*why) {
		sign_key_free(k);
		return ERR_INVALID;
	}
	*out = k;
	return ERR_OK;
}

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	buf_fini(&k->chain);
	free(k);
}

struct view sign_key_chain(const struct sign_key *k)
{
	return buf_view(&k->chain);
}

const char *sign_key_kind(const struct sign_key *k)
{
	return k->kind;
}

int64_t sign_key_expires(const struct sign_key *k)
{
	return k->expires;
}
