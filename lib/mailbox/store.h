/* SPDX-License-Identifier: ISC */
/* The inside of a store, shared by the files of this library only. */
#ifndef POSTRIDER_MAILBOX_STORE_H
#define POSTRIDER_MAILBOX_STORE_H

#include "journal/journal.h"
#include "mailbox/batch.h"
#include "mailbox/mailbox.h"
#include "mailbox/state.h"

#define STORE_NO_CHECKPOINT UINT64_MAX

/* A flush on its way: outlives the store that asked for it. */
struct store_flush_job {
	struct store *store; /* NULL: closed meanwhile */
	struct journal_flush *flush;
};

struct store {
	struct loop *loop;
	struct pool *pool;
	int home;
	struct journal *journal;
	struct journal *incoming; /* NULL: there is none yet */
	struct state *st;
	uint64_t next;              /* the journal is applied up to here */
	uint64_t last;              /* the position of the record that was applied last */
	uint64_t checkpoint;        /* where the last one begins, or STORE_NO_CHECKPOINT */
	uint64_t checkpoint_octets; /* its length */
	bool hint_lost;             /* there is a checkpoint, and no hint told so */
	uint64_t since;             /* octets that were appended behind it */
	uint64_t message_max, tidy_least, incoming_least;
	struct batch batch;
	int adopt_error; /* that was logged last */

	struct list waits;
	struct list watches;
	struct later turn; /* at the end of a turn: begin a flush, tell the watchers */
	struct store_flush_job *job;
	bool want_flush;
	uint64_t told; /* state changes that watchers know */
	bool shown;    /* messages became visible that watchers do not know of */

	/* A compaction on its way (tidy.c). */
	struct content *live; /* contents in the journal that stay */
	size_t nlive;
	uint64_t live_below;    /* what lies from here on stays anyway */
	uint64_t released;         /* incoming was dropped below this */
	uint64_t compacted_octets; /* of the journal at the last compaction's end */

	uint64_t checked, checked_end; /* the content that was found whole last, while its stream ended there; 0: none (read.c) */

	struct summary *summary; /* NULL until one is asked for */

	/* index/columns (indexes.c). */
	bool from_columns;         /* the state began with it, not with the records alone: nothing may be removed on its word */
	bool columns_off;          /* it could not be written */
	uint64_t columns_covered;  /* the one that is there speaks of what lies below; 0: there is none */
	uint64_t columns_octets;   /* its length */
	uint64_t columns_behind;   /* octets of records that it does not speak of */
	uint64_t columns_least;    /* less mail has none */
};

/* Which account in which life: the inodes of the home and of its journal, the uid. False: they cannot be told. */
bool store_identity(const struct store *s, uint64_t *home, uint64_t *journal, uint32_t *uid);
/* Reads the state anew, from the last checkpoint that the hint names, or from the start. */
MUST_CHECK int store_reload(struct store *s);
/* Applies what others have written. */
MUST_CHECK int store_catch_up(struct store *s);
/*
 * Changes: catches up, has build check the request against the state of now and gather the frames, appends and applies them; all again when
 * another writer was faster. An empty batch is a change that was none. What build gives is given back.
 */
typedef int store_build_fn(struct store *s, void *request, struct batch *b);
MUST_CHECK int store_commit(struct store *s, store_build_fn *build, void *request);

/* flush.c: asks for a flush at the end of the turn; the turn itself. */
void store_want_flush(struct store *s);
void store_changed(struct store *s);
void store_turn(void *arg);
void store_drop_waits(struct store *s);
/* What is waited for is lost: each wait is told err, from the loop. */
void store_lose_waits(struct store *s, int err);
/* Lets everything that is durable be seen. */
void store_show(struct store *s);

/* summaries.c */
void store_summary_tidy(struct store *s);

/* indexes.c: the state begins with what index/columns says; s->next is where its word ends. False: there is none that fits the journal. */
bool store_columns_load(struct store *s);
/* A state that began with index/columns is read anew from the records; it is as it was when this fails. */
MUST_CHECK int store_from_records(struct store *s);
/* Writes index/columns where that is due; *more is set where something must be flushed first. */
MUST_CHECK int store_columns_tidy(struct store *s, bool *more);

/* adopt.c */
MUST_CHECK int store_adopt(struct store *s);
/*
 * For a repair: gathers the records that adopt what of incoming stands from *from on below st->incoming, at no position of known (a bounded
 * number of deliveries; *from moves to where to go on, at last to st->incoming). Their adopt record fits a state that stands before st->incoming.
 */
MUST_CHECK int store_adopt_missed(struct store *s, uint64_t *from, const struct map64 *known, struct batch *b, uint64_t *deliveries);
/* tidy.c: the frames of a checkpoint of s->st. */
void store_build_checkpoint(struct store *s, struct batch *b);
/* names.c: greater than any UIDVALIDITY that the account has had, and near the clock. */
uint64_t store_fresh_uidvalidity(const struct store *s);
/* The hint that names the last checkpoint (index/checkpoint): derived, may be absent or wrong. */
void store_hint_write(struct store *s);
bool store_hint_read(struct store *s, uint64_t *position);

#endif
