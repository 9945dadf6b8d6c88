/* SPDX-License-Identifier: ISC */
/* Exactly-once: a delivery that is offered again, to this process or to the next one, is found and not repeated. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "journal/seam.h"
#include "local-delivery/seen.h"
#include "local-delivery/streams.h"
#include "sys/boot.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tests/unit/qmgr/scratch.h"

enum { USERS = 20, FIRST = 4000 };

struct fixture {
	char path[64];
	int dir;
	struct loop *loop;
	struct pool *pool;
	struct streams *streams;
	unsigned open, done, news;
	unsigned bad_marks; /* writes of a mark that fail, the next ones */
	struct journal_seam seam;
	atomic_bool enough;
	struct arena *waits; /* of all processes that this test has been */
};

static void heard(void *arg, uint32_t uid)
{
	struct fixture *f = arg;
	assert_in_range(uid, FIRST, FIRST + USERS - 1);
	assert_int_equal(f->bad_marks, 0);
	f->news++;
}

static int before_call(void *arg, struct seam_call *c)
{
	struct fixture *f = arg;
	if (c->op != SEAM_WRITE || strcmp(c->name, "lock") != 0 || f->bad_marks == 0)
		return 0;
	f->bad_marks--;
	return EIO;
}

static void begin(struct fixture *f, size_t max)
{
	f->seam = (struct journal_seam){ .arg = f, .before = before_call };
	struct stream_options o = { .mail = f->dir, .max = max, .frame_max = 1 << 24, .seam = &f->seam };
	f->streams = streams_new(f->loop, f->pool, &o);
	streams_on_news(f->streams, heard, f);
}

/* As after a SIGKILL: nothing is flushed that was not. */
static void restart(struct fixture *f, size_t max)
{
	streams_free(f->streams);
	begin(f, max);
}

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof f);
	f.dir = help_dir(f.path);
	for (uint32_t u = 0; u < USERS; u++) {
		char home[INCOMING_HOME_MAX], path[64];
		incoming_home(FIRST + u, home);
		(void)snprintf(path, sizeof path, "%.2s", home);
		assert_int_equal(file_mkdir(f.dir, path, 0700), ERR_OK);
		assert_int_equal(file_mkdir(f.dir, home, 0700), ERR_OK);
		(void)snprintf(path, sizeof path, "%s/incoming", home);
		assert_int_equal(file_mkdir(f.dir, path, 0700), ERR_OK);
	}
	f.waits = arena_new();
	f.loop = loop_new();
	f.pool = pool_new(f.loop, 1);
	begin(&f, 100);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	streams_free(f->streams);
	pool_free(f->pool);
	loop_free(f->loop);
	arena_free(f->waits);
	close(f->dir);
	help_remove(f->path);
	return 0;
}

struct wait {
	struct stream_wait w;
	struct fixture *f;
};

static void flushed(struct stream_wait *w, int err)
{
	struct fixture *f = ((struct wait *)(void *)w)->f;
	assert_int_equal(err, ERR_OK);
	assert_int_equal(f->bad_marks, 0);
	f->done++;
	if (--f->open == 0)
		loop_stop(f->loop);
}

static int deliver(struct fixture *f, uint32_t user, uint64_t spool, uint64_t message, uint32_t index, uint64_t floor, bool *again)
{
	struct wait *w = arena_alloc(f->waits, sizeof *w);
	const struct view parts[3] = { VIEW("Return-Path: <>\r\n"), VIEW("Received: x\r\n"), VIEW("Subject: y\r\n\r\nz\r\n") };
	struct incoming in = { .id = { spool, message, index }, .floor = floor, .date = 5 };
	w->f = f;
	w->w.fn = flushed;
	int err = streams_append(f->streams, FIRST + user, &in, parts, &w->w, again);
	f->open += err == ERR_OK;
	return err;
}

static void finish(struct fixture *f)
{
	if (f->open)
		loop_run(f->loop);
	assert_true(streams_idle(f->streams));
}

