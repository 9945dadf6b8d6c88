/* SPDX-License-Identifier: ISC */
/*
 * Inside of lib/tls: private keys that are somewhere else. A built-in OpenSSL provider of our own offers RSA, EC and Ed25519 keys that have the public
 * half, and hands the full text to be signed to a function of the context's. It lives in a library context of its own, so
 * that no other use of OpenSSL in the process ever picks it.
 */
#ifndef POSTRIDER_TLS_REMOTE_KEY_H
#define POSTRIDER_TLS_REMOTE_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

/* Makes the signature, at most max octets. Runs within an ASYNC job, and may pause it. */
typedef bool remote_sign_fn(void *arg, struct view key, uint16_t scheme, struct view text, uint8_t *out, size_t max, size_t *n);

struct remote_keys;
/* A library context with OpenSSL's default provider and ours. The context must outlive its keys. */
struct remote_keys *remote_keys_new(remote_sign_fn *sign, void *arg);
void remote_keys_free(struct remote_keys *r);
OSSL_LIB_CTX *remote_keys_context(const struct remote_keys *r);
/* A private key by name whose public half is pub (referred to); NULL where the kind is none of ours. */
EVP_PKEY *remote_key(struct remote_keys *r, struct view name, EVP_PKEY *pub);

#endif
