/* SPDX-License-Identifier: ISC */
/* SHA-256 and HMAC-SHA-256, at once or piece by piece, and comparison in constant time. They cannot fail: a fault in the library ends the process. */
#ifndef POSTRIDER_TLS_DIGEST_H
#define POSTRIDER_TLS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

#define SHA256_OCTETS 32

void sha256(struct view v, uint8_t out[SHA256_OCTETS]);
/* Over one text, or over the texts one after another (RFC 2104). */
void hmac_sha256(struct view key, struct view text, uint8_t out[SHA256_OCTETS]);
void hmac_sha256_parts(struct view key, const struct view *texts, size_t n, uint8_t out[SHA256_OCTETS]);

struct digest;
/* A SHA-256 in progress. */
struct digest *digest_new(void);
void digest_add(struct digest *d, struct view v);
/* The result; the digest begins anew. */
void digest_end(struct digest *d, uint8_t out[SHA256_OCTETS]);
void digest_free(struct digest *d); /* NULL is ignored */

/* Equal, in a time that depends on the lengths alone. */
bool secret_eq(struct view a, struct view b);

#endif
