/* SPDX-License-Identifier: ISC */
/*
 * Keeping the spool small. A checkpoint is written when many octets were appended since the last, and at least eight times what it will take
 * itself. When it is durable, a job in a thread of its own makes the file `checkpoint` name its position, so that the next start need not read more,
 * and drops what lies wholly below the oldest live message and the checkpoint; and when most of what was taken is done, it compacts the sealed segments.
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

enum { EVERY_MS = 1000, KEPT_OCTETS = 48, COMMITS_AGE = 600 };
#define CHECK_OCTETS (UINT64_C(16) << 20)
#define COMPACT_SLICE (UINT64_C(1) << 20)
#define RESERVE_OCTETS (4 << 20)

static void tick(void *arg);

void tidy_init(struct spool *s)
{
	s->tidy = timer_new(s->loop, tick, s);
	s->keeper = pool_new(s->loop, 1);
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
	} else if (s->written && !s->check_end && !s->job) {
		spool_checkpoint_soon(s);
	}
}

void tidy_start(struct spool *s)
{
	s->full = !make_reserve(s);
	timer_set(s->tidy, EVERY_MS);
}

static void job_free(struct tidy_job *t);

void tidy_fini(struct spool *s)
{
	timer_free(s->tidy);
	atomic_store(&s->closing, true);
	pool_free(s->keeper);
	job_free(s->job);
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

/* ---- the job: hint, drop, compaction ---- */

/* All that the thread looks at: what was true when the job began stays on the safe side, as nothing comes to life again. */
struct tidy_job {
	struct spool *s; /* its dir and its wish to close, and nothing else */
	uint64_t checkpoint, drop_below;
	bool compact;
	uint64_t *live; /* numbers of the messages that are not done */
	size_t n;
	uint64_t taken; /* when it began */
	int hint_err, err;
};

static void job_free(struct tidy_job *t)
{
	if (!t)
		return;
	free(t->live);
	free(t);
}

static int write_hint(const struct tidy_job *t)
{
	struct buf b;
	buf_init(&b, 32);
	buf_addu(&b, t->checkpoint);
	buf_addc(&b, '\n');
	int err = file_replace(t->s->dir, "checkpoint", buf_view(&b), 0600);
	buf_fini(&b);
	return err;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Before the checkpoint only live messages count; from it on every record does. */
static bool is_live(void *arg, const struct journal_record *r)
{
	const struct tidy_job *t = arg;
	return r->position >= t->checkpoint || (t->n && bsearch(&r->position, t->live, t->n, sizeof *t->live, by_number));
}

static int compact(struct tidy_job *t, struct journal *j)
{
	bool more = true;
	int err = ERR_OK;
	if (t->n)
		qsort(t->live, t->n, sizeof *t->live, by_number);
	while (err == ERR_OK && more && !atomic_load(&t->s->closing))
		err = journal_compact(j, is_live, t, COMPACT_SLICE, &more);
	return err;
}

static void job_run(void *arg)
{
	struct tidy_job *t = arg;
	struct journal_options o = { .role = JOURNAL_COMPACTOR };
	struct journal *j = NULL;
	int dir = -1;
	t->hint_err = write_hint(t);
	t->err = file_open_dir(t->s->dir, "journal", &dir);
	if (t->err == ERR_OK)
		t->err = journal_open(dir, &o, &j);
	/* Only now, when the hint stands, may what is before go: a stale hint would point into nothing, which costs a full replay and is harmless too. */
	if (t->err == ERR_OK)
		t->err = journal_drop(j, t->drop_below);
	if (t->err == ERR_OK && t->compact)
		t->err = compact(t, j);
	journal_close(j);
	fd_close(&dir);
}

static void job_done(void *arg)
{
	struct tidy_job *t = arg;
	struct spool *s = t->s;
	int err = journal_refresh(s->journal);
	s->job = NULL;
	if (t->hint_err != ERR_OK)
		log_warn("checkpoint_hint_failed", LERR("error", t->hint_err));
	if (err != ERR_OK)
		log_warn("spool_not_read_anew", LERR("error", err));
	/* Busy: a snapshot is being taken; after the next checkpoint, then. */
	if (t->err != ERR_OK && t->err != ERR_BUSY)
		log_warn("spool_compaction_failed", LERR("error", t->err));
	if (t->err == ERR_OK && t->compact)
		s->taken -= t->taken;
	job_free(t);
}

static void list_live(const struct state *st, struct tidy_job *t)
{
	handle at = 0;
	t->live = mem_array(state_count(st) + 1, sizeof *t->live);
	for (handle h = state_next(st, &at); h != HANDLE_NONE; h = state_next(st, &at))
		t->live[t->n++] = state_message(st, h)->number;
}

static void job_begin(struct spool *s)
{
	struct tidy_job *t = mem_new(sizeof *t);
	*t = (struct tidy_job){ .s = s, .checkpoint = s->checkpoint, .drop_below = s->oldest < s->checkpoint ? s->oldest : s->checkpoint,
		.compact = s->taken > 4 * (uint64_t)state_count(s->state) + 1000, .taken = s->taken };
	if (t->compact)
		list_live(s->state, t);
	s->job = t;
	pool_submit(s->keeper, job_run, job_done, t);
}

void tidy_durable(struct spool *s)
{
	if (!s->check_end || s->check_end >= journal_durable(s->journal))
		return;
	s->checkpoint = s->check_from;
	s->check_end = 0;
	job_begin(s);
}

void tidy_undone(struct spool *s, uint64_t from, uint64_t to)
{
	if (s->check_end && s->check_end >= from && s->check_from < to)
		s->check_end = 0;
}

static void tick(void *arg)
{
	struct spool *s = arg;
	if (s->full)
		relieve(s);
	if (s->written > CHECK_OCTETS && s->written / 8 > state_count(s->state) * KEPT_OCTETS && !s->check_end && !s->job)
		spool_checkpoint_soon(s);
	timer_set(s->tidy, EVERY_MS);
}