static int count_one(void *arg, const struct journal_record *r)
{
	struct incoming in;
	assert_int_equal(r->kind, INCOMING_MESSAGE);
	assert_int_equal(incoming_decode(r->payload, &in), ERR_OK);
	assert_true(view_ends(r->payload, VIEW("Received: x\r\nSubject: y\r\n\r\nz\r\n")));
	assert_true(in.back <= r->position);
	++*(unsigned *)arg;
	return 0;
}

static int incoming_dir(struct fixture *f, uint32_t user)
{
	char home[INCOMING_HOME_MAX], path[64];
	int fd;
	incoming_home(FIRST + user, home);
	(void)snprintf(path, sizeof path, "%s/incoming", home);
	assert_int_equal(file_open_dir(f->dir, path, &fd), ERR_OK);
	return fd;
}

/* How many records the account's stream holds: the streams must be closed. */
static unsigned count(struct fixture *f, uint32_t user)
{
	struct journal_options o = { .role = JOURNAL_READER, .frame_max = 1 << 24 };
	struct journal *j;
	uint64_t next;
	unsigned n = 0;
	int fd = incoming_dir(f, user);
	assert_int_equal(journal_open(fd, &o, &j), ERR_OK);
	close(fd);
	assert_int_equal(journal_scan(j, journal_start(j), count_one, &n, &next), ERR_OK);
	journal_close(j);
	return n;
}

static void says_done_when_it_is_durable(void **state)
{
	struct fixture *f = *state;
	bool again;
	assert_int_equal(deliver(f, 0, 1, 10, 0, 10, &again), ERR_OK);
	assert_false(again);
	assert_int_equal(f->done, 0);
	finish(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->news, 1);
}

/* Sessions go by the mark: what is told delivered before it is written might never be seen, where nothing is delivered behind it. */
static void says_done_when_sessions_see_it(void **state)
{
	struct fixture *f = *state;
	struct journal_options o = { .role = JOURNAL_READER };
	struct journal *j;
	bool again;
	int fd;
	assert_int_equal(deliver(f, 0, 1, 10, 0, 10, &again), ERR_OK);
	finish(f);
	f->bad_marks = 2;
	assert_int_equal(deliver(f, 0, 1, 11, 0, 10, &again), ERR_OK);
	finish(f); /* heard and flushed look */
	assert_int_equal(f->done, 2);
	assert_int_equal(f->news, 2);
	fd = incoming_dir(f, 0);
	assert_int_equal(journal_open(fd, &o, &j), ERR_OK);
	close(fd);
	assert_int_equal(journal_settled(j), journal_end(j));
	journal_close(j);
}

/* One that cannot be written when a stream is opened: nothing is appended, for sessions would take it before it is durable. */
static void appends_nothing_before_the_mark_is_there(void **state)
{
	struct fixture *f = *state;
	bool again;
	boot_pretend(1);
	assert_int_equal(deliver(f, 0, 1, 10, 0, 10, &again), ERR_OK);
	finish(f);
	boot_pretend(2);
	restart(f, 100);
	f->bad_marks = 2; /* the opening's own, and the one behind it */
	assert_int_equal(deliver(f, 0, 1, 11, 0, 10, &again), ERR_IO);
	assert_int_equal(count(f, 0), 1);
	assert_int_equal(deliver(f, 0, 1, 11, 0, 10, &again), ERR_OK);
	finish(f);
	assert_int_equal(count(f, 0), 2);
	boot_pretend(0);
}

/* A pool of one thread whose first job lasts until a descriptor is written: the flush behind it is under way for as long. */
struct beside {
	struct fixture *f;
	int gate[2];
};

static void wait_at_gate(void *arg)
{
	char c;
	(void)!read(((struct beside *)arg)->gate[0], &c, 1);
}

static void passed_gate(void *arg)
{
	(void)arg;
}

static void deliver_beside(void *arg)
{
	struct beside *b = arg;
	bool again;
	assert_int_equal(b->f->done, 0);
	assert_false(streams_idle(b->f->streams));
	assert_int_equal(deliver(b->f, 1, 1, 11, 0, 10, &again), ERR_OK);
	/* In the turn after the one that finds a batch running. */
	assert_int_equal(write(b->gate[1], "x", 1), 1);
}

static void give_up(void *arg)
{
	loop_stop(((struct fixture *)arg)->loop);
}

