/* SPDX-License-Identifier: ISC */
/* What a table is made of, shared by its reader and its writer and by nobody else. */
#ifndef POSTRIDER_TABLE_WRITER_H
#define POSTRIDER_TABLE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "table/table.h"

#define TABLE_GENERATION VIEW("table:generation")

struct table {
	char *dir, *name;
	int dirfd;
	const struct base_engine *engine; /* of the base; NULL while there is none */
	void *base;
	uint64_t base_generation;
	struct delta *delta;
	bool writable;
	int err;           /* why it cannot be asked, ERR_OK when it can */
	uint64_t retry_at; /* monotonic milliseconds */
};

/* As table_open; writable: the delta is opened for writing. */
MUST_CHECK int table_open_as(const char *dir, const char *name, bool writable, struct table **out);
/* Closes and opens the files again. */
MUST_CHECK int table_reopen(struct table *t);
/* A walk over a table that the caller keeps and does not refresh meanwhile. */
struct table_walk *table_walk_over(struct table *t, struct view prefix);
/* "DIR/NAMESUFFIX", freed with free(). */
char *table_path(const char *dir, const char *name, const char *suffix);

#endif
