/* SPDX-License-Identifier: ISC */
/*
 * Big contents: files in the directory `content` of the spool, named by a random number in hexadecimal. A receiver writes into one through a
 * descriptor; before the commit counts it is proved that nobody can write any more, that length and sum are right, and file and directory are flushed.
 * A file belongs to the message whose record names it; what no message names is swept at the start.
 */
#ifndef POSTRIDER_QMGR_CONTENT_H
#define POSTRIDER_QMGR_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "event/loop.h"

struct contents;
/* In the spool's directory spoolfd (kept as a copy). Work that blocks runs in pool. */
MUST_CHECK int contents_open(int spoolfd, struct pool *pool, struct contents **out);
void contents_free(struct contents *c);

/* A new file; fds gets a descriptor to write and one to read. */
MUST_CHECK int content_new(struct contents *c, uint64_t *id, int fds[2]);
/*
 * Proves and flushes the file, beside the loop; fn gets ERR_OK, or: ERR_BUSY a writer is left, ERR_DAMAGED length or sum (CRC-32C) are
 * wrong, ERR_NOT_FOUND there is none, ERR_IO, ERR_FULL.
 */
void content_prove(struct contents *c, uint64_t id, uint64_t size, uint32_t sum, void (*fn)(void *arg, int err), void *arg);
MUST_CHECK int content_read(struct contents *c, uint64_t id, int *fd);
void content_remove(struct contents *c, uint64_t id);
/* Removes the files of which wanted says no. */
void contents_sweep(struct contents *c, bool (*wanted)(void *arg, uint64_t id), void *arg);

#endif
