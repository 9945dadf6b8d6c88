/* SPDX-License-Identifier: ISC */
/* Inside of lib/tls: what a sign_key is. */
#ifndef POSTRIDER_TLS_SIGN_KEY_H
#define POSTRIDER_TLS_SIGN_KEY_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "tls/sign.h"

struct sign_key {
	EVP_PKEY *pkey;
	struct buf chain; /* PEM */
	const char *kind;
	int64_t expires;
};

#endif
