/* SPDX-License-Identifier: ISC */
/* What a captured door may ask of keyd: two octets of scheme, then a text; and the same octets as a host name and as a key file. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "tls/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sign_key *make_key(void)
{
	struct sign_key *k = NULL;
	const char *why = NULL;
	char *p;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *b = BIO_new(BIO_s_mem());
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	INVARIANT(X509_sign(x, key, EVP_sha256()) > 0);
	INVARIANT(PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_bio_X509(b, x) == 1);
	long n = BIO_get_mem_data(b, &p);
	INVARIANT(sign_key_read(view_make(p, (size_t)n), &k, &why) == ERR_OK);
	BIO_free(b);
	X509_free(x);
	EVP_PKEY_free(key);
	return k;
}

/* Said again in other words than those of sign.c. */
static bool may_be_signed(struct view t)
{
	static const char v13[] = "                                                                TLS 1.3, server CertificateVerify";
	if ((t.n == 130 || t.n == 146) && memcmp(t.p, v13, sizeof v13) == 0)
		return true;
	if (t.n < 69 || t.p[64] != 3 || t.p[65] != 0 || (uint8_t)t.p[67] != t.n - 68)
		return false;
	return (t.p[66] == 29 && t.n == 100) || (t.p[66] == 30 && t.n == 124) || (t.p[66] == 23 && t.n == 133) || (t.p[66] == 24 && t.n == 165) ||
	       (t.p[66] == 25 && t.n == 201);
}

static void ask(struct sign_key *k, uint16_t scheme, struct view text)
{
	struct buf out;
	buf_init(&out, 1024);
	int err = sign_tls(k, scheme, text, &out);
	INVARIANT(err == ERR_OK || err == ERR_DENIED);
	INVARIANT(err != ERR_OK || may_be_signed(text));
	INVARIANT((err == ERR_OK) == (buf_len(&out) > 0));
	buf_fini(&out);
}

static void read_as_file(struct view pem)
{
	struct sign_key *k = NULL;
	const char *why = NULL;
	if (sign_key_read(pem, &k, &why) == ERR_OK)
		INVARIANT(sign_key_chain(k).n > 0);
	else
		INVARIANT(why != NULL);
	sign_key_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sign_key *k; /* one for the whole run: making it is slow */
	struct view all = view_make(data, size);
	if (!k)
		k = make_key();
	if (size >= 2)
		ask(k, (uint16_t)(data[0] << 8 | data[1]), view_skip(all, 2));
	ask(k, 0x0403, view_skip(all, 2));
	if (sign_name_legal(all))
		INVARIANT(view_find(all, '/') == SIZE_MAX && view_find(all, '\0') == SIZE_MAX && view_search(all, VIEW("..")) == SIZE_MAX);
	if (view_search(all, VIEW("-----BEGIN ")) != SIZE_MAX && size % 8 == 0) /* slow: some of them */
		read_as_file(all);
	return 0;
}
