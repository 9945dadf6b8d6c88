/* SPDX-License-Identifier: ISC */
/*
 * Sets of message numbers (RFC 3501 9, sequence-set): ranges, never single numbers, so that "1:4294967295" costs as
 * much as "1". Memory is bounded by the text that was read.
 */
#ifndef POSTRIDER_PROTO_IMAP_SET_H
#define POSTRIDER_PROTO_IMAP_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/view.h"

struct imap_range {
	uint32_t lo, hi; /* both in it; 0 stands for "*" before imap_set_resolve */
};

struct imap_set {
	struct imap_range *range;
	size_t n;
};

/* All of v; memory from the arena. False for anything but a set: 0, numbers over 32 bits, empty pieces. */
bool imap_set_parse(struct arena *a, struct view v, struct imap_set *s);
/* Gives "*" its value, sorts, and joins what touches: afterwards the ranges ascend and are apart. */
void imap_set_resolve(struct imap_set *s, uint32_t star);
/* Of a resolved set. */
bool imap_set_has(const struct imap_set *s, uint32_t n);
/* How many numbers it holds. */
uint64_t imap_set_count(const struct imap_set *s);

#endif
