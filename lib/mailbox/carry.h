/* SPDX-License-Identifier: ISC */
/*
 * Deliveries that are in no mailbox yet, carried from the incoming stream of a home into that of the one that takes its place
 * (postrider-mailbox(5), Exchange of a home). Done as the user who writes these streams; both are owned meanwhile, which keeps local-delivery out.
 */
#ifndef POSTRIDER_MAILBOX_CARRY_H
#define POSTRIDER_MAILBOX_CARRY_H

#include <stdint.h>

#include "base/err.h"
#include "journal/journal.h"

/* Opens the stream in this directory as local-delivery would. ERR_BUSY: that, or another, has it open. */
MUST_CHECK int carry_open(int dirfd, struct journal **out);

struct carry_result {
	uint64_t carried; /* deliveries */
	uint64_t damaged; /* ranges of `from` that could not be read */
};
/*
 * Appends to `to` every delivery that stands in `from` at position or behind it and whose id `to` does not have, in their order, and flushes it. An
 * error leaves some of them appended: call it again, or drop `to`.
 */
MUST_CHECK int carry_over(struct journal *from, uint64_t position, struct journal *to, struct carry_result *r);

#endif
