/* SPDX-License-Identifier: ISC */
#include "qmgr/spool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/journal.h"
#include "log/log.h"
#include "qmgr/spool_private.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { BATCH = 512, AGAIN_MS = 1000, AHEAD = 512 << 10 };

/* ---- opening ---- */

static int replay_one(void *arg, const struct journal_record *r)
{
	struct spool *s = arg;
	int err = state_apply(s->state, r->position, r->kind, r->payload);
	if (err != ERR_OK) {
		log_error("spool_record_skipped", LU("position", r->position), LU("kind", r->kind), LERR("error", err));
		s->unread = true;
	}
	return 0;
}

/* Where the last checkpoint begins, by the file that names it; the file is only a hint: without it everything is replayed. */
static uint64_t hint(struct spool *s)
{
	struct buf b;
	uint64_t at = 0;
	buf_init(&b, 32);
	if (file_slurp(s->dir, "checkpoint", &b) != ERR_OK || !num_u64(view_trim(buf_view(&b)), UINT64_MAX, &at))
		at = 0;
	buf_fini(&b);
	return at;
}

static int replay(struct spool *s, uint64_t from)
{
	uint64_t next;
	state_free(s->state);
	s->state = state_new();
	return journal_scan(s->journal, from, replay_one, s, &next);
}

/* The first record. Before it the name of the journal's directory must be durable, whichever process made that: all else is below it. */
static int make_identity(struct spool *s)
{
	struct spool_identity id = { .spool = random_u64() | 1, .key = random_u64() | 1, .made = (uint64_t)clock_wall(NULL) };
	struct journal_frame f = { .kind = SPOOL_IDENTITY };
	struct buf b;
	buf_init(&b, 4096);
	INVARIANT(spool_identity_put(&b, &id) == ERR_OK);
	f.parts[0] = buf_view(&b);
	int err = file_flush(s->dir);
	if (err == ERR_OK)
		err = journal_append(s->journal, journal_end(s->journal), &f, 1);
	if (err == ERR_OK)
		err = state_apply(s->state, f.position, f.kind, buf_view(&b));
	buf_fini(&b);
	return err;
}

static int recover(struct spool *s)
{
	uint64_t from = hint(s), start = journal_start(s->journal);
	int err = replay(s, from > start ? from : start);
	if (err == ERR_OK && state_spool(s->state) == 0 && from > start)
		err = replay(s, start);
	if (err == ERR_OK && state_spool(s->state) == 0)
		err = make_identity(s);
	return err == ERR_OK ? journal_flush(s->journal) : err;
}

static void damaged(void *arg, uint64_t from, uint64_t to)
{
	struct spool *s = arg;
	s->unread = true;
	log_error("spool_damaged", LU("from", from), LU("to", to));
}

static void pump(void *arg);
static void again(void *arg)
{
	struct spool *s = arg;
	s->resting = false;
	loop_later(s->loop, &s->turn);
}

int spool_open(struct loop *l, struct pool *pool, int dirfd, struct spool **out)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .ahead = AHEAD };
	struct journal *j;
	int sub, err = file_mkdir(dirfd, "journal", 0700);
	if (err == ERR_OK)
		err = file_open_dir(dirfd, "journal", &sub);
	if (err != ERR_OK)
		return err;
	err = journal_open(sub, &o, &j);
	fd_close(&sub);
	if (err != ERR_OK)
		return err;
	struct spool *s = mem_new(sizeof *s);
	*s = (struct spool){ .loop = l, .pool = pool, .journal = j, .dir = dup(dirfd), .turn = { .fn = pump, .arg = s } };
	list_init(&s->waiting);
	list_init(&s->flying);
	s->again = timer_new(l, again, s);
	journal_on_damage(j, damaged, s);
	tidy_init(s);
	err = recover(s);
	if (err == ERR_OK) {
		*out = s;
		tidy_start(s);
	} else {
		spool_close(s);
	}
	return err;
}

