/* SPDX-License-Identifier: ISC */
#include "tls/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK = 64 };

/* Constant once it is set: fetching an algorithm costs more than hashing a small text with it (OpenSSL 3). */
static const EVP_MD *fetched;
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
	INVARIANT(fetched != NULL);
}

static const EVP_MD *algorithm(void)
{
	INVARIANT(pthread_once(&fetched_once, fetch) == 0);
	return fetched;
}

static void start(EVP_MD_CTX *c)
{
	INVARIANT(EVP_DigestInit_ex2(c, algorithm(), NULL) == 1);
}

static void add(EVP_MD_CTX *c, const void *p, size_t n)
{
	if (n > 0)
		INVARIANT(EVP_DigestUpdate(c, p, n) == 1);
}

static void end(EVP_MD_CTX *c, uint8_t out[SHA256_OCTETS])
{
	INVARIANT(EVP_DigestFinal_ex(c, out, NULL) == 1);
}

static EVP_MD_CTX *context(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	INVARIANT(c != NULL);
	return c;
}

void sha256(struct view v, uint8_t out[SHA256_OCTETS])
{
	EVP_MD_CTX *c = context();
	start(c);
	add(c, v.p, v.n);
	end(c, out);
	EVP_MD_CTX_free(c);
}

/* The key as one block: hashed when it is longer, padded with zeros (RFC 2104 2). */
static void key_block(EVP_MD_CTX *c, struct view key, uint8_t block[BLOCK])
{
	memset(block, 0, BLOCK);
	if (key.n > BLOCK) {
		start(c);
		add(c, key.p, key.n);
		end(c, block);
	} else if (key.n > 0) {
		memcpy(block, key.p, key.n);
	}
}

static void add_pad(EVP_MD_CTX *c, const uint8_t block[BLOCK], uint8_t with)
{
	uint8_t pad[BLOCK];
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] = (uint8_t)(block[i] ^ with);
	add(c, pad, BLOCK);
	mem_wipe(pad, sizeof pad);
}

void hmac_sha256_parts(struct view key, const struct view *texts, size_t n, uint8_t out[SHA256_OCTETS])
{
	EVP_MD_CTX *c = context();
	uint8_t block[BLOCK];
	key_block(c, key, block);
	start(c);
	add_pad(c, block, 0x36);
	for (size_t i = 0; i < n; i++)
		add(c, texts[i].p, texts[i].n);
	end(c, out);
	start(c);
	add_pad(c, block, 0x5c);
	add(c, out, SHA256_OCTETS);
	end(c, out);
	mem_wipe(block, sizeof block);
	EVP_MD_CTX_free(c);
}

void hmac_sha256(struct view key, struct view text, uint8_t out[SHA256_OCTETS])
{
	hmac_sha256_parts(key, &text, 1, out);
}

struct digest {
	EVP_MD_CTX *c;
};

struct digest *digest_new(void)
{
	struct digest *d = mem_new(sizeof *d);
	d->c = context();
	start(d->c);
	return d;
}

void digest_add(struct digest *d, struct view v)
{
	add(d->c, v.p, v.n);
}

void digest_end(struct digest *d, uint8_t out[SHA256_OCTETS])
{
	end(d->c, out);
	start(d->c);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->c);
	free(d);
}

bool secret_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
