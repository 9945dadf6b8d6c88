/* SPDX-License-Identifier: ISC */
/*
 * The key directory, read on demand. A file NAME.KIND.pem holds one private key and its chain; NAME is a host name or "default", KIND is rsa,
 * ecdsa or ed25519. A key is known outside by NAME.KIND.ID, where ID is made from its certificate, so that a door that still shows a certificate just
 * replaced gets its signatures from the key just replaced.
 */
#ifndef POSTRIDER_KEYD_STORE_H
#define POSTRIDER_KEYD_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/view.h"
#include "tls/sign.h"

enum { STORE_KINDS = 3, STORE_NAME_MAX = 255 };

struct store;
/* Reads below dirfd, which stays the caller's; keeps at most hosts_max names in memory. */
struct store *store_new(int dirfd, size_t hosts_max);
void store_free(struct store *s);
/* Files are looked at anew when they are asked for next. A file that cannot be used then is told to the log, and the key from before stays. */
void store_reload(struct store *s);

struct store_key {
	char name[STORE_NAME_MAX + 1]; /* NAME.KIND.ID */
	const struct sign_key *key;    /* until the next call for the store */
};
/* The keys of a host name (empty: the default ones); how many there are, 0 when the name is not one, or none is known. */
size_t store_host(struct store *s, struct view name, struct store_key out[STORE_KINDS]);
/* The key with this name, or NULL. */
const struct sign_key *store_key(struct store *s, struct view name);

#endif
