/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory that follows, through the journal's seam, what a directory's files went through, and can tell at any moment what a
 * power cut might leave: what was flushed, and of the rest any choice of sectors, sizes and names. After a failed flush nothing that
 * was dirty becomes certain before it is written again and flushed.
 */
#ifndef POSTRIDER_TESTS_JOURNAL_DISK_H
#define POSTRIDER_TESTS_JOURNAL_DISK_H

#include "journal/seam.h"
#include "tests/unit/journal/help.h"

struct disk;
struct disk *disk_new(void);
void disk_free(struct disk *d);
/* To be called from the seam's `after`. */
void disk_follow(struct disk *d, const struct seam_call *c, long result);
/* A flush that fails: what was dirty is clean now, written or not. */
void disk_flush_failed(struct disk *d, const char *name);
/* Makes the directory what might be left. keep: 0 nothing that was not flushed, 100 all of it, else the chance of each piece. */
void disk_leave(const struct disk *d, struct rng *r, unsigned keep, const struct home *to);

#endif
