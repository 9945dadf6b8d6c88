/* SPDX-License-Identifier: ISC */
/*
 * Is this the password of that hash? The costly part, for a thread of the pool; a password that was right a moment ago is known again by a keyed
 * digest. A user who does not exist costs as much as one who does: there is a hash for nobody.
 */
#ifndef POSTRIDER_AUTH_VERIFY_H
#define POSTRIDER_AUTH_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/view.h"

struct verifier;
/* Makes the hash for nobody, of the same kind and cost as those that accounts makes. */
struct verifier *verifier_new(void);
void verifier_free(struct verifier *v);

/*
 * May this hash be computed at all? Only kinds that are safe, with costs within bounds: a stored `rounds=999999999` must not hold
 * a thread for minutes.
 */
bool verify_hash_bearable(struct view hash);

/* Thread-safe. hash: empty, or not bearable, compares with the hash for nobody, and the result is false. */
bool verify_password(const struct verifier *v, struct view hash, struct view password);

/* Not thread-safe: in the loop alone. now and ttl in milliseconds. A changed hash or another account's is another entry. */
bool verify_cached(struct verifier *v, struct view account, struct view hash, struct view password, uint64_t now);
void verify_remember(struct verifier *v, struct view account, struct view hash, struct view password, uint64_t now, uint64_t ttl);

/* The SCRAM keys of nobody: always the same salt for the same name, so that asking twice tells nothing. */
struct buf;
void verify_scram_of_nobody(const struct verifier *v, struct view name, struct buf *out);
/* The secret from which nobody's salts come; the same in all auth processes of a suite. */
void verifier_set_secret(struct verifier *v, struct view secret);

#endif
