/* SPDX-License-Identifier: ISC */
/* What the parts of lib/journal share. Not for others. */
#ifndef POSTRIDER_JOURNAL_INTERNAL_H
#define POSTRIDER_JOURNAL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/backend.h"
#include "journal/frame.h"
#include "journal/journal.h"

#define NO_CUT UINT64_MAX

struct table_entry {
	uint64_t position, offset;
};

/* A segment or compacted file of the stream. */
struct segment {
	struct object_name name;
	struct segment_head head;
	bool damaged; /* its head cannot be read: nothing in it can */
	bool begun;   /* has a valid begin (compacted files always) */
	bool clean;   /* not begun, and nothing but zeros behind the head */
	uint64_t cut; /* that its begin states */
	uint64_t cut_behind; /* the lowest that later ones state; NO_CUT: none */
	uint64_t begin_mark; /* the durable mark in its begin */
	uint64_t end; /* nothing at or behind this exists */
	bool end_stated; /* a later begin or its own head says so; otherwise it may end before */
	uint32_t salt_sum;
	struct object *object; /* open, or NULL */
	bool writable;         /* it is open for writing */
	bool entry_durable;    /* its directory entry is on stable storage, as far as is known */
	bool kept;             /* while the chain is loaded: it was known already */
	bool dirty;            /* this process wrote to it since its last good flush */
	bool late;             /* its object was opened when others may have written what waited for a flush: of one that had failed it will not be told */
	uint64_t used;         /* when it was used last */
	struct table_entry *table;
	size_t entries;
};

/* Octets of one object, read ahead. */
struct window {
	struct segment *segment;
	uint64_t at;
	size_t n, cap, ahead;
	uint8_t *p;
};

/* What append builds in: kept from call to call. */
struct stage {
	uint8_t *octets;
	size_t cap;
	struct iovec *iov;
	size_t iovs;
};

/* ahead.c: what is written zeros in the head. */
struct ahead {
	uint64_t first; /* of the segment that this is about */
	uint64_t ready; /* octets of its object up to here have been written; UINT64_MAX: it cannot be done */
	bool busy;      /* a thread writes from `from` on */
	uint64_t from;
};

struct journal {
	struct backend *backend;
	struct journal_options o;
	struct segment **segments; /* by first position; the last is the head, where head is set */
	size_t n;
	struct segment *head; /* the last one, a begun segment; NULL when there is none that can be appended to */
	struct segment *next; /* prepared, not begun */
	uint64_t next_first;  /* where a new segment would begin */
	uint64_t end, durable;
	uint64_t floor; /* the end as it was found at opening: what is below may have been acknowledged by somebody before us */
	bool settled;    /* an owner that finds nothing of this start of the machine: what can be read is on stable storage */
	bool role_taken; /* the lock that says that we write */
	bool looked;     /* the tail was looked through once: what others append since begins where it ended */
	bool torn;    /* the head cannot be appended to: roll, cut at end */
	bool cut_back; /* a flush failed: roll, cut at journal_kept */
	bool rewrite;  /* a flush failed, and what is kept above the durable mark is to be written once more */
	uint64_t pending_from, pending_to; /* appended by this process and not yet acknowledged by a flush; from == to: none */
	uint64_t lost_from, lost_to;       /* of those, cut away by another writer */
	unsigned cuts;                     /* counts events that lose pending frames */
	uint64_t serial;                   /* of backend watch */
	size_t listed;                     /* files that the last load found, whether they count or not */
	uint64_t clock;                    /* for segment.used */
	uint64_t compact_at;
	bool unpublished;  /* the mark could not be written: others know of less than is durable */
	uint64_t flush_octets; /* of a flush, as they were lately */
	struct ahead ahead;
	struct window window;
	struct stage stage;
	void (*on_damage)(void *arg, uint64_t from, uint64_t to);
	void *damage_arg;
};

static inline bool journal_writes(const struct journal *j) { return j->o.role == JOURNAL_SHARED_WRITER || j->o.role == JOURNAL_OWNER; }

/* chain.c: the files that make the stream. */
/* Lists, reads heads, chooses winners, sets ends. *losers, when not NULL, gets the names of files that are replaced (freed by the caller). */
MUST_CHECK int chain_load(struct journal *j, struct object_name **losers, size_t *nlosers);
void chain_free(struct journal *j);
/* Opens the segment's object if it is not open. Closes others that were not used for long. */
MUST_CHECK int segment_open(struct journal *j, struct segment *s, bool write);
void segment_free(struct segment *s);
/* The index of the first segment whose end is above position; n when there is none. */
size_t chain_find(const struct journal *j, uint64_t position);
/* The stream ends at `end`, as far as this process is concerned. */
void chain_clip(struct journal *j, uint64_t end);
/* Makes the segment that a roll needs (j->next), nothing flushed. */
MUST_CHECK int chain_prepare(struct journal *j);
/* The head of a new segment beginning at first. */
void segment_head_new(const struct journal *j, uint64_t first, struct segment_head *h);
/* j->next has got its begin: it is the head now. */
void chain_begin(struct journal *j, uint64_t cut);
uint64_t journal_stride(const struct journal *j);

