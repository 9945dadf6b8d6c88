/* SPDX-License-Identifier: ISC */
#include "tls/seal.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "tls/digest.h"

void seal_key_random(struct seal_key *key)
{
	random_bytes(key->octets, sizeof key->octets);
}

/* The label with its NUL stands first, so that no label and body pass for another pair. */
static void tag(const struct seal_key *key, const char *label, struct view body, uint8_t out[SEAL_TAG])
{
	struct view l = view_of(label);
	const struct view texts[] = { { l.p, l.n + 1 }, body };
	hmac_sha256_parts(view_make(key->octets, sizeof key->octets), texts, 2, out);
}

void seal_make(const struct seal_key *key, const char *label, struct view body, struct buf *out)
{
	uint8_t t[SEAL_TAG];
	INVARIANT(label[0] != '\0');
	tag(key, label, body, t);
	buf_addv(out, body);
	buf_add(out, t, sizeof t);
}

bool seal_open(const struct seal_key *key, const char *label, struct view sealed, struct view *body)
{
	uint8_t t[SEAL_TAG];
	if (sealed.n < SEAL_TAG)
		return false;
	struct view inside = view_head(sealed, sealed.n - SEAL_TAG);
	tag(key, label, inside, t);
	if (!secret_eq(view_make(t, sizeof t), view_skip(sealed, inside.n)))
		return false;
	*body = inside;
	return true;
}
