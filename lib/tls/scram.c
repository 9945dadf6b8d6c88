/* SPDX-License-Identifier: ISC */
#include "tls/scram.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"
#include "tls/digest.h"

enum { SALT = 16, SALT_MAX = 255, ITERATIONS_MAX = 1000000 };

void scram_derive(struct view password, struct view salt, uint32_t iterations, struct scram_keys *out)
{
	uint8_t salted[SHA256_OCTETS], client[SHA256_OCTETS];
	INVARIANT(password.n <= INT_MAX && salt.n <= INT_MAX && iterations >= 1 && iterations <= INT_MAX);
	INVARIANT(PKCS5_PBKDF2_HMAC(password.n ? password.p : "", (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
	                            (int)iterations, EVP_sha256(), sizeof salted, salted) == 1);
	struct view key = view_make(salted, sizeof salted);
	hmac_sha256(key, VIEW("Client Key"), client);
	sha256(view_make(client, sizeof client), out->stored);
	hmac_sha256(key, VIEW("Server Key"), out->server);
	mem_wipe(salted, sizeof salted);
	mem_wipe(client, sizeof client);
}

void scram_put(struct buf *out, struct view password)
{
	uint8_t salt[SALT];
	struct scram_keys k;
	random_bytes(salt, sizeof salt);
	scram_derive(password, view_make(salt, sizeof salt), SCRAM_ITERATIONS, &k);
	buf_adds(out, "SCRAM-SHA-256$");
	buf_addu(out, SCRAM_ITERATIONS);
	buf_addc(out, ':');
	base64_put(out, view_make(salt, sizeof salt));
	buf_addc(out, '$');
	base64_put(out, view_make(k.stored, sizeof k.stored));
	buf_addc(out, ':');
	base64_put(out, view_make(k.server, sizeof k.server));
	mem_wipe(&k, sizeof k);
}

struct stored {
	uint32_t iterations;
	struct buf salt, key;
};

static bool stored_read(struct view v, struct stored *s)
{
	struct view scheme, first, iterations, stored;
	return view_cut(&v, '$', &scheme) && view_eq(scheme, VIEW("SCRAM-SHA-256")) && view_cut(&v, '$', &first) &&
	       view_cut(&first, ':', &iterations) && num_u32(iterations, ITERATIONS_MAX, &s->iterations) && s->iterations > 0 &&
	       base64_get(&s->salt, first) && buf_len(&s->salt) > 0 && view_cut(&v, ':', &stored) && base64_get(&s->key, stored);
}

bool scram_check(struct view stored, struct view password)
{
	struct stored s = { 0 };
	struct scram_keys k;
	buf_init(&s.salt, SALT_MAX);
	buf_init(&s.key, SHA256_OCTETS);
	bool ok = password.n <= INT_MAX && stored_read(stored, &s);
	if (ok) {
		scram_derive(password, buf_view(&s.salt), s.iterations, &k);
		ok = secret_eq(view_make(k.stored, sizeof k.stored), buf_view(&s.key));
		mem_wipe(&k, sizeof k);
	}
	buf_fini(&s.salt);
	buf_fini(&s.key);
	return ok;
}
