/* SPDX-License-Identifier: ISC */
#include "auth/verify.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"
#include "tls/digest.h"
#include "tls/scram.h"

#define CACHE_MAX 20000
#define PASSWORD_MAX 511

struct verifier {
	uint8_t key[32];    /* of the cache's digests; this process' own */
	uint8_t secret[32]; /* of nobody's salts */
	struct map *known;  /* digest to when it ends */
	char nobody[CRYPT_OUTPUT_SIZE];
};

struct verifier *verifier_new(void)
{
	struct crypt_data *data = mem_new(sizeof(*data));
	struct verifier *v = mem_new(sizeof(*v));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], password[17] = "";
	const char *h = NULL;

	random_bytes(v->key, sizeof(v->key));
	random_bytes(v->secret, sizeof(v->secret));
	for (size_t i = 0; i < 16; i++)
		password[i] = (char)('a' + random_u64() % 26);
	v->known = map_new();
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof(setting)))
		h = crypt_rn(password, setting, data, (int)sizeof(*data));
	INVARIANT(h && h[0] != '*' && strlen(h) < sizeof(v->nobody));
	memcpy(v->nobody, h, strlen(h) + 1);
	free(data);
	return v;
}

static void cache_empty(struct verifier *v)
{
	struct view key;
	void *value;
	size_t it = 0;

	while (map_next(v->known, &it, &key, &value))
		free(value);
	map_free(v->known);
	v->known = map_new();
}

void verifier_free(struct verifier *v)
{
	if (!v)
		return;
	cache_empty(v);
	map_free(v->known);
	mem_wipe(v, sizeof(*v));
	free(v);
}

void verifier_set_secret(struct verifier *v, struct view secret) { hmac_sha256(secret, VIEW("salts of nobody"), v->secret); }

/* ---- what may be computed ---- */

/* "$y$" and "$gy$": the first parameter's second letter is log2 of the cost (crypt(5)); "j9T" is the default. */
static bool yescrypt_bearable(struct view params)
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *cost, *width;

	if (params.n < 4 || params.p[0] != 'j' || params.p[3] != '$')
		return false;
	cost = strchr(digits, params.p[1]);
	width = strchr(digits, params.p[2]);
	/* At most N = 2^15 and r = 32: 128 MiB. */
	return cost && width && cost - digits <= 14 && width - digits <= 31;
}

static bool rounds_bearable(struct view rest)
{
	struct view number;
	uint32_t rounds;

	if (!view_starts(rest, VIEW("rounds=")))
		return true;
	rest = view_skip(rest, 7);
	return view_cut(&rest, '$', &number) && num_u32(number, 500000, &rounds);
}

/* "$2b$10$": log2 of the rounds. */
static bool bcrypt_bearable(struct view rest)
{
	uint32_t cost;

	return rest.n > 3 && rest.p[2] == '$' && num_u32(view_head(rest, 2), 14, &cost);
}

bool verify_hash_bearable(struct view h)
{
	static const struct {
		struct view prefix;
		bool (*bearable)(struct view rest);
	} kinds[] = {
		{ VIEW("$y$"), yescrypt_bearable },
		{ VIEW("$gy$"), yescrypt_bearable },
		{ VIEW("$6$"), rounds_bearable },
		{ VIEW("$5$"), rounds_bearable },
		{ VIEW("$2a$"), bcrypt_bearable },
		{ VIEW("$2b$"), bcrypt_bearable },
		{ VIEW("$2y$"), bcrypt_bearable },
	};

	if (h.n >= CRYPT_OUTPUT_SIZE || view_find(h, '\0') != SIZE_MAX)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (view_starts(h, kinds[i].prefix))
			return kinds[i].bearable(view_skip(h, kinds[i].prefix.n));
	return false;
}

bool verify_password(const struct verifier *v, struct view hash, struct view password)
{
	bool real = verify_hash_bearable(hash);
	bool fits = password.n <= PASSWORD_MAX && view_find(password, '\0') == SIZE_MAX;
	struct crypt_data *data = mem_new(sizeof(*data));
	char *setting = real ? mem_str(hash) : mem_str(view_of(v->nobody));
	char *text = fits ? mem_str(password) : mem_str(VIEW("too long"));
	const char *h = crypt_rn(text, setting, data, (int)sizeof(*data));
	bool right = h && h[0] != '*' && secret_eq(view_of(h), view_of(setting)) && real && fits;

	mem_wipe(text, strlen(text));
	mem_wipe(data, sizeof(*data));
	free(text);
	free(setting);
	free(data);
	return right;
}

/* ---- the cache ---- */

/* Lengths stand before the parts, so that no two triples give the same text. */
static void part_add(struct buf *b, struct view v)
{
	buf_put32(b, (uint32_t)v.n);
	buf_addv(b, v);
}

static void cache_key(const struct verifier *v, struct view account, struct view hash, struct view password, uint8_t out[SHA256_OCTETS])
{
	struct buf b;

	buf_init(&b, 32768);
	part_add(&b, account);
	part_add(&b, hash);
	part_add(&b, password);
	INVARIANT(buf_ok(&b));
	hmac_sha256(view_make(v->key, sizeof(v->key)), buf_view(&b), out);
	mem_wipe(b.mem, b.cap);
	buf_fini(&b);
}

bool verify_cached(struct verifier *v, struct view account, struct view hash, struct view password, uint64_t now)
{
	uint8_t key[SHA256_OCTETS];
	const uint64_t *end;

	if (map_count(v->known) == 0)
		return false;
	cache_key(v, account, hash, password, key);
	end = map_get(v->known, view_make(key, sizeof(key)));
	if (end && *end <= now) {
		free(map_del(v->known, view_make(key, sizeof(key))));
		return false;
	}
	return end != NULL;
}

void verify_remember(struct verifier *v, struct view account, struct view hash, struct view password, uint64_t now, uint64_t ttl)
{
	uint8_t key[SHA256_OCTETS];
	uint64_t *end;

	if (ttl == 0)
		return;
	/* Full: whoever comes next pays once. */
	if (map_count(v->known) >= CACHE_MAX)
		cache_empty(v);
	cache_key(v, account, hash, password, key);
	end = mem_new(sizeof(*end));
	*end = now + ttl;
	free(map_set(v->known, view_make(key, sizeof(key)), end));
}

/* ---- nobody ---- */

static void nobody_octets(const struct verifier *v, char what, struct view name, uint8_t out[SHA256_OCTETS])
{
	struct buf b;

	buf_init(&b, 32768);
	buf_addc(&b, what);
	buf_addv(&b, name);
	hmac_sha256(view_make(v->secret, sizeof(v->secret)), buf_view(&b), out);
	buf_fini(&b);
}

void verify_scram_of_nobody(const struct verifier *v, struct view name, struct buf *out)
{
	uint8_t octets[SHA256_OCTETS];

	buf_printf(out, "SCRAM-SHA-256$%d:", SCRAM_ITERATIONS);
	nobody_octets(v, 's', name, octets);
	base64_put(out, view_make(octets, 16));
	buf_addc(out, '$');
	nobody_octets(v, 'k', name, octets);
	base64_put(out, view_make(octets, sizeof(octets)));
	buf_addc(out, ':');
	nobody_octets(v, 'e', name, octets);
	base64_put(out, view_make(octets, sizeof(octets)));
}
