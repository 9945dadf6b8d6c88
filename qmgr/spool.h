/* SPDX-License-Identifier: ISC */
/*
 * The spool's journal and the state over it. What is appended takes effect in the state, and is told to whoever appended it, only when it is
 * durable: so what anybody was told survives. Everything that is appended in one turn of the loop goes out in one system call, one flush
 * is under way at a time (in a worker), and what is appended meanwhile shares the next.
 *
 * In the background the spool is kept small: a checkpoint now and then, old segments dropped, the rest compacted.
 */
#ifndef POSTRIDER_QMGR_SPOOL_H
#define POSTRIDER_QMGR_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/view.h"
#include "event/loop.h"
#include "qmgr/state.h"

struct spool;

/* A record on its way. */
struct spool_entry {
	struct list node;
	uint16_t kind;
	bool keep;         /* a fact that must not be lost: it is appended again until that succeeds */
	char *payload;     /* malloc'd; fn may take it and set NULL */
	size_t n;
	uint64_t position; /* set when it is appended */
	bool tried;        /* it was written, or may have been: until a later one is durable a power cut can bring it back, whatever fn was told */
	/* err is ERR_OK when it is durable and applied; otherwise it is not in the journal, and never will be. */
	void (*fn)(void *arg, struct spool_entry *e, int err);
	void *arg;
};

/*
 * Opens (makes, where there is none) the spool in the directory and replays it, which may take a moment. What recovery found is flushed before
 * anything is said. The pool's threads do the flushes. ERR_BUSY: another process has it.
 */
MUST_CHECK int spool_open(struct loop *l, struct pool *pool, int dirfd, struct spool **out);
void spool_close(struct spool *s);
struct state *spool_state(const struct spool *s);
/* Every record of the replay could be read: the state knows of all messages. */
bool spool_whole(const struct spool *s);

/* Takes the payload. fn (may be NULL) is called later, never from within. */
void spool_append(struct spool *s, uint16_t kind, struct view payload_taken, bool keep, void (*fn)(void *arg, struct spool_entry *e, int err),
	void *arg);
/* Nothing waits and nothing is under way, in the pool neither: before spool_close it must be so. */
bool spool_idle(const struct spool *s);

/* The message whose number this is, from its record (or a result's notice). The views are valid until the next call. */
MUST_CHECK int spool_read_message(struct spool *s, const struct message *m, struct spool_message *out);
/* The message within a record's payload. */
MUST_CHECK int spool_message_of(uint16_t kind, struct view payload, struct spool_message *out);

/* For tests: a checkpoint as soon as it can be. */
void spool_checkpoint_soon(struct spool *s);

#endif
