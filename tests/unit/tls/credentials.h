/* SPDX-License-Identifier: ISC */
/* Keys with self-signed certificates, made for tests. */
#ifndef POSTRIDER_TESTS_TLS_CREDENTIALS_H
#define POSTRIDER_TESTS_TLS_CREDENTIALS_H

#include "base/buf.h"
#include "tls/sign.h"

/* Adds key and certificate in PEM. kind: "rsa", "p256", "p384" or "ed25519"; name is the certificate's. */
void credentials_put(struct buf *out, const char *kind, const char *name);
struct sign_key *credentials_key(const char *kind, const char *name);

#endif
