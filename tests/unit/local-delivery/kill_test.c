/* SPDX-License-Identifier: ISC */
/*
 * A delivery that is killed before and after each of its system calls: the queue manager offers again what was not reported, and each message stands
 * in its stream exactly once, and is adopted exactly once.
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
#include "tests/unit/qmgr/scratch.h"
#include "tests/unit/sys/stepper.h"

enum { USERS = 2, FIRST = 4000, MESSAGES = 4, IDS = USERS * MESSAGES };

/* In memory that the killed share with the test. */
struct board {
	atomic_bool reported[IDS];
};

struct delivery {
	struct board *board;
	int dir;
	struct loop *loop;
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

/* A process' life: what was not reported is offered, message by message. */
static void live(void *arg)
{
	struct delivery *d = arg;
	struct pool *pool;
	d->loop = loop_new();
	pool = pool_new(d->loop, 1);
	struct stream_options o = { .mail = d->dir, .max = 100, .frame_max = 1 << 24 };
	d->streams = streams_new(d->loop, pool, &o);
	for (unsigned i = 0; i < IDS; i += USERS) {
		for (unsigned u = 0; u < USERS; u++)
			if (!atomic_load(&d->board->reported[i + u]))
				offer(d, i + u);
		if (d->open)
			loop_run(d->loop);
	}
	streams_free(d->streams);
	pool_free(pool);
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

/* Each of the user's messages once, in INBOX. */
static void check_mailbox(int dir, unsigned user)
{
	char home[INCOMING_HOME_MAX];
	unsigned seen[IDS] = { 0 }, id;
	struct store_options o = { .segment_size = 16384 };
	struct mailbox_view *v;
	struct message_info info;
	struct view content;
	struct store *s;
	int fd;
	incoming_home(FIRST + user, home);
	assert_int_equal(file_open_dir(dir, home, &fd), ERR_OK);
	assert_int_equal(store_open(NULL, fd, &o, &s), ERR_OK);
	assert_int_equal(mailbox_view_open(s, VIEW("INBOX"), true, &v), ERR_OK);
	assert_int_equal(mailbox_view_count(v), MESSAGES);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
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
	fd_close(&fd);
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
		check_mailbox(first.dir, u);
	close(first.dir);
	help_remove(path);
	(void)munmap(b, sizeof *b);
	return killed;
}

static void a_delivery_killed_at_every_step(void **state)
{
	unsigned long stride = getenv("POSTRIDER_CHECK_FAULTS") ? 1 : 13, steps = 0, kills = 0;
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
