/* SPDX-License-Identifier: ISC */
/*
 * A delivery that is killed before and after each of its system calls: the queue manager offers again what was not reported, and each message stands
 * in its stream exactly once, and is adopted exactly once. And two cases of a report that does not arrive.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "local-delivery/streams.h"
#include "mailbox/mailbox.h"
#include "sys/file.h"
#include "tests/unit/faults.h"
#include "tests/unit/qmgr/scratch.h"
#include "tests/unit/sys/stepper.h"

enum { USERS = 2, FIRST = 4000, MESSAGES = 4, IDS = USERS * MESSAGES };

/* In memory that the killed share with the test. */
struct board {
	atomic_bool reported[IDS];
};

struct delivery {
	struct board *board;
	char path[64];
	int dir;
	struct loop *loop;
	struct pool *pool;
	struct streams *streams;
	unsigned open;
	struct wait {
		struct stream_wait w; /* the first member */
		struct delivery *d;
		unsigned id;
	} waits[IDS];
};

static void flushed(struct stream_wait *w, int err)
{
	struct wait *one = (struct wait *)(void *)w;
	if (err != ERR_OK)
		abort();
	atomic_store(&one->d->board->reported[one->id], true);
	if (--one->d->open == 0)
		loop_stop(one->d->loop);
}

static void offer(struct delivery *d, unsigned id)
{
	struct wait *w = &d->waits[id];
	char text[64];
	bool again;
	(void)snprintf(text, sizeof text, "Subject: %u\r\n\r\nx\r\n", id);
	const struct view parts[3] = { VIEW("Return-Path: <>\r\n"), view_of(text) };
	struct incoming in = { .id = { 1, 10 + id / USERS, id % USERS }, .floor = 10, .date = 5 };
	w->d = d;
	w->id = id;
	w->w.fn = flushed;
	if (streams_append(d->streams, FIRST + id % USERS, &in, parts, &w->w, &again) != ERR_OK)
		abort();
	d->open++;
}

static struct delivery *begin(struct delivery *d)
{
	struct stream_options o = { .mail = d->dir, .max = 100, .frame_max = 1 << 24 };
	d->streams = streams_new(d->loop, d->pool, &o);
	return d;
}

/* A process' life: what was not reported is offered, message by message. */
static void live(void *arg)
{
	struct delivery *d = arg;
	d->loop = loop_new();
	d->pool = pool_new(d->loop, 1);
	begin(d);
	for (unsigned i = 0; i < IDS; i += USERS) {
		for (unsigned u = 0; u < USERS; u++)
			if (!atomic_load(&d->board->reported[i + u]))
				offer(d, i + u);
		if (d->open)
			loop_run(d->loop);
	}
	streams_free(d->streams);
	pool_free(d->pool);
	loop_free(d->loop);
}

static void make_homes(int dir)
{
	for (uint32_t u = 0; u < USERS; u++) {
		char home[INCOMING_HOME_MAX], path[64];
		incoming_home(FIRST + u, home);
		(void)snprintf(path, sizeof path, "%.2s", home);
		assert_int_equal(file_mkdir(dir, path, 0700), ERR_OK);
		assert_int_equal(file_mkdir(dir, home, 0700), ERR_OK);
		(void)snprintf(path, sizeof path, "%s/incoming", home);
		assert_int_equal(file_mkdir(dir, path, 0700), ERR_OK);
	}
}

static struct store *open_mail(int dir, unsigned user)
{
	char home[INCOMING_HOME_MAX];
	struct store_options o = { .segment_size = 16384, .tidy_least = 1 };
	struct store *s;
	int fd;
	incoming_home(FIRST + user, home);
	assert_int_equal(file_open_dir(dir, home, &fd), ERR_OK);
	assert_int_equal(store_open(NULL, fd, &o, &s), ERR_OK);
	fd_close(&fd);
	return s;
}

/* So many of the user's messages, each once, in INBOX. */
static void check_mailbox(int dir, unsigned user, uint32_t n)
{
	unsigned seen[IDS] = { 0 }, id;
	struct mailbox_view *v;
	struct message_info info;
	struct view content;
	struct store *s = open_mail(dir, user);
	assert_int_equal(mailbox_view_open(s, VIEW("INBOX"), true, &v), ERR_OK);
	assert_int_equal(mailbox_view_count(v), n);
	for (uint32_t i = 1; i <= n; i++) {
		char text[128];
		assert_int_equal(mailbox_view_info(v, i, &info), ERR_OK);
		assert_int_equal(store_read(s, &info, &content), ERR_OK);
		(void)snprintf(text, sizeof text, "%.*s", (int)content.n, content.p);
		assert_int_equal(sscanf(text, "Return-Path: <>\r\nSubject: %u", &id), 1);
		assert_in_range(id, 0, IDS - 1);
		assert_int_equal(id % USERS, user);
		assert_int_equal(seen[id]++, 0);
	}
	mailbox_view_close(v);
	store_close(s);
}