static void another_stream_is_flushed_after_the_batch_that_it_missed(void **state)
{
	struct fixture *f = *state;
	struct beside b = { .f = f };
	struct timer *t = timer_new(f->loop, deliver_beside, &b), *end = timer_new(f->loop, give_up, f);
	bool again;
	assert_int_equal(pipe(b.gate), 0);
	pool_submit(f->pool, wait_at_gate, passed_gate, &b);
	assert_int_equal(deliver(f, 0, 1, 10, 0, 10, &again), ERR_OK);
	timer_set(t, 50);
	timer_set(end, 5000);
	loop_run(f->loop);
	timer_free(t);
	timer_free(end);
	close(b.gate[0]);
	close(b.gate[1]);
	assert_int_equal(f->done, 2);
}

static void an_account_without_a_home_is_told_apart(void **state)
{
	struct fixture *f = *state;
	bool again;
	assert_int_equal(deliver(f, USERS + 5, 1, 10, 0, 10, &again), ERR_NOT_FOUND);
}

static void finds_what_it_delivered_before(void **state)
{
	struct fixture *f = *state;
	bool again;
	for (int round = 0; round < 4; round++) {
		for (uint32_t u = 0; u < USERS; u++) { /* many: one syncfs for all */
			assert_int_equal(deliver(f, u, 1, 10, u, 10, &again), ERR_OK);
			assert_int_equal(again, round > 0);
			assert_int_equal(deliver(f, u, 1, 11, u, 10, &again), ERR_OK);
			assert_int_equal(again, round > 0);
		}
		if (round != 1) /* in one of them nothing is flushed before the end */
			finish(f);
		else
			f->open = 0;
		restart(f, round == 2 ? 3 : 100); /* few may be open: they are opened again and again */
	}
	finish(f);
	streams_free(f->streams);
	f->streams = NULL;
	for (uint32_t u = 0; u < USERS; u++)
		assert_int_equal(count(f, u), 2);
	begin(f, 100);
}

static void forgets_below_the_floor_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	bool again;
	for (uint64_t m = 10; m < 400; m++) {
		assert_int_equal(deliver(f, 1, 1, m, 0, m > 100 ? m - 50 : 10, &again), ERR_OK);
		if (m % 100 == 0) {
			finish(f);
			restart(f, 100);
		}
	}
	finish(f);
	restart(f, 100);
	for (uint64_t m = 349; m < 400; m++) {
		assert_int_equal(deliver(f, 1, 1, m, 0, 349, &again), ERR_OK);
		assert_true(again);
	}
	assert_int_equal(deliver(f, 1, 1, 399, 1, 349, &again), ERR_OK);
	assert_false(again); /* another recipient of the same message */
	assert_int_equal(deliver(f, 1, 2, 399, 0, 349, &again), ERR_OK);
	assert_false(again); /* another spool's */
	finish(f);
}

static void an_older_message_that_is_tried_again_is_remembered(void **state)
{
	struct fixture *f = *state;
	bool again;
	assert_int_equal(deliver(f, 2, 1, 100, 0, 100, &again), ERR_OK);
	assert_int_equal(deliver(f, 2, 1, 5, 0, 5, &again), ERR_OK); /* the floor goes back with it */
	assert_int_equal(deliver(f, 2, 1, 101, 0, 5, &again), ERR_OK);
	finish(f);
	restart(f, 100);
	assert_int_equal(deliver(f, 2, 1, 5, 0, 5, &again), ERR_OK);
	assert_true(again);
	finish(f);
}

static void undoes_what_was_lost(void **state)
{
	struct seen *s = seen_new();
	struct incoming_id id = { 1, 0, 0 };
	uint64_t at;
	(void)state;
	for (id.message = 0; id.message < 1000; id.message++)
		seen_add(s, &id, 1000 + id.message);
	seen_undo(s, 1500, 2000);
	assert_int_equal(seen_count(s), 500);
	id.message = 499;
	assert_true(seen_has(s, &id, &at));
	assert_int_equal(at, 1499);
	id.message = 500;
	assert_false(seen_has(s, &id, &at));
	seen_prune(s, 1, 400);
	assert_int_equal(seen_back(s, 7), 1400);
	seen_prune(s, 1, 5000);
	assert_int_equal(seen_back(s, 7), 7);
	for (id.message = 0; id.message < SEEN_FOREIGN + 10; id.message++)
		seen_add(s, &id, id.message);
	seen_prune(s, 2, 0);
	assert_int_equal(seen_count(s), SEEN_FOREIGN);
	seen_free(s);
}

