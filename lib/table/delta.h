/* SPDX-License-Identifier: ISC */
/*
 * A delta: what changed since a base was built, as an append-only file of records, each with a sum and the next generation. One
 * process writes it and flushes before it answers; readers replay it into memory and notice growth and replacement.
 *
 *   octets 0…     magic, generation of the base it begins at, salt, CRC-32C
 *   octets 512…   the durable mark: how far the file was flushed, CRC-32C. It is written after each flush, over itself.
 *   octets 1024…  records: u32 length, u64 generation, u32 CRC-32C (seeded by the salt; over length, generation, body), body.
 *   a body is a run of changes: u8 kind (1 put, 2 delete), u16 key length, u32 value length, key, value; all of them or none.
 *
 * What is not valid below the durable mark is damage. What is not valid beyond it is a torn tail: nobody was told that it is there, so
 * it is not there; the writer leaves it behind by writing a new file. A reader takes valid records beyond the mark too: they
 * are in doubt only until the flush that is under way.
 */
#ifndef POSTRIDER_TABLE_DELTA_H
#define POSTRIDER_TABLE_DELTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/view.h"

#define DELTA_BODY_MAX (4u * 1024 * 1024)
#define DELTA_FILE_MAX (256u * 1024 * 1024)
#define DELTA_RECORDS_AT 1024

struct delta_entry {
	bool deleted;
	size_t n;
	char value[];
};

struct delta {
	int fd;
	uint64_t base;       /* generation that the file begins at */
	uint64_t generation; /* of the last record replayed */
	uint64_t end;        /* offset behind it */
	uint64_t seen;       /* size of the file when it was last read */
	uint32_t salt;
	struct map *entries; /* key to struct delta_entry */
};

struct delta_change {
	bool del;
	struct view key, value;
};

/* Opens and replays. ERR_NOT_FOUND when there is none. */
MUST_CHECK int delta_open(int dirfd, const char *name, bool writable, struct delta **out);
void delta_close(struct delta *d);
/* True when another file took the name: open that one. */
bool delta_replaced(const struct stat *st);
/* Replays what was added; st is a fresh fstat of d->fd. Cheap when nothing was. */
MUST_CHECK int delta_catch_up(struct delta *d, const struct stat *st);
/* NULL when the delta says nothing of this key. */
const struct delta_entry *delta_get(const struct delta *d, struct view key);

/* A new, empty file that begins at generation base, with records of `from` behind `base` copied (from may be NULL); flushed, renamed to name, directory flushed. */
MUST_CHECK int delta_create(int dirfd, const char *name, uint64_t base, const struct delta *from);
/* Adds one record; not durable until delta_flush, and not replayed until delta_catch_up. */
MUST_CHECK int delta_append(struct delta *d, const struct delta_change *changes, size_t n);
/* Flushes and moves the mark. A failure is final: close the delta and open it again in a new process. */
MUST_CHECK int delta_flush(struct delta *d);
/* True when there is a torn tail behind the last record (writer, after opening). */
bool delta_torn(const struct delta *d);

/* Decodes a record's body change by change; false at its end or, with *bad set, where it is malformed. For the replay and its fuzz target. */
bool delta_change_next(struct view *body, struct delta_change *c, bool *bad);

#endif