static void drop_all(struct list *l)
{
	LIST_EACH (it, tmp, l) {
		struct spool_entry *e = LIST_OF(it, struct spool_entry, node);
		list_remove(it);
		free(e->payload);
		free(e);
	}
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	loop_later_cancel(s->loop, &s->turn);
	drop_all(&s->waiting);
	drop_all(&s->flying);
	timer_free(s->again);
	tidy_fini(s);
	if (s->ahead) /* begun, and the thread that would have told of its end is gone */
		journal_ahead_end(NULL, s->ahead);
	journal_close(s->journal);
	state_free(s->state);
	fd_close(&s->dir);
	free(s);
}

struct state *spool_state(const struct spool *s)
{
	return s->state;
}

bool spool_whole(const struct spool *s)
{
	return !s->unread;
}

/* ---- appending ---- */

void spool_append(struct spool *s, uint16_t kind, struct view payload, bool keep, void (*fn)(void *arg, struct spool_entry *e, int err), void *arg)
{
	struct spool_entry *e = mem_new(sizeof *e);
	*e = (struct spool_entry){ .kind = kind, .keep = keep, .payload = (char *)(uintptr_t)payload.p, .n = payload.n, .fn = fn, .arg = arg };
	list_append(&s->waiting, &e->node);
	loop_later(s->loop, &s->turn);
}

bool spool_idle(const struct spool *s)
{
	return list_empty(&s->waiting) && list_empty(&s->flying) && !s->flush && !s->job;
}

static void settle(struct spool_entry *e, int err)
{
	list_remove(&e->node);
	if (e->fn)
		e->fn(e->arg, e, err);
	free(e->payload);
	free(e);
}

/* Those who can be told that there is no room, are. Facts stay. */
static void refuse_waiting(struct spool *s, int err)
{
	LIST_EACH (it, tmp, &s->waiting) {
		struct spool_entry *e = LIST_OF(it, struct spool_entry, node);
		if (!e->keep)
			settle(e, err);
	}
}

/* It cannot be written. With the reserve given up there may be room for facts; without, they are tried again a little later. */
static bool try_on(struct spool *s, int err)
{
	if (!s->failing)
		log_error("spool_append_failed", LERR("error", err));
	s->failing = true;
	refuse_waiting(s, err);
	if (list_empty(&s->waiting))
		return false;
	if (err == ERR_FULL && tidy_give_reserve(s))
		return true;
	timer_set(s->again, AGAIN_MS);
	return false;
}

static size_t gather(struct spool *s, struct spool_entry **batch, struct journal_frame *frames)
{
	size_t n = 0;
	LIST_EACH (it, tmp, &s->waiting) {
		struct spool_entry *e = LIST_OF(it, struct spool_entry, node);
		if (n == BATCH)
			break;
		e->tried = true;
		batch[n] = e;
		frames[n++] = (struct journal_frame){ .kind = e->kind, .parts[0] = view_make(e->payload, e->n) };
	}
	return n;
}

/* Appends what waits, or as much of it as there is room for. */
static void append_waiting(struct spool *s)
{
	struct spool_entry *batch[BATCH];
	struct journal_frame frames[BATCH];
	if (s->full)
		refuse_waiting(s, ERR_FULL);
	while (!list_empty(&s->waiting)) {
		size_t n = gather(s, batch, frames);
		int err = journal_append(s->journal, journal_end(s->journal), frames, n);
		if (err != ERR_OK && try_on(s, err))
			continue;
		if (err != ERR_OK)
			return;
		s->failing = false;
		for (size_t i = 0; i < n; i++) {
			batch[i]->position = frames[i].position;
			list_remove(&batch[i]->node);
			list_append(&s->flying, &batch[i]->node);
			s->written += batch[i]->n;
		}
	}
}

static void flush_run(void *arg)
{
	struct spool *s = arg;
	journal_flush_run(s->flush);
}