/* recover.c: where the stream ends. */
/* Reads frames from `from` on, sets j->end and j->torn. */
MUST_CHECK int recover_tail(struct journal *j, uint64_t from);
/* Whether a file is missing behind segment i. */
bool chain_gap(const struct journal *j, size_t i);
/* True in *zero when the object holds only zeros from offset on. */
MUST_CHECK int object_zero_from(struct object *o, uint64_t offset, bool *zero);
/*
 * Writes the octets in [durable, floor) once more, through a new opening of the object, so that the next flush covers them whatever became
 * of earlier flushes.
 */
MUST_CHECK int recover_rewrite(struct journal *j);
/* The same for one segment of a shared writer, between the durable mark and the end, where its object was opened late. */
MUST_CHECK int segment_cover(struct journal *j, struct segment *s);
/* What no failed flush takes away. */
static inline uint64_t journal_kept(const struct journal *j) { return j->floor > j->durable ? j->floor : j->durable; }
/* chain_load, then the tail; knows of cuts. raw: believes all that stands there. */
MUST_CHECK int chain_reload(struct journal *j);
MUST_CHECK int chain_reload_raw(struct journal *j);
/* Under the append lock, or as a reader: learns all that others did. */
MUST_CHECK int refresh_locked(struct journal *j);

/* read.c */
/*
 * n octets of the segment at offset; fewer (*got) only at the end of the object or at `stop`. *p is valid until the next call. patch: what the
 * store cannot read (ERR_IO) counts as zeros, so that damage stays as small as it is.
 */
MUST_CHECK int window_get(struct journal *j, struct segment *s, uint64_t offset, size_t n, uint64_t stop, bool patch, const uint8_t **p,
	size_t *got);
void window_drop(struct journal *j);
void window_free(struct journal *j);
/* Where the frames of s end in its object. */
uint64_t segment_stop(const struct segment *s);

enum frame_state { FRAME_GOOD, FRAME_BAD_PAYLOAD, FRAME_BAD };
struct frame_at {
	enum frame_state state;
	bool nothing; /* the object ends here, or before */
	bool zero;    /* zeros stand where its head would */
	struct frame_head head;
	uint64_t offset, size; /* in the object */
	const uint8_t *payload;
};
/* Looks at what stands at offset. Positions of plain segments are checked against the offset. */
MUST_CHECK int frame_look(struct journal *j, struct segment *s, uint64_t offset, uint64_t stop, bool patch, struct frame_at *f);
/* The offset of the next valid frame head behind offset with a position of at least `least`; stop when there is none. */
MUST_CHECK int frame_resync(struct journal *j, struct segment *s, uint64_t offset, uint64_t stop, uint64_t least, bool patch, uint64_t *found);
/* The offset at which to look for position or the first behind it. */
MUST_CHECK int segment_seek(struct journal *j, struct segment *s, uint64_t position, uint64_t *offset);
static inline uint64_t segment_offset(const struct segment *s, uint64_t position) { return SEGMENT_DATA + (position - s->head.first); }
static inline uint64_t segment_position(const struct segment *s, uint64_t offset) { return s->head.first + (offset - SEGMENT_DATA); }

/* Walks the frames of one segment from position on, damage reported; fn as in journal_scan, the journal's own kinds left out. */
MUST_CHECK int segment_walk(struct journal *j, struct segment *s, uint64_t position,
	int (*fn)(void *arg, const struct frame_at *f), void *arg, uint64_t *next);
void damage_report(struct journal *j, uint64_t from, uint64_t to);

/* append.c */
/* Rolls; the lock is held where one is needed. */
MUST_CHECK int roll_locked(struct journal *j);
void stage_fini(struct stage *s);
MUST_CHECK int writer_lock(struct journal *j);
void writer_unlock(struct journal *j);

/* copy.c */
/* One object of another backend, shared where it may be and can, else copied and not flushed. */
MUST_CHECK int object_take(struct backend *from, const struct object_name *name, struct backend *to, bool share);

/* compact.c */
/* Removes files that a compacted one replaces. */
MUST_CHECK int remove_losers(struct journal *j);

#endif
