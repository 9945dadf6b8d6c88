/* SPDX-License-Identifier: ISC */
#include "tls/sign.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/mem.h"
#include "tls/context.h"
#include "tls/scheme.h"
#include "tls/sign_key.h"

enum { RANDOMS = 64, NAMED_CURVE = 3 };

/* RFC 8422 5.4, RFC 8446 4.2.7: the named groups, and the octets of a public value in each. */
static size_t point_octets(unsigned group)
{
	switch (group) {
	case 23: return 65;  /* secp256r1, uncompressed */
	case 24: return 97;  /* secp384r1 */
	case 25: return 133; /* secp521r1 */
	case 29: return 32;  /* x25519 */
	case 30: return 56;  /* x448 */
	default: return 0;
	}
}

/* client_random, server_random, then ServerECDHParams and nothing more. */
static bool is_key_exchange(struct view text)
{
	struct view p = view_skip(text, RANDOMS);
	if (text.n < RANDOMS + 4 || p.p[0] != NAMED_CURVE)
		return false;
	unsigned group = (unsigned)(uint8_t)p.p[1] << 8 | (uint8_t)p.p[2];
	size_t n = point_octets(group);
	if (n == 0 || (uint8_t)p.p[3] != n || p.n != 4 + n)
		return false;
	return n <= 56 || p.p[4] == 4;
}

/* 64 blanks, the context string, a zero, and the hash of the transcript by the cipher suite's hash (RFC 8446 4.4.3). */
static bool is_certificate_verify(struct view text)
{
	static const char context[] = "TLS 1.3, server CertificateVerify"; /* with its NUL */
	if (text.n < RANDOMS + sizeof context)
		return false;
	for (size_t i = 0; i < RANDOMS; i++)
		if (text.p[i] != ' ')
			return false;
	size_t hash = text.n - RANDOMS - sizeof context;
	return memcmp(text.p + RANDOMS, context, sizeof context) == 0 && (hash == 32 || hash == 48);
}

enum sign_text sign_text_kind(struct view text)
{
	if (is_certificate_verify(text))
		return SIGN_TEXT_TLS13;
	return is_key_exchange(text) ? SIGN_TEXT_TLS12 : SIGN_TEXT_NONE;
}

bool sign_scheme_legal(uint16_t scheme, enum sign_text kind)
{
	const struct scheme *s = scheme_by_number(scheme);
	return s && (kind == SIGN_TEXT_TLS12 || (kind == SIGN_TEXT_TLS13 && s->tls13));
}

static bool key_fits(const struct sign_key *k, const struct scheme *s, enum sign_text kind)
{
	char curve[64];
	if (!EVP_PKEY_is_a(k->pkey, s->key))
		return false;
	if (kind != SIGN_TEXT_TLS13 || !s->curve)
		return true;
	return EVP_PKEY_get_group_name(k->pkey, curve, sizeof curve, NULL) == 1 && strcmp(curve, s->curve) == 0;
}

static bool prepare(EVP_MD_CTX *c, const struct sign_key *k, const struct scheme *s)
{
	EVP_PKEY_CTX *p = NULL;
	if (EVP_DigestSignInit_ex(c, &p, s->digest, NULL, NULL, k->pkey, NULL) != 1)
		return false;
	return !s->pss || (EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
	                   EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool make(const struct sign_key *k, const struct scheme *s, struct view text, struct buf *out)
{
	uint8_t sig[TLS_SIGNATURE_MAX];
	size_t n = sizeof sig;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	INVARIANT(c != NULL);
	bool ok = prepare(c, k, s) && EVP_DigestSign(c, sig, &n, (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(c);
	if (ok)
		buf_add(out, sig, n);
	return ok;
}

int sign_tls(const struct sign_key *k, uint16_t scheme, struct view text, struct buf *out)
{
	enum sign_text kind = sign_text_kind(text);
	const struct scheme *s = scheme_by_number(scheme);
	if (!sign_scheme_legal(scheme, kind) || !key_fits(k, s, kind))
		return ERR_DENIED;
	return make(k, s, text, out) ? ERR_OK : ERR_INVALID;
}