/* All that is below the durable mark has happened. */
static void complete(struct spool *s)
{
	uint64_t durable = journal_durable(s->journal);
	LIST_EACH (it, tmp, &s->flying) {
		struct spool_entry *e = LIST_OF(it, struct spool_entry, node);
		if (e->position >= durable)
			break;
		INVARIANT(state_apply(s->state, e->position, e->kind, view_make(e->payload, e->n)) == ERR_OK);
		if (e->kind == SPOOL_MESSAGE || e->kind == SPOOL_RESULT)
			s->taken++;
		settle(e, ERR_OK);
	}
}

/* A flush failed: the journal has rolled, and what stood in the range never happened (DESIGN.md: it is not retried as if it had worked). */
static void undo(struct spool *s, uint64_t from, uint64_t to, int err)
{
	struct list kept;
	list_init(&kept);
	LIST_EACH (it, tmp, &s->flying) {
		struct spool_entry *e = LIST_OF(it, struct spool_entry, node);
		if (e->position < from || e->position >= to)
			continue;
		if (e->keep) {
			list_remove(it);
			list_append(&kept, it);
		} else {
			settle(e, err);
		}
	}
	/* Before what waits already, in their order. */
	while (!list_empty(&kept)) {
		struct list *last = kept.prev;
		list_remove(last);
		list_push(&s->waiting, last);
	}
}

static void flush_done(void *arg)
{
	struct spool *s = arg;
	uint64_t from = 0, to = 0;
	int err = journal_flush_end(s->journal, s->flush, &from, &to);
	s->flush = NULL;
	if (err != ERR_OK) {
		log_error("spool_flush_failed", LERR("error", err), LU("from", from), LU("to", to));
		undo(s, from, to, err);
		tidy_undone(s, from, to);
		s->resting = true;
		timer_set(s->again, AGAIN_MS);
	}
	complete(s);
	tidy_durable(s);
	loop_later(s->loop, &s->turn);
}

static void ahead_run(void *arg)
{
	struct spool *s = arg;
	journal_ahead_run(s->ahead);
}

static void ahead_done(void *arg)
{
	struct spool *s = arg;
	journal_ahead_end(s->journal, s->ahead);
	s->ahead = NULL;
}

/* Not behind a job, which may take long. */
static void go_ahead(struct spool *s)
{
	if (s->ahead || s->job)
		return;
	s->ahead = journal_ahead_begin(s->journal);
	if (s->ahead)
		pool_submit(s->keeper, ahead_run, ahead_done, s);
}

/* The end of a turn: append what waits, and have it flushed. */
static void pump(void *arg)
{
	struct spool *s = arg;
	/* A checkpoint speaks for the state at its own position: nothing may be between the state and the journal's end, so what waits, waits. */
	bool quiet = list_empty(&s->flying) && !s->flush;
	if (tidy_wants(s) && quiet)
		tidy_checkpoint(s);
	if (!tidy_wants(s) && !timer_armed(s->again))
		append_waiting(s);
	if (s->flush || s->resting)
		return;
	s->flush = journal_flush_begin(s->journal);
	if (!s->flush)
		return;
	pool_submit(s->pool, flush_run, flush_done, s);
	go_ahead(s);
}

/* ---- reading ---- */

int spool_message_of(uint16_t kind, struct view payload, struct spool_message *out)
{
	struct spool_result r;
	if (kind == SPOOL_MESSAGE)
		return spool_message_get(payload, out);
	if (kind != SPOOL_RESULT || spool_result_get(payload, &r) != ERR_OK || r.notice.n == 0)
		return ERR_DAMAGED;
	return spool_message_get(r.notice, out);
}

int spool_read_message(struct spool *s, const struct message *m, struct spool_message *out)
{
	struct journal_record r;
	int err = journal_read(s->journal, m->number, &r);
	return err == ERR_OK ? spool_message_of(r.kind, r.payload, out) : err;
}
