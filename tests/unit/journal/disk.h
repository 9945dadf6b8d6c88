/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory that follows what the files below one directory go through, and can tell at any moment what a power cut might leave: what was
 * flushed, and of the rest any choice of sectors, sizes and names. A name counts when its directory was flushed, whatever was done to the file. After a
 * failed flush nothing that was dirty becomes certain before it is written again and flushed.
 *
 * Who drives it tells it of each system call: through the journal's seam (disk_follow), or node by node.
 */
#ifndef POSTRIDER_TESTS_JOURNAL_DISK_H
#define POSTRIDER_TESTS_JOURNAL_DISK_H

#include <stdbool.h>

#include "journal/seam.h"
#include "tests/unit/base/random.h"

struct disk;
/* A file or a directory, the disk's own for as long as that lives. */
struct disk_node;

/* One that holds an empty directory. */
struct disk *disk_new(void);
void disk_free(struct disk *d);
struct disk_node *disk_root(const struct disk *d);
/* What stands under this name now, or NULL. */
struct disk_node *disk_find(const struct disk_node *dir, const char *name);

struct disk_node *disk_create(struct disk *d, struct disk_node *dir, const char *name, bool is_dir);
void disk_rename(struct disk_node *dir, const char *name, const char *to);
void disk_unlink(struct disk_node *dir, const char *name);
/* The first k octets of iov went in. */
void disk_write(struct disk_node *o, const struct iovec *iov, int n, uint64_t at, size_t k);
void disk_truncate(struct disk_node *o, uint64_t size);
void disk_reserve(struct disk_node *o, uint64_t size);
/*
 * As Linux tells of failures: each description once, of those since it was opened, and of an earlier one where nobody was told of that yet. What one that
 * is opened now has been told:
 */
unsigned disk_told(const struct disk_node *o);
/* A file's octets and size, or a directory's names, through a description that has been told so much. False: it fails, since an earlier flush did. */
bool disk_flush(struct disk_node *o, unsigned *told);
/* A flush that fails, and tells this description: what was dirty is clean now, written or not. */
void disk_flush_failed(struct disk *d, struct disk_node *o, unsigned *told);
/* The same of the whole disk, of which each description is told as well, of all failures of flushes: but here all is written that is dirty. */
unsigned disk_told_all(const struct disk *d);
bool disk_flush_all(struct disk *d, unsigned *told);
void disk_flush_all_failed(struct disk *d, unsigned *told);
/* What is there now is certain: the test begins here. */
void disk_settle(struct disk *d);

/* For a disk of one stream, to be called from the seam's `after`. */
void disk_follow(struct disk *d, const struct seam_call *c, long result);

/*
 * Makes the empty directory what might be left. keep: 0 nothing that was not flushed, 100 all of it, else the chance of each piece;
 * DISK_MIXED: some files as one, some as another. made (may be NULL) is told of each directory.
 */
#define DISK_MIXED 101u
typedef void disk_made_fn(void *arg, const struct disk_node *o, int fd);
void disk_leave(const struct disk *d, struct rnd *r, unsigned keep, int to, disk_made_fn *made, void *arg);
/* Is the directory what the disk says that it is now? Else somebody changed it who told nobody. */
bool disk_is(const struct disk *d, int fd);

#endif
