/* SPDX-License-Identifier: ISC */
/*
 * What the journal asks of a store: named objects that grow at their end, can be flushed, read, listed and dropped; a lock; a published
 * mark; and a way to learn that the set of objects changed. Nothing above this interface knows of a file system. `file` keeps objects as files of
 * one directory; a replicated object store fits too (guarded append, compare-and-swap of the mark, notify).
 *
 * All calls give 0 or an ERR_ code. Only those that a flush or an ahead makes (`flush`, `flush_names`, `reserve`, `create`, `zero`) are called from
 * other threads than the journal's.
 */
#ifndef POSTRIDER_JOURNAL_BACKEND_H
#define POSTRIDER_JOURNAL_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/view.h"

struct backend;

/* An object's name: a segment (generation 0, limit not known) or a compacted file. */
struct object_name {
	uint64_t first, limit;
	uint32_t generation;
};

/* An open object, shared by the journal and the flushes under way. */
struct object {
	struct backend *backend;
	atomic_uint refs;
	/* Flushes of an object take turns, so that each failure is seen; the first is final. */
	pthread_mutex_t turn;
	int failed;
};

enum backend_lock { BACKEND_LOCK_APPEND, BACKEND_LOCK_COMPACT, BACKEND_LOCK_SHARED };

/* When a mark was put. Since the machine was started, or that cannot be told; before: so whatever can be read of that time is on stable storage. */
enum backend_mark { BACKEND_MARK_NONE, BACKEND_MARK_EARLIER, BACKEND_MARK_NOW };

struct backend_ops {
	/* Calls fn for each object, in no order. */
	int (*list)(struct backend *b, void (*fn)(void *arg, const struct object_name *name), void *arg);
	/* *serial differs from the last one given when objects came or went since. */
	int (*watch)(struct backend *b, uint64_t *serial);
	int (*open)(struct backend *b, const struct object_name *name, bool write, struct object **out);
	/* ERR_EXISTS when it is there. Neither name nor content is durable before the flushes. */
	int (*create)(struct backend *b, const struct object_name *name, struct view head, struct object **out);
	/* A nameless object for a compaction's result. */
	int (*create_new)(struct backend *b, struct object **out);
	/* Gives it its name; its content must be flushed. Not durable before flush_names. */
	int (*publish)(struct object *o, const struct object_name *name);
	/* Removes what create_new left behind: of crashes, or this one (o not NULL). */
	int (*discard)(struct backend *b, struct object *o);
	int (*drop)(struct backend *b, const struct object_name *name);
	/* Makes a sealed object one of `to` as well, without a copy. ERR_UNSUPPORTED where that cannot be. */
	int (*share)(struct backend *b, const struct object_name *name, struct backend *to);
	void (*close)(struct object *o);

	/* Writes at this offset. *done octets went in, also on failure. Lengths and addresses in iov are used up. */
	int (*append)(struct object *o, uint64_t at, struct iovec *iov, int n, size_t *done);
	/* *got < n only at the end of the object. */
	int (*read)(struct object *o, uint64_t at, void *p, size_t n, size_t *got);
	int (*size)(struct object *o, uint64_t *octets, uint64_t *allocated);
	/* Makes room up to an offset, where that makes later flushes cheaper. Never alters octets. Best effort. */
	void (*reserve)(struct object *o, uint64_t upto);
	/*
	 * Makes written zeros of [from, to), where no append reaches meanwhile. ERR_UNSUPPORTED where that would not make later flushes cheaper. Not
	 * durable before a flush.
	 */
	int (*zero)(struct object *o, uint64_t from, uint64_t to);
	/* No more is appended: room behind this offset may go. Best effort. */
	void (*seal)(struct object *o, uint64_t size);
	int (*flush)(struct object *o);
	/*
	 * Whatever became of earlier flushes: what is read of [from, to) next comes from stable storage, and stays there. ERR_BUSY: that cannot be brought
	 * about now, or not be told.
	 */
	int (*forget)(struct object *o, uint64_t from, uint64_t to);
	int (*flush_names)(struct backend *b);

	/*
	 * Exclusive, or shared with others who ask for it so: the life of shared writers, a copy that holds compaction off. ERR_BUSY when wait is false
	 * and another has it; ERR_NOT_FOUND: nobody has ever written here, and a reader does not begin it.
	 */
	int (*lock)(struct backend *b, enum backend_lock which, bool exclusive, bool wait);
	void (*unlock)(struct backend *b, enum backend_lock which);
	/* Whether another has it exclusively. Takes nothing, so that whoever wants it is not kept out. */
	bool (*locked)(struct backend *b, enum backend_lock which);
	/* The published mark; 0 when there is none that is valid. Putting it is best effort but seen by all who get it later on this machine. */
	uint64_t (*mark_get)(struct backend *b, enum backend_mark *when);
	int (*mark_put)(struct backend *b, uint64_t mark);
	void (*free)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
	atomic_uint refs;
};

struct journal_seam;
/* The backend over a directory (dirfd is copied). write: lock file and objects may be made. */
MUST_CHECK int backend_file_open(int dirfd, bool write, bool own, mode_t mode, const struct journal_seam *seam, struct backend **out);

static inline void backend_unref(struct backend *b)
{
	if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
		b->ops->free(b);
}
static inline struct object *object_ref(struct object *o)
{
	atomic_fetch_add(&o->refs, 1);
	return o;
}
static inline void object_unref(struct object *o)
{
	if (o != NULL && atomic_fetch_sub(&o->refs, 1) == 1)
		o->backend->ops->close(o);
}
/* Flushes in turn; after one failure every later one fails too. */
MUST_CHECK int object_flush(struct object *o);

#endif
