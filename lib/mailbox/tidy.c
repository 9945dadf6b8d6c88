/* SPDX-License-Identifier: ISC */
/*
 * Housekeeping. A checkpoint, when what must be replayed has grown; then compaction of the journal: below the last checkpoint
 * only contents stay that a message refers to. Nothing is thrown away on the word of a record that is not durable, nor on an index's:
 * a state that came from one is read anew from the records first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "mailbox/checkpoint.h"
#include "mailbox/incoming.h"
#include "mailbox/records.h"
#include "mailbox/store.h"

/* Octets of compaction in one slice. */
#define SLICE (UINT64_C(4) << 20)

/* ---- checkpoint ---- */
static void take_part(void *arg, struct buf *payload) { batch_take(arg, RECORD_checkpoint, payload); }

void store_build_checkpoint(struct store *s, struct batch *b) { checkpoint_write(s->st, take_part, b); }

static int build_checkpoint(struct store *s, void *request, struct batch *b)
{
	(void)request;
	store_build_checkpoint(s, b);
	return ERR_OK;
}

/* Due when a quarter of tidy_least, and twice the last one, was written since. */
static bool checkpoint_due(const struct store *s)
{
	uint64_t least = s->checkpoint_octets * 2 > s->tidy_least / 4 ? s->checkpoint_octets * 2 : s->tidy_least / 4;
	return s->since > least;
}

static int write_checkpoint(struct store *s)
{
	int err = store_from_records(s);
	if (err == ERR_OK)
		err = store_commit(s, build_checkpoint, NULL);
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
		if (s->live[mid].position < r->position)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nlive && s->live[lo].position == r->position;
}

static uint64_t live_octets(const struct store *s, bool own)
{
	size_t n;
	uint64_t octets = 0;
	struct content *p = state_contents(s->st, own, &n);
	for (size_t i = 0; i < n; i++)
		octets += p[i].size;
	free(p);
	return octets;
}

/* Due when tidy_least, and half of all that is there, is dead. */
static bool compaction_due(const struct store *s)
{
	struct journal_info info;
	if (s->checkpoint == STORE_NO_CHECKPOINT)
		return false;
	journal_info(s->journal, &info);
	if (info.octets < s->compacted_octets + s->tidy_least)
		return false;
	uint64_t live = live_octets(s, true) + s->checkpoint_octets + s->since;
	uint64_t dead = info.octets > live ? info.octets - live : 0;
	return dead > s->tidy_least && dead > info.octets / 2;
}

static int compact_slice(struct store *s, bool *more)
{
	struct journal_info info;
	int err = ERR_OK;
	if (!s->live) {
		INVARIANT(!s->from_columns);
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
		journal_info(s->journal, &info);
		s->compacted_octets = info.octets;
	}
	return err;
}

/* ---- release of incoming ---- */
/*
 * Whole segments of incoming are dropped from its front, when delivery needs them no more. What is still referred to there stands in the
 * way: once it is less than half, it is copied into the journal, a slice at a time, and referred to there from then on.
 */
struct relocation {
	struct content *contents;
	size_t n;
};

static int copy_content(struct store *s, const struct content *c, struct batch *b)
{
	struct journal_record r;
	struct buf copy;
	int err = journal_read(s->incoming, c->position, &r);
	if (err != ERR_OK)
		return err;
	if (r.payload.n < c->offset || r.payload.n - c->offset != c->size)
		return ERR_DAMAGED;
	buf_init(&copy, c->size);
	buf_addv(&copy, view_skip(r.payload, c->offset));
	batch_take(b, RECORD_content, &copy);
	return ERR_OK;
}

