/* SPDX-License-Identifier: ISC */
/*
 * index/columns: what the records of an account's journal say up to some position, in the form in which it stands in memory, so that opening
 * a big account decodes nothing (postrider-mailbox(5) has the format). It is derived, and never flushed: it may vanish, be cut, be
 * another's or be damaged at any moment, and then is as if it had never been. Its sum covers every octet.
 *
 * It is read by copies, never mapped: what somebody cuts or overwrites while it is mapped kills its reader, or is mail that nobody sent.
 */
#ifndef POSTRIDER_MAILBOX_COLUMNS_H
#define POSTRIDER_MAILBOX_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mailbox/state.h"

#define COLUMNS_DIR "index"
#define COLUMNS_NAME "index/columns"

/* Which account in which life: a file that was made for another one is none. */
struct columns_identity {
	uint64_t home, journal; /* inodes */
	uint32_t uid;
};

/* What it says of the journal. It speaks for one that has this last frame, and for no other. */
struct columns_mark {
	uint64_t covered; /* the state is what the records below this give, all durable */
	uint64_t last;    /* the position of the last frame below it; its kind; the CRC-32C of its payload */
	uint32_t last_kind, last_sum;
	uint64_t checkpoint, checkpoint_octets, since; /* as in struct store */
};

/*
 * Writes it beside and renames it, without a flush; *octets is its length. st must come from records, not from such a file. ERR_BUSY: another process
 * is at it. After any error the old one is there as before.
 */
MUST_CHECK int columns_write(int home, const struct columns_identity *id, const struct columns_mark *mark, const struct state *st, uint64_t *octets);

/* What the head says, where it is right; whether the rest is right, columns_read tells. */
bool columns_peek(int home, const struct columns_identity *id, struct columns_mark *mark);

/* The state that it speaks of (the caller's), and of what it speaks. NULL: there is none, or it is not right. */
struct state *columns_read(int home, const struct columns_identity *id, struct columns_mark *mark, uint64_t *octets);

#endif
