/* SPDX-License-Identifier: ISC */
/*
 * Seals: a claim that crosses a process that might lie carries its issuer's HMAC-SHA-256. The sealed form is the body followed by
 * the tag. The label names the kind of claim ("login", "route"), so that one kind never passes for another.
 */
#ifndef POSTRIDER_TLS_SEAL_H
#define POSTRIDER_TLS_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

#define SEAL_TAG 32 /* octets that a seal adds */

struct seal_key {
	uint8_t octets[32];
};

/* A fresh random key. */
void seal_key_random(struct seal_key *key);
/* Adds body and tag to out. */
void seal_make(const struct seal_key *key, const char *label, struct view body, struct buf *out);
/* True, and *body a view into sealed, where the tag is right. Takes the same time for every wrong tag. */
MUST_CHECK bool seal_open(const struct seal_key *key, const char *label, struct view sealed, struct view *body);

#endif
