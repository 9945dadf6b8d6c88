/* SPDX-License-Identifier: ISC */
/* For spool.c (appending, reading) and tidy.c (checkpoints, compaction) alone. */
#ifndef POSTRIDER_QMGR_SPOOL_PRIVATE_H
#define POSTRIDER_QMGR_SPOOL_PRIVATE_H

#include <stdatomic.h>

#include "journal/journal.h"
#include "qmgr/spool.h"

struct spool {
	struct loop *loop;
	struct pool *pool;
	struct journal *journal;
	struct state *state;
	int dir;
	bool unread;         /* damage was met, or a record that cannot be read */
	struct list waiting; /* not yet appended */
	struct list flying;  /* appended, not known to be durable; by position */
	struct later turn;
	struct timer *again; /* armed: the journal cannot be written, wait */
	bool resting;        /* a flush failed, and the next waits for that timer: each try costs a segment */
	struct journal_flush *flush;
	struct journal_ahead *ahead;
	bool failing;        /* the last append failed: it was said */
	uint64_t written;    /* octets since the last checkpoint */
	uint64_t taken;      /* messages and results since the last compaction */
	/* tidy.c */
	struct timer *tidy;
	bool wanted;             /* a checkpoint is to be written */
	uint64_t check_from, check_end; /* the one that is being flushed; 0: none */
	uint64_t checkpoint;     /* the position of the last durable one, 0: none in this process' life */
	uint64_t oldest;         /* no live message was below this at the checkpoint */
	struct pool *keeper;     /* one thread, for the job */
	struct tidy_job *job;    /* under way */
	atomic_bool closing;     /* tells the job to end soon */
	bool full;               /* the reserve is given up: only facts are written */
};

void tidy_init(struct spool *s);
void tidy_start(struct spool *s);
void tidy_fini(struct spool *s);
bool tidy_wants(const struct spool *s);
void tidy_checkpoint(struct spool *s); /* appends one: nothing is under way */
void tidy_durable(struct spool *s);    /* a flush has ended */
bool tidy_give_reserve(struct spool *s); /* no room: true when there was a reserve, and now is room */
void tidy_undone(struct spool *s, uint64_t from, uint64_t to);

#endif