static bool killed_at(unsigned long step, unsigned long *steps)
{
	char path[64];
	struct board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(b != MAP_FAILED);
	struct delivery first = { .board = b, .dir = help_dir(path) }, second = { .board = b, .dir = first.dir };
	make_homes(first.dir);
	bool killed = stepper_kill(live, &first, step, steps);
	live(&second);
	for (unsigned u = 0; u < USERS; u++)
		check_mailbox(first.dir, u, MESSAGES);
	close(first.dir);
	help_remove(path);
	(void)munmap(b, sizeof *b);
	return killed;
}

/* ---- cases ---- */

static int setup(void **state)
{
	static struct delivery d;
	static struct board b;
	memset(&b, 0, sizeof b);
	d = (struct delivery){ .board = &b, .loop = loop_new() };
	d.pool = pool_new(d.loop, 1);
	d.dir = help_dir(d.path);
	make_homes(d.dir);
	*state = begin(&d);
	return 0;
}

static int teardown(void **state)
{
	struct delivery *d = *state;
	streams_free(d->streams);
	pool_free(d->pool);
	loop_free(d->loop);
	close(d->dir);
	help_remove(d->path);
	return 0;
}

static void finish(struct delivery *d)
{
	while (d->open)
		loop_run(d->loop);
}

/* The queue manager died after its offers; the worker appends all the same, later than its successor's offer comes. */
static void a_worker_of_a_dead_queue_manager_appends_late(void **state)
{
	struct delivery *d = *state, next = *d;
	for (unsigned i = 0; i < IDS; i++)
		offer(d, i);
	/* Nothing of it is flushed when the same come again, to the same process: its flush serves both. */
	next.open = 0;
	for (unsigned i = 0; i < IDS; i++)
		offer(&next, i);
	finish(d);
	finish(&next);
	for (unsigned u = 0; u < USERS; u++)
		check_mailbox(d->dir, u, MESSAGES);
	/* To another one, which may not write while that one lives. */
	struct delivery other = { .board = d->board, .dir = d->dir, .loop = d->loop, .pool = d->pool };
	bool again;
	struct incoming in = { .id = { 1, 10, 0 }, .floor = 10, .date = 5 };
	assert_int_equal(streams_append(begin(&other)->streams, FIRST, &in, (const struct view[3]){ VIEW("x") }, &other.waits[0].w, &again), ERR_BUSY);
	streams_free(other.streams);
}

/* The user reads and deletes it, and all is tidied up, while its report is on its way to nobody: it comes again, and is known. */
static void a_message_deleted_before_its_delivery_was_reported(void **state)
{
	struct delivery *d = *state;
	for (unsigned i = 0; i < IDS; i++)
		offer(d, i);
	finish(d);
	for (unsigned u = 0; u < USERS; u++) {
		struct store *s = open_mail(d->dir, u);
		struct mailbox_view *v;
		assert_int_equal(mailbox_view_open(s, VIEW("INBOX"), false, &v), ERR_OK);
		assert_int_equal(mailbox_view_count(v), MESSAGES);
		assert_int_equal(mailbox_view_expunge(v, NULL, true, NULL), ERR_OK);
		mailbox_view_close(v);
		assert_int_equal(store_flush_now(s), ERR_OK);
		assert_int_equal(store_compact(s), ERR_OK);
		store_close(s);
	}
	streams_free(d->streams);
	begin(d);
	for (unsigned i = 0; i < IDS; i++)
		offer(d, i);
	finish(d);
	for (unsigned u = 0; u < USERS; u++)
		check_mailbox(d->dir, u, 0);
}

static void a_delivery_killed_at_every_step(void **state)
{
	unsigned long stride = faults_wanted() ? 1 : 13, steps = 0, kills = 0;
	(void)state;
	if (!stepper_works()) {
		print_message("this process may not trace its children\n");
		skip();
	}
	for (unsigned long k = 1; killed_at(k, &steps); k += stride)
		kills++;
	print_message("%lu kills, %lu steps\n", kills, steps);
	assert_true(steps > 100 && kills > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delivery_killed_at_every_step),
		cmocka_unit_test_setup_teardown(a_worker_of_a_dead_queue_manager_appends_late, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_deleted_before_its_delivery_was_reported, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
