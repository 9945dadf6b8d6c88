/* SPDX-License-Identifier: ISC */
/*
 * The deliveries that a stream holds and that may be offered again: what makes delivery exactly-once. Their order is the stream's, so that the
 * oldest tells from where on the stream must be kept (`back` of mailbox/incoming.h). Pure.
 */
#ifndef POSTRIDER_LOCAL_DELIVERY_SEEN_H
#define POSTRIDER_LOCAL_DELIVERY_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailbox/incoming.h"

/* Of spools that are no more (restored, made anew) this many are kept at most. */
#define SEEN_FOREIGN 4096

struct seen;
struct seen *seen_new(void);
void seen_free(struct seen *s);
/* It was appended at position, which is above all before. */
void seen_add(struct seen *s, const struct incoming_id *id, uint64_t position);
/* True, and *position, where it is here. */
bool seen_has(const struct seen *s, const struct incoming_id *id, uint64_t *position);
/* Forgets the oldest, as long as they are of this spool and below its floor. */
void seen_prune(struct seen *s, uint64_t spool, uint64_t floor);
/* Forgets what stood in [from, to): it was never durable, and is gone. */
void seen_undo(struct seen *s, uint64_t from, uint64_t to);
/* The position of the oldest, or `none` when there is none. */
uint64_t seen_back(const struct seen *s, uint64_t none);
size_t seen_count(const struct seen *s);

#endif
