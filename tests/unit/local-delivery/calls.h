/* SPDX-License-Identifier: ISC */
/*
 * Between the code under test and the kernel: the linker's --wrap leads every system call here that makes, writes, flushes, renames or removes a file
 * (CALLS_WRAPPED of local.mk names them). What is done below one directory is told to a disk (tests/unit/journal/disk.h); a test may look, fail or shorten
 * each such call. No real flush is made: the disk alone says what is durable.
 *
 * Descriptors that are opened belong to who is at work (calls_work_for), so that all of one who is killed can be closed.
 */
#ifndef TESTS_UNIT_LOCAL_DELIVERY_CALLS_H
#define TESTS_UNIT_LOCAL_DELIVERY_CALLS_H

#include "tests/unit/journal/disk.h"

struct calls {
	void *arg;
	/*
	 * 0: go on; otherwise an errno value, and the call is not made. c->n of a write may be made smaller. A flush has the file's path, one of the file
	 * system "all"; other calls have a name where they make, rename or remove one.
	 */
	int (*before)(void *arg, struct seam_call *c);
	void (*after)(void *arg);
};

/* From now on what happens below dirfd, which is empty, is told to d; hooks stay the caller's. d NULL: of nothing any more. */
void calls_follow(struct disk *d, int dirfd, const struct calls *hooks);
/* Nothing is told while it is off: the test itself is at work elsewhere. */
void calls_off(bool off);
/*
 * Makes what a power cut might leave (disk_leave) in the empty directory. Its directories have the inode numbers of those that they come from, as after a
 * power cut, for who asks by fstatat: until the next time.
 */
void calls_leave(struct disk *d, struct rnd *r, unsigned keep, int to);

/* Who opens descriptors from now on (0: nobody, they stay open). Gives who it was before. */
unsigned calls_work_for(unsigned who);
void calls_close_all_of(unsigned who);

#endif
