/* SPDX-License-Identifier: ISC */
/*
 * A base: one file of keys and values that is built once, flushed, renamed into place and from then on only read. Its kind is said by a
 * prefix: `btree:` and `hash:` (Berkeley DB), `lmdb:`. A replaced base stays readable for those who have it open. Damage (a file
 * that was cut short, a flipped bit) is an error, never "not found" (table/whole.h).
 *
 * Three outcomes: ERR_OK found, ERR_NOT_FOUND not there, anything else could not be asked.
 */
#ifndef POSTRIDER_TABLE_BASE_H
#define POSTRIDER_TABLE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

#define BASE_KEY_MAX 500       /* octets; LMDB takes no more than 511 */
#define BASE_VALUE_MAX 1048576 /* octets */

struct base_engine {
	const char *prefix; /* "btree" */
	const char *suffix; /* of the file's name, ".db" */
	/* Readers. open: ERR_NOT_FOUND where there is no such file. path is absolute. */
	int (*open)(const char *path, void **out);
	int (*get)(void *h, struct view key, struct buf *value);
	/* Walks in the file's own order: *cursor starts as NULL. The views are valid until the next call. ERR_END at the end. */
	int (*next)(void *h, void **cursor, struct view *key, struct view *value);
	void (*end)(void *h, void *cursor);
	void (*close)(void *h);
	/* The builder: create (replaces a file left by a crash), add keys once each in any order, finish (flushed) or drop. */
	int (*create)(const char *path, void **out);
	int (*add)(void *b, struct view key, struct view value);
	int (*finish)(void *b);
	void (*drop)(void *b);
};

/* The engine of this prefix, "" or "default" for the best that was built in; NULL when there is none. */
const struct base_engine *base_engine_of(struct view prefix);
/* The i-th engine, one for each suffix when distinct is true; NULL behind the last. */
const struct base_engine *base_engine_at(size_t i, bool distinct);

#endif