/* As another program would, and at once: 0, or why it cannot. */
static int own(struct fixture *f, uint32_t user)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .frame_max = 1 << 24 };
	struct journal *j;
	int fd = incoming_dir(f, user), err = journal_open(fd, &o, &j);
	close(fd);
	if (err == ERR_OK)
		journal_close(j);
	return err;
}

static void a_held_home_is_let_go_and_its_mail_waits(void **state)
{
	struct fixture *f = *state;
	bool again;
	assert_int_equal(deliver(f, 4, 1, 10, 0, 10, &again), ERR_OK);
	streams_hold(f->streams, FIRST + 4, true);
	assert_true(streams_held(f->streams, FIRST + 4));
	/* What was appended is still flushed and told. */
	assert_int_equal(own(f, 4), ERR_BUSY);
	assert_int_equal(deliver(f, 4, 1, 11, 0, 10, &again), ERR_BUSY);
	assert_int_equal(deliver(f, 5, 1, 11, 0, 10, &again), ERR_OK);
	finish(f);
	assert_int_equal(f->done, 2);
	assert_int_equal(own(f, 4), ERR_OK);
	assert_int_equal(own(f, 5), ERR_BUSY);
	streams_open(f->streams, (uint32_t[]){ FIRST + 4 }, 1);
	assert_int_equal(own(f, 4), ERR_OK);
	/* One that nothing waits for is let go at once. */
	streams_hold(f->streams, FIRST + 5, true);
	assert_int_equal(own(f, 5), ERR_OK);
	streams_hold(f->streams, FIRST + 4, false);
	assert_int_equal(deliver(f, 4, 1, 10, 0, 10, &again), ERR_OK);
	assert_true(again);
	streams_release(f->streams);
	assert_int_equal(deliver(f, 5, 1, 12, 0, 10, &again), ERR_OK);
	finish(f);
}

/* Nothing is remembered of the home that was there before. */
static void an_exchanged_home_is_read_anew(void **state)
{
	struct fixture *f = *state;
	char home[INCOMING_HOME_MAX], path[64];
	bool again;
	assert_int_equal(deliver(f, 6, 1, 10, 0, 10, &again), ERR_OK);
	assert_int_equal(deliver(f, 6, 1, 11, 0, 10, &again), ERR_OK);
	finish(f);
	streams_hold(f->streams, FIRST + 6, true);
	incoming_home(FIRST + 6, home);
	assert_int_equal(renameat(f->dir, home, f->dir, "aside"), 0);
	assert_int_equal(file_mkdir(f->dir, home, 0700), ERR_OK);
	(void)snprintf(path, sizeof path, "%s/incoming", home);
	assert_int_equal(file_mkdir(f->dir, path, 0700), ERR_OK);
	streams_hold(f->streams, FIRST + 6, false);
	assert_int_equal(deliver(f, 6, 1, 11, 0, 10, &again), ERR_OK);
	assert_false(again);
	finish(f);
	streams_free(f->streams);
	f->streams = NULL;
	assert_int_equal(count(f, 6), 1);
	begin(f, 100);
}

/*
 * The same between the opening of the path and the lock: who exchanged the home has let the lock of the old one go by then, and what was appended to
 * that would be in nobody's home.
 */
static struct {
	struct fixture *f;
	uint32_t user;
	atomic_bool armed; /* the next lock is the one */
} exchange;

static void exchange_home(void)
{
	char home[INCOMING_HOME_MAX], path[64];
	incoming_home(FIRST + exchange.user, home);
	assert_int_equal(file_mkdir(exchange.f->dir, "other", 0700), ERR_OK);
	assert_int_equal(file_mkdir(exchange.f->dir, "other/incoming", 0700), ERR_OK);
	assert_int_equal(renameat2(exchange.f->dir, "other", exchange.f->dir, home, RENAME_EXCHANGE), 0);
	(void)snprintf(path, sizeof path, "exchanged%u", exchange.user);
	assert_int_equal(renameat(exchange.f->dir, "other", exchange.f->dir, path), 0);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list ap;
	va_start(ap, command);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (command == F_OFD_SETLK && atomic_exchange(&exchange.armed, false))
		exchange_home();
	return __real_fcntl(fd, command, arg);
}

