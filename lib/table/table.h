/* SPDX-License-Identifier: ISC */
/*
 * A table: a base and its delta under one name in one directory, read by many processes and written by one. Files: NAME.db or
 * NAME.lmdb, NAME.delta, NAME.lock, and NAME.new while a base is built. A change costs one flushed record; when the delta has
 * grown, it is merged into a new base. Keys are typed words, `account:alice@example.test`; `table:` is reserved.
 *
 *   what a crash can leave                         | what the next reader and writer make of it
 *   -----------------------------------------------+------------------------------------------------------------
 *   NAME.new, partly written                       | nobody reads it; the next merge replaces it
 *   new base in place, delta still the old one     | the old delta is replayed over the new base: the same content
 *   new base of another kind beside the old one    | the one of the higher generation is read; the next merge removes the other
 *   a torn record at the delta's end               | it is not there; the writer begins a new delta without it
 *   a delta that begins behind the base            | damage: changes are missing, every question is answered "could not ask"
 */
#ifndef POSTRIDER_TABLE_TABLE_H
#define POSTRIDER_TABLE_TABLE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "table/base.h"
#include "table/delta.h"

struct table;

/* dir is an absolute path, opened again at each replacement. name has no prefix. ERR_NOT_FOUND: the table was never made. */
MUST_CHECK int table_open(const char *dir, const char *name, struct table **out);
void table_close(struct table *t);
/*
 * Takes in what the writer added or replaced; call it before a question: what was answered `done` before this call is seen after it. One
 * fstat when nothing changed. After an error every question fails with it, until a later refresh (at most one try a second) succeeds.
 */
MUST_CHECK int table_refresh(struct table *t);
uint64_t table_generation(const struct table *t);
/* The value is added to `value`. ERR_OK found, ERR_NOT_FOUND, anything else: could not ask. */
MUST_CHECK int table_get(struct table *t, struct view key, struct buf *value);

/*
 * Walks over all keys with this prefix, in no order, as of now: later changes do not show. Opens files of its own, so that the
 * walk may pause for as long as it likes.
 */
struct table_walk;
MUST_CHECK int table_walk_new(const char *dir, const char *name, struct view prefix, struct table_walk **out);
/* The views are valid until the next call. ERR_END at the end. */
MUST_CHECK int table_walk_next(struct table_walk *w, struct view *key, struct view *value);
void table_walk_free(struct table_walk *w);

/* ---- the one writer ---- */

struct table_writer;
/* Locks the table (ERR_BUSY), makes an empty one where there is none, and leaves a torn tail behind. */
MUST_CHECK int table_writer_open(const char *dir, const char *name, struct table_writer **out);
void table_writer_close(struct table_writer *w);
/* The writer's own view: sees what was appended, flushed or not. */
struct table *table_writer_table(struct table_writer *w);
/* One record: all of these changes or none. In effect at once, durable after table_flush. After a failure the writer refuses everything. */
MUST_CHECK int table_append(struct table_writer *w, const struct delta_change *changes, size_t n);
MUST_CHECK int table_flush(struct table_writer *w);
/* Octets of records since the base was built: what the decision to merge asks. */
uint64_t table_delta_size(const struct table_writer *w);
/* False while there is only a delta. */
bool table_has_base(const struct table_writer *w);
/* True when the base is of another kind than this engine's, so that a merge would convert it. */
bool table_other_kind(const struct table_writer *w, const struct base_engine *engine);

/*
 * A merge in three steps: begin (takes what is there now), run (builds and flushes NAME.new; may run in another thread, while the
 * writer goes on), end (in the writer's thread: puts it in place, and a delta with what was appended meanwhile).
 */
struct table_merge;
MUST_CHECK int table_merge_begin(struct table_writer *w, const struct base_engine *engine, struct table_merge **out);
MUST_CHECK int table_merge_run(struct table_merge *m);
/* Frees m. run_err: what run gave; not 0 gives it up. */
MUST_CHECK int table_merge_end(struct table_writer *w, struct table_merge *m, int run_err);

#endif
