/* SPDX-License-Identifier: ISC */
/*
 * Keeping the spool small. A checkpoint is written when many octets were appended since the last, and at least eight times what it will take
 * itself. When it is durable, what lies wholly below the oldest live message and the checkpoint is dropped, and the file `checkpoint` names its
 * position, so that the next start need not read more. When most of what was taken is done, the sealed segments are compacted, a slice at a time.
 *
 * The file `reserve` holds room for facts (results, deletions) on a full disk. When it had to be given up no message is taken; a checkpoint in a
 * segment of its own lets go what is done, and when there is room for the reserve again, service returns.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "qmgr/spool_private.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { EVERY_MS = 1000, SLICE_MS = 20, KEPT_OCTETS = 48, COMMITS_AGE = 600 };
#define CHECK_OCTETS (UINT64_C(16) << 20)
#define COMPACT_SLICE (UINT64_C(1) << 20)
#define RESERVE_OCTETS (4 << 20)

static void tick(void *arg);

void tidy_init(struct spool *s)
{
	s->tidy = timer_new(s->loop, tick, s);
}

/* ---- the reserve ---- */

static void drop_reserve(struct spool *s)
{
	if (unlinkat(s->dir, "reserve", 0) != 0 && faccessat(s->dir, "reserve", F_OK, 0) == 0)
		log_warn("reserve_not_removed");
}

static bool make_reserve(struct spool *s)
{
	int fd = openat(s->dir, "reserve", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool made = fd >= 0 && posix_fallocate(fd, 0, RESERVE_OCTETS) == 0;
	fd_close(&fd);
	if (!made)
		drop_reserve(s);
	return made;
}

bool tidy_give_reserve(struct spool *s)
{
	if (s->full)
		return false;
	log_error("spool_full", LS("what_follows", "messages are refused for now; deliveries go on"));
	s->full = true;
	drop_reserve(s);
	return true;
}

/* Now and then on a full disk: let go what is done, and see whether there is room again. */
static void relieve(struct spool *s)
{
	if (make_reserve(s)) {
		s->full = false;
		log_info("spool_has_room_again");
	} else if (s->written && !s->check_end && !s->hinting) {
		spool_checkpoint_soon(s);
	}
}

void tidy_start(struct spool *s)
{
	s->full = !make_reserve(s);
	timer_set(s->tidy, EVERY_MS);
}

void tidy_fini(struct spool *s)
{
	timer_free(s->tidy);
}

void spool_checkpoint_soon(struct spool *s)
{
	s->wanted = true;
	loop_later(s->loop, &s->turn);
}

bool tidy_wants(const struct spool *s)
{
	return s->wanted && !s->check_end;
}

/* ---- the checkpoint ---- */

struct frames {
	struct journal_frame *frame;
	size_t n;
};

static void add_frame(void *arg, uint16_t kind, struct view payload)
{
	struct frames *f = arg;
	char *copy = mem_new(payload.n ? payload.n : 1);
	memcpy(copy, payload.p, payload.n);
	f->frame = mem_resize(f->frame, (f->n + 1) * sizeof *f->frame);
	f->frame[f->n++] = (struct journal_frame){ .kind = kind, .parts[0] = view_make(copy, payload.n) };
}

static uint64_t oldest_message(const struct state *st, uint64_t limit)
{
	handle at = 0;
	for (handle h = state_next(st, &at); h != HANDLE_NONE; h = state_next(st, &at))
		if (state_message(st, h)->number < limit)
			limit = state_message(st, h)->number;
	return limit;
}

void tidy_checkpoint(struct spool *s)
{
	struct frames f = { NULL, 0 };
	s->wanted = false;
	/* What is done shall be dropped, and only sealed segments can be. */
	if (s->full && journal_roll(s->journal) != ERR_OK)
		return;
	uint64_t first = journal_end(s->journal);
	state_forget(s->state, (uint64_t)clock_wall(NULL) - COMMITS_AGE);
	state_checkpoint(s->state, first, add_frame, &f);
	int err = journal_append(s->journal, first, f.frame, f.n);
	/* A roll may have moved the end: then the checkpoint names a wrong place and counts for nothing, and the next one will do. */
	if (err == ERR_OK && f.frame[0].position == first) {
		s->check_from = first;
		s->check_end = f.frame[f.n - 1].position;
		s->oldest = oldest_message(s->state, first);
		s->written = 0;
	} else {
		log_warn("checkpoint_failed", LERR("error", err));
	}
	for (size_t i = 0; i < f.n; i++)
		free((char *)(uintptr_t)f.frame[i].parts[0].p);
	free(f.frame);
}

struct hint {
	struct spool *s;
	int dir, err;
	uint64_t position;
};

static void hint_run(void *arg)
{
	struct hint *h = arg;
	struct buf b;
	buf_init(&b, 32);
	buf_addu(&b, h->position);
	buf_addc(&b, '\n');
	h->err = file_replace(h->dir, "checkpoint", buf_view(&b), 0600);
	buf_fini(&b);
}

/* Only now, when the hint stands, may what is before go: a stale hint would point into nothing, which costs a full replay and is harmless too. */
static void hint_done(void *arg)
{
	struct hint *h = arg;
	struct spool *s = h->s;
	s->hinting = false;
	if (h->err != ERR_OK)
		log_warn("checkpoint_hint_failed", LERR("error", h->err));
	int err = journal_drop(s->journal, s->oldest < h->position ? s->oldest : h->position);
	if (err != ERR_OK)
		log_warn("spool_drop_failed", LERR("error", err));
	s->compacting = s->taken > 4 * (uint64_t)state_count(s->state) + 1000;
	if (s->compacting)
		timer_set(s->tidy, SLICE_MS);
	free(h);
}

void tidy_durable(struct spool *s)
{
	if (!s->check_end || s->check_end >= journal_durable(s->journal))
		return;
	s->checkpoint = s->check_from;
	s->check_end = 0;
	struct hint *h = mem_new(sizeof *h);
	*h = (struct hint){ .s = s, .dir = s->dir, .position = s->checkpoint };
	s->hinting = true;
	pool_submit(s->pool, hint_run, hint_done, h);
}

void tidy_undone(struct spool *s, uint64_t from, uint64_t to)
{
	if (s->check_end && s->check_end >= from && s->check_from < to)
		s->check_end = 0;
}

/* ---- compaction ---- */

/* Before the checkpoint only live messages count; from it on every record does. */
static bool is_live(void *arg, const struct journal_record *r)
{
	const struct spool *s = arg;
	return r->position >= s->checkpoint || state_find(s->state, r->position) != HANDLE_NONE;
}

static void compact(struct spool *s)
{
	bool more = false;
	int err = journal_compact(s->journal, is_live, s, COMPACT_SLICE, &more);
	if (err != ERR_OK && err != ERR_BUSY)
		log_warn("spool_compaction_failed", LERR("error", err));
	s->compacting = (err == ERR_OK && more) || err == ERR_BUSY; /* a snapshot is being taken: afterwards */
	if (!s->compacting)
		s->taken = 0;
}

static void tick(void *arg)
{
	struct spool *s = arg;
	if (s->full)
		relieve(s);
	if (s->compacting && s->checkpoint)
		compact(s);
	else if (s->written > CHECK_OCTETS && s->written / 8 > state_count(s->state) * KEPT_OCTETS && !s->check_end && !s->hinting)
		spool_checkpoint_soon(s);
	timer_set(s->tidy, s->compacting ? SLICE_MS : EVERY_MS);
}
