/* SPDX-License-Identifier: ISC */
/*
 * Housekeeping. A checkpoint, when what must be replayed has grown; then compaction of the journal: below the last checkpoint
 * only contents stay that a message refers to. Nothing is thrown away on the word of a record that is not durable.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mailbox/checkpoint.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/store.h"

/* A checkpoint is due when this much, and twice the last one, was written since. */
#define CHECKPOINT_LEAST (UINT64_C(256) << 10)
/* Octets of compaction in one slice. */
#define SLICE (UINT64_C(4) << 20)
/* Compaction is due when this much, and half of all that is there, is dead. */
#define COMPACT_LEAST (UINT64_C(1) << 20)

/* ---- checkpoint ---- */
static void take_part(void *arg, struct buf *payload) { batch_take(arg, RECORD_checkpoint, payload); }

static int build_checkpoint(struct store *s, void *request, struct batch *b)
{
	(void)request;
	checkpoint_write(s->st, take_part, b);
	return ERR_OK;
}

static bool checkpoint_due(const struct store *s)
{
	uint64_t from = s->checkpoint == STORE_NO_CHECKPOINT ? journal_start(s->journal) : s->checkpoint + s->checkpoint_octets;
	uint64_t least = s->checkpoint_octets * 2 > CHECKPOINT_LEAST ? s->checkpoint_octets * 2 : CHECKPOINT_LEAST;
	return s->next > from && s->next - from > least;
}

static int write_checkpoint(struct store *s)
{
	int err = store_commit(s, build_checkpoint, NULL);
	if (err == ERR_OK)
		store_hint_write(s);
	return err;
}

/* ---- compaction of the journal ---- */
static bool is_live(void *arg, const struct journal_record *r)
{
	const struct store *s = arg;
	if (r->position >= s->live_below)
		return true;
	if (r->kind != RECORD_content)
		return false;
	size_t lo = 0, hi = s->nlive;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->live[mid] < r->position)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nlive && s->live[lo] == r->position;
}

static bool compaction_due(const struct store *s)
{
	struct journal_info info;
	if (s->checkpoint == STORE_NO_CHECKPOINT || s->next < s->compacted_end + COMPACT_LEAST)
		return false;
	journal_info(s->journal, &info);
	uint64_t live = state_content_octets(s->st, true) + (s->next - s->checkpoint);
	uint64_t dead = info.octets > live ? info.octets - live : 0;
	return dead > COMPACT_LEAST && dead > info.octets / 2;
}

static int compact_slice(struct store *s, bool *more)
{
	int err = ERR_OK;
	if (!s->live) {
		err = journal_roll(s->journal); /* so that the head takes part */
		s->live = state_contents(s->st, true, &s->nlive);
		s->live_below = s->checkpoint;
	}
	if (err == ERR_OK)
		err = journal_compact(s->journal, is_live, s, SLICE, more);
	if (err == ERR_BUSY) /* another process is at it */
		err = ERR_OK;
	if (err != ERR_OK || !*more) {
		free(s->live);
		s->live = NULL;
		s->compacted_end = s->next;
	}
	return err;
}

/* ---- release of incoming ---- */
/* Where the oldest content in incoming lies that is still needed; what is not adopted is needed, and what delivery may look at. */
static uint64_t incoming_needed(struct store *s)
{
	size_t n;
	uint64_t *p = state_contents(s->st, false, &n);
	uint64_t needed = s->st->back < s->st->incoming ? s->st->back : s->st->incoming;
	if (n && p[0] < needed)
		needed = p[0];
	free(p);
	return needed;
}

static int release_incoming(struct store *s)
{
	uint64_t needed = incoming_needed(s);
	return needed > journal_start(s->incoming) + INCOMING_SEGMENT ? journal_drop(s->incoming, needed) : ERR_OK;
}

int store_tidy(struct store *s, bool *more)
{
	*more = false;
	int err = store_refresh(s);
	if (err == ERR_OK && checkpoint_due(s))
		err = write_checkpoint(s);
	if (err != ERR_OK || (!s->live && !compaction_due(s)))
		return err != ERR_OK || !s->incoming || journal_durable(s->journal) < s->next ? err : release_incoming(s);
	if (!s->live && journal_durable(s->journal) < s->next) {
		*more = true;
		store_want_flush(s);
		return ERR_OK;
	}
	return compact_slice(s, more);
}
