/* SPDX-License-Identifier: ISC */
/* SCRAM-SHA-256 keys, as they are stored for an account (RFC 5802 3, RFC 7677). */
#ifndef POSTRIDER_TLS_SCRAM_H
#define POSTRIDER_TLS_SCRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

#define SCRAM_ITERATIONS 4096

struct scram_keys {
	uint8_t stored[32];
	uint8_t server[32];
};
/* Derives the keys; about 1.3 ms for 4,096 iterations. The password is used as given: prepare it (SASLprep) before. */
void scram_derive(struct view password, struct view salt, uint32_t iterations, struct scram_keys *out);
/*
 * Adds the form that Cyrus SASL reads as authPassword: SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>, in base64, with a fresh
 * random salt of 16 octets.
 */
void scram_put(struct buf *out, struct view password);
/* True where the password is the one from which `stored` (that form) was made. */
bool scram_check(struct view stored, struct view password);

#endif