static void arm_exchange(struct fixture *f, uint32_t user)
{
	exchange.f = f;
	exchange.user = user;
	exchange.armed = true;
}

static void a_home_exchanged_before_the_lock_is_not_written_to(void **state)
{
	struct fixture *f = *state;
	uint32_t ahead = FIRST + 8;
	bool again;
	/* At the append itself, of a stream that was there and of one that nobody has begun. */
	assert_int_equal(deliver(f, 6, 1, 10, 0, 10, &again), ERR_OK);
	finish(f);
	restart(f, 100);
	for (uint32_t user = 6; user <= 7; user++) {
		arm_exchange(f, user);
		assert_int_equal(deliver(f, user, 1, 11, 0, 10, &again), ERR_BUSY);
		assert_false(exchange.armed);
		assert_int_equal(deliver(f, user, 1, 11, 0, 10, &again), ERR_OK);
		assert_false(again);
	}
	/* At an opening ahead of the append. */
	arm_exchange(f, 8);
	streams_open(f->streams, &ahead, 1);
	assert_false(exchange.armed);
	assert_int_equal(deliver(f, 8, 1, 11, 0, 10, &again), ERR_OK);
	finish(f);
	streams_free(f->streams);
	f->streams = NULL;
	for (uint32_t user = 6; user <= 8; user++)
		assert_int_equal(count(f, user), 1);
	begin(f, 100);
}

/* ---- an account that means harm: it may write the directory ---- */

/* How many of the users' streams are somebody's. */
static unsigned owned(struct fixture *f)
{
	unsigned n = 0;
	for (uint32_t u = 0; u < USERS; u++)
		n += own(f, u) == ERR_BUSY;
	return n;
}

/* The hint changes what is open, never what is delivered: named twice, without a home, more than may be open, open already or waiting for its flush. */
static void opens_many_at_once(void **state)
{
	struct fixture *f = *state;
	uint32_t uids[2 * USERS + 1];
	bool again;
	for (uint32_t i = 0; i < 2 * USERS; i++)
		uids[i] = FIRST + i % USERS;
	uids[2 * USERS] = FIRST + USERS + 5;
	for (int round = 0; round < 5; round++) {
		assert_int_equal(owned(f), 0);
		if (round == 3)
			assert_int_equal(deliver(f, 3, 1, 10, 3, 10, &again), ERR_OK);
		streams_open(f->streams, uids, 2 * USERS + 1);
		assert_int_equal(owned(f), round == 2 ? USERS / 4 : USERS);
		streams_open(f->streams, uids, round == 1 ? 0 : 2 * USERS + 1);
		for (uint32_t u = 0; u < USERS; u++) {
			assert_int_equal(deliver(f, u, 1, 10, u, 10, &again), ERR_OK);
			assert_int_equal(again, round > 0);
		}
		assert_int_equal(deliver(f, USERS + 5, 1, 10, 0, 10, &again), ERR_NOT_FOUND);
		finish(f);
		restart(f, round == 1 ? USERS / 2 : 100);
	}
	streams_free(f->streams);
	f->streams = NULL;
	for (uint32_t u = 0; u < USERS; u++)
		assert_int_equal(count(f, u), 1);
	begin(f, 100);
}

/* Its own mail waits, and that of the next account arrives all the same. */
static void hurts_itself_only(struct fixture *f, uint32_t user, int want)
{
	bool again;
	uint64_t began = clock_mono_ms();
	assert_int_equal(deliver(f, user, 1, 1000 + user, 0, 0, &again), want);
	assert_in_range(clock_mono_ms() - began, 0, 2000);
	assert_int_equal(deliver(f, 19, 1, 1000 + user, 0, 0, &again), ERR_OK);
	f->done = 0;
	loop_run(f->loop);
	assert_int_equal(f->done, 1);
}