static int build_relocation(struct store *s, void *request, struct batch *b)
{
	const struct relocation *r = request;
	struct buf list, item;
	uint64_t octets = 0;
	int err = ERR_OK;
	buf_init(&list, 1 << 16);
	buf_init(&item, 64);
	for (size_t i = 0; i < r->n && i < STORE_APPEND_MESSAGES_MAX && octets < SLICE && err == ERR_OK; i++) {
		err = copy_content(s, &r->contents[i], b);
		octets += r->contents[i].size;
		record_put_relocation(&item, &(struct record_relocation){ .from = r->contents[i].position });
		record_add_item(&list, &item);
	}
	if (err == ERR_OK)
		BATCH_ADD(b, relocate, .list = buf_view(&list));
	buf_fini(&list);
	buf_fini(&item);
	return err;
}

/* Is it worth to copy the contents that stand in the way? */
static bool relocation_due(struct store *s)
{
	struct journal_info info;
	journal_info(s->incoming, &info);
	uint64_t live = live_octets(s, false);
	return info.octets > live && info.octets - live > s->incoming_least && info.octets - live > live;
}

static int release_below(struct store *s, uint64_t limit, const struct relocation *r, bool *more)
{
	if (r->n && !relocation_due(s))
		return ERR_OK;
	if (s->from_columns) { /* it may be right, and is asked again when the records have said so */
		*more = true;
		return store_from_records(s);
	}
	/* Dropped is only what no durable record refers to. */
	if (r->n == 0 && journal_durable(s->journal) == s->next)
		return journal_drop(s->incoming, limit);
	*more = true;
	int err = r->n == 0 ? ERR_OK : store_commit(s, build_relocation, (void *)(uintptr_t)r);
	store_want_flush(s);
	return err;
}

static int release_incoming(struct store *s, bool *more)
{
	struct relocation r;
	struct journal_info info;
	uint64_t limit = s->st->back < s->st->incoming ? s->st->back : s->st->incoming;
	journal_info(s->incoming, &info);
	if (info.segments < 2 || limit == s->released)
		return ERR_OK;
	r.contents = state_contents(s->st, false, &r.n);
	size_t below = 0;
	while (below < r.n && r.contents[below].position < limit)
		below++;
	r.n = below;
	int err = release_below(s, limit, &r, more);
	if (err == ERR_OK && r.n == 0 && !*more)
		s->released = limit;
	free(r.contents);
	return err == ERR_NOT_FOUND ? ERR_OK : err; /* another process was at it as well */
}

static int tidy_journal(struct store *s, bool *more)
{
	if (!s->from_columns && (s->live || journal_durable(s->journal) == s->next))
		return compact_slice(s, more);
	*more = true; /* first let all that is said be durable, or be the records' word; and then it is asked again whether it is due */
	if (s->from_columns)
		return store_from_records(s);
	store_want_flush(s);
	return ERR_OK;
}

int store_tidy(struct store *s, bool *more)
{
	*more = false;
	int err = store_refresh(s);
	store_summary_tidy(s);
	if (err == ERR_OK && checkpoint_due(s))
		err = write_checkpoint(s);
	else if (err == ERR_OK && s->hint_lost)
		store_hint_write(s);
	if (err == ERR_OK && (s->live || compaction_due(s)))
		err = tidy_journal(s, more);
	else if (err == ERR_OK && s->incoming)
		err = release_incoming(s, more);
	if (err == ERR_OK && !*more)
		err = store_columns_tidy(s, more);
	return err;
}

int store_compact(struct store *s)
{
	bool more;
	int err = store_refresh(s);
	if (err == ERR_OK)
		err = write_checkpoint(s);
	if (err == ERR_OK)
		err = store_flush_now(s);
	do {
		more = false;
		if (err == ERR_OK)
			err = compact_slice(s, &more);
	} while (err == ERR_OK && more);
	do {
		more = false;
		if (err == ERR_OK && s->incoming)
			err = release_incoming(s, &more);
		if (err == ERR_OK && more)
			err = store_flush_now(s);
	} while (err == ERR_OK && more);
	if (err == ERR_OK)
		err = store_columns_tidy(s, &more);
	return err;
}
