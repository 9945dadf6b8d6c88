/* SPDX-License-Identifier: ISC */
/* The signature schemes that are used (RFC 8446 4.2.3): the one table, for those who ask for signatures and for those who make them. */
#ifndef POSTRIDER_TLS_SCHEME_H
#define POSTRIDER_TLS_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scheme {
	uint16_t number;
	const char *key;    /* OpenSSL's name of the key's type: "RSA", "EC", "ED25519" */
	const char *digest; /* "SHA256"; NULL: none, the scheme has its own */
	bool pss;           /* RSASSA-PSS rather than PKCS #1 v1.5 */
	bool tls13;         /* legal in TLS 1.3 */
	const char *curve;  /* that TLS 1.3 binds it to */
	const char *name;   /* for SSL_CTX_set1_sigalgs_list */
};

/* The row of this number, or NULL. */
const struct scheme *scheme_by_number(uint16_t number);
/* The row for a key, a digest (any of OpenSSL's names for it, or NULL or "" for none) and a padding; NULL when there is none. */
const struct scheme *scheme_find(const char *key, const char *digest, bool pss);
/* The i-th row, NULL behind the last; the order is the order of preference. */
const struct scheme *scheme_at(size_t i);

#endif