static void put(int dir, const char *name, off_t size)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0666);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void planted_files_hurt_the_account_only(void **state)
{
	static const char segment[] = "0000000000000000";
	struct fixture *f = *state;
	int dir;
	dir = incoming_dir(f, 0);
	assert_int_equal(mkfifoat(dir, "lock", 0666), 0);
	close(dir);
	hurts_itself_only(f, 0, ERR_INVALID);
	dir = incoming_dir(f, 1);
	assert_int_equal(symlinkat("../../../victim", dir, "lock"), 0);
	close(dir);
	hurts_itself_only(f, 1, ERR_INVALID);
	dir = incoming_dir(f, 2);
	assert_int_equal(mkfifoat(dir, segment, 0666), 0);
	close(dir);
	hurts_itself_only(f, 2, ERR_INVALID);
	dir = incoming_dir(f, 3);
	assert_int_equal(mkdirat(dir, segment, 0777), 0);
	close(dir);
	hurts_itself_only(f, 3, ERR_INVALID);
	/* Somebody else's file, which would take hours to look through. */
	if (geteuid() == 0) {
		dir = incoming_dir(f, 5);
		put(dir, segment, (off_t)1 << 40);
		assert_int_equal(fchownat(dir, segment, 1900000001, 1900000001, 0), 0);
		close(dir);
		hurts_itself_only(f, 5, ERR_DENIED);
	}
	/* The lock is held for ever. */
	dir = incoming_dir(f, 6);
	put(dir, "lock", 0);
	int lock = openat(dir, "lock", O_RDONLY);
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	assert_int_equal(fcntl(lock, F_OFD_SETLK, &l), 0);
	close(dir);
	hurts_itself_only(f, 6, ERR_BUSY);
	close(lock);
}

static void more_names_than_a_stream_has_are_not_looked_through(void **state)
{
	struct fixture *f = *state;
	int dir = incoming_dir(f, 7);
	char name[32];
	for (unsigned i = 0; i < 17000; i++) {
		(void)snprintf(name, sizeof name, "%016x", i * 4096);
		put(dir, name, 0);
	}
	close(dir);
	hurts_itself_only(f, 7, ERR_LIMIT);
}

/* Each listing finds other names than the one before. */
static void *change_for_ever(void *arg)
{
	struct fixture *f = arg;
	int dir = incoming_dir(f, 8);
	char name[2][32];
	for (uint64_t i = 0; !atomic_load(&f->enough); i++) {
		(void)snprintf(name[i % 2], sizeof *name, "%016llx", (unsigned long long)(i << 12));
		(void)renameat(dir, name[(i + 1) % 2], dir, name[i % 2]);
	}
	close(dir);
	return NULL;
}

static void a_directory_that_never_stands_still_is_given_up(void **state)
{
	struct fixture *f = *state;
	int dir = incoming_dir(f, 8);
	pthread_t thread;
	bool again;
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "x%u", i);
		put(dir, name, 0);
	}
	put(dir, "0000000000001000", 0);
	close(dir);
	assert_int_equal(pthread_create(&thread, NULL, change_for_ever, f), 0);
	uint64_t began = clock_mono_ms();
	(void)!deliver(f, 8, 1, 1, 0, 0, &again);
	assert_in_range(clock_mono_ms() - began, 0, 5000);
	atomic_store(&f->enough, true);
	pthread_join(thread, NULL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(says_done_when_it_is_durable),
		T(says_done_when_sessions_see_it),
		T(appends_nothing_before_the_mark_is_there),
		T(another_stream_is_flushed_after_the_batch_that_it_missed),
		T(an_account_without_a_home_is_told_apart),
		T(opens_many_at_once),
		T(finds_what_it_delivered_before),
		T(forgets_below_the_floor_and_nothing_else),
		T(an_older_message_that_is_tried_again_is_remembered),
		T(a_held_home_is_let_go_and_its_mail_waits),
		T(an_exchanged_home_is_read_anew),
		T(a_home_exchanged_before_the_lock_is_not_written_to),
		T(planted_files_hurt_the_account_only),
		T(more_names_than_a_stream_has_are_not_looked_through),
		T(a_directory_that_never_stands_still_is_given_up),
		cmocka_unit_test(undoes_what_was_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
