/* SPDX-License-Identifier: ISC */
/*
 * A set of UIDs as ranges in ascending order: what STORE, COPY, EXPUNGE are asked for, and what stands in records (as
 * pairs of variable-length numbers: "1:*" is four octets). Adding is cheap in ascending order; any order is allowed.
 */
#ifndef POSTRIDER_MAILBOX_UIDSET_H
#define POSTRIDER_MAILBOX_UIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

struct uid_range {
	uint32_t first, last; /* both in it, first <= last, first >= 1 */
};
struct uidset {
	struct uid_range *ranges; /* ascending, not touching */
	size_t n, cap;
};

/* An empty set is all zeroes: struct uidset s = { 0 }. */
void uidset_fini(struct uidset *s); /* frees; the set is empty again */
void uidset_add(struct uidset *s, uint32_t uid);
void uidset_add_range(struct uidset *s, uint32_t first, uint32_t last);
bool uidset_has(const struct uidset *s, uint32_t uid); /* O(log n) */
static inline bool uidset_empty(const struct uidset *s) { return s->n == 0; }
uint64_t uidset_count(const struct uidset *s); /* UIDs, not ranges */
/* IMAP's form: "1:4,7"; nothing for the empty set. */
void uidset_put_text(struct buf *b, const struct uidset *s);

/* The form in records, and back (false where it is malformed: not ascending, zero, over 32 bits). */
void uidset_put(struct buf *b, const struct uidset *s);
bool uidset_get(struct view v, struct uidset *s);

#endif
