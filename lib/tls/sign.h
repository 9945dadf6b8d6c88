/* SPDX-License-Identifier: ISC */
/*
 * Private keys and what may be done with them: keyd's part of TLS. A signer signs the two texts that a TLS server signs, in the schemes that fit the
 * key, and nothing else; it never decrypts.
 */
#ifndef POSTRIDER_TLS_SIGN_H
#define POSTRIDER_TLS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

/* What a text to be signed is, by its form. */
enum sign_text {
	SIGN_TEXT_NONE,  /* none that a server signs */
	SIGN_TEXT_TLS12, /* ServerKeyExchange with a named curve (RFC 8422 5.4): two randoms and the parameters, exactly */
	SIGN_TEXT_TLS13, /* CertificateVerify of a server (RFC 8446 4.4.3) */
};
enum sign_text sign_text_kind(struct view text);
/* True where this scheme may sign this kind of text at all, whatever the key. */
bool sign_scheme_legal(uint16_t scheme, enum sign_text kind);

struct sign_key;
/*
 * Reads one file's content: a private key and its chain, leaf first, in PEM, in any order of the two. ERR_INVALID where the key is missing, does not match the
 * leaf, or is of a kind or size that is not used (RSA 2048 to 8192, P-256, P-384, Ed25519); *why is then a constant text.
 */
MUST_CHECK int sign_key_read(struct view pem, struct sign_key **out, const char **why);
void sign_key_free(struct sign_key *k);
/* The chain alone, in PEM, leaf first. Lives as long as the key. */
struct view sign_key_chain(const struct sign_key *k);
/* "rsa", "ecdsa" or "ed25519". */
const char *sign_key_kind(const struct sign_key *k);
/* When the leaf's validity ends, in seconds since 1970. */
int64_t sign_key_expires(const struct sign_key *k);

/* Checks text and scheme, then signs. ERR_DENIED: a text or scheme that is not signed. Adds the signature to out. */
MUST_CHECK int sign_tls(const struct sign_key *k, uint16_t scheme, struct view text, struct buf *out);

/* A host name as it may become part of a file name: lower-case letters, digits, hyphens, dots between labels of 1 to 63; at most 253; not an address. */
bool sign_name_legal(struct view name);

#endif
