/* SPDX-License-Identifier: ISC */
/*
 * The seam: where a test stands between the file backend and the kernel, to count, record, fail, shorten or cut short the system
 * calls that change or flush something. Given in journal_options; NULL in service.
 */
#ifndef POSTRIDER_JOURNAL_SEAM_H
#define POSTRIDER_JOURNAL_SEAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum seam_op {
	SEAM_CREATE,   /* openat(O_CREAT|O_EXCL) of name */
	SEAM_WRITE,    /* pwritev to name at `at` */
	SEAM_FLUSH,    /* fdatasync of name */
	SEAM_FLUSH_DIR,
	SEAM_RENAME,   /* name to `to` */
	SEAM_UNLINK,
	SEAM_TRUNCATE, /* name to `at` octets */
	SEAM_RESERVE,  /* posix_fallocate of name up to `at` */
	SEAM_READ,     /* pread */
};

struct seam_call {
	enum seam_op op;
	const char *name, *to;
	uint64_t at;
	const struct iovec *iov;
	int iovs;
	size_t n; /* octets to write; `before` may make it smaller: a short write */
};

struct journal_seam {
	void *arg;
	/* 0: go on; otherwise an errno value, and the call is not made. May be called from the thread that flushes. */
	int (*before)(void *arg, struct seam_call *c);
	/* result: what the call gave, -1 when it failed. */
	void (*after)(void *arg, const struct seam_call *c, long result);
};

#endif
