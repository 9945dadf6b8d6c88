/* SPDX-License-Identifier: ISC */
/* The spool over a real journal: what was told to be durable is there after a restart, whatever was written besides. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "qmgr/content.h"
#include "qmgr/spool.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tests/unit/qmgr/help.h"

struct fixture {
	char path[64];
	int dir;
	struct loop *loop;
	struct pool *pool;
	struct spool *spool;
	unsigned open;       /* appended, not yet told */
	uint64_t positions[4096];
	size_t n;
	uint64_t octets;
};

static void reopen(struct fixture *f)
{
	assert_true(!f->spool || spool_idle(f->spool));
	spool_close(f->spool);
	assert_int_equal(spool_open(f->loop, f->pool, f->dir, &f->spool), ERR_OK);
}

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof f);
	f.dir = help_dir(f.path);
	f.loop = loop_new();
	f.pool = pool_new(f.loop, 1);
	reopen(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	spool_close(f->spool);
	pool_free(f->pool);
	loop_free(f->loop);
	close(f->dir);
	help_remove(f->path);
	return 0;
}

static void told(void *arg, struct spool_entry *e, int err)
{
	struct fixture *f = arg;
	assert_int_equal(err, ERR_OK);
	f->positions[f->n++] = e->position;
	if (--f->open == 0)
		loop_stop(f->loop);
}

static void put(struct fixture *f, uint16_t kind, struct buf *b)
{
	f->open++;
	spool_append(f->spool, kind, buf_view(b), false, told, f);
	b->mem = NULL; /* the spool's now */
	buf_init(b, SIZE_MAX);
}

static void keeps_what_it_told(void **state)
{
	struct fixture *f = *state;
	struct spool_message sm;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 100; i++) {
		help_message(&b, 1000, "a@example.test", 2, "");
		put(f, SPOOL_MESSAGE, &b);
	}
	assert_int_equal(state_count(spool_state(f->spool)), 0); /* nothing counts before it is durable */
	loop_run(f->loop);
	assert_int_equal(state_count(spool_state(f->spool)), 100);
	help_result(&b, f->positions[3], 1001, 0, 0, "dd");
	put(f, SPOOL_RESULT, &b);
	loop_run(f->loop);
	uint64_t id = state_spool(spool_state(f->spool));
	reopen(f);
	struct state *s = spool_state(f->spool);
	assert_int_equal(state_spool(s), id);
	assert_int_equal(state_count(s), 99);
	assert_int_equal(state_find(s, f->positions[3]), HANDLE_NONE);
	handle h = state_find(s, f->positions[4]);
	assert_int_not_equal(h, HANDLE_NONE);
	assert_int_equal(spool_read_message(f->spool, state_message(s, h), &sm), ERR_OK);
	assert_true(view_eq(sm.content, VIEW("Subject: x\r\n\r\nbody\r\n")));
	buf_fini(&b);
}

static void only_one_has_it(void **state)
{
	struct fixture *f = *state;
	struct spool *other;
	assert_int_equal(spool_open(f->loop, f->pool, f->dir, &other), ERR_BUSY);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

/* Runs until the checkpoint's hint is written and all is quiet. */
static void checkpoint(struct fixture *f)
{
	struct timer *t = timer_new(f->loop, stop_loop, f->loop);
	(void)unlinkat(f->dir, "checkpoint", 0);
	spool_checkpoint_soon(f->spool);
	for (int i = 0; i < 500 && (faccessat(f->dir, "checkpoint", F_OK, 0) != 0 || !spool_idle(f->spool)); i++) {
		timer_set(t, 5);
		loop_run(f->loop);
	}
	timer_free(t);
	assert_int_equal(faccessat(f->dir, "checkpoint", F_OK, 0), 0);
}

static void restarts_from_a_checkpoint_and_without_its_hint(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++) {
			help_message(&b, (uint64_t)clock_wall(NULL), "a@example.test", 1 + 40u * (i % 3 == 0), i == 0 ? "0123456789abcdef" : "");
			put(f, SPOOL_MESSAGE, &b);
		}
		loop_run(f->loop);
		for (int i = 0; i < 25; i++) {
			help_result(&b, f->positions[f->n - 26], 1001, 0, 0, i % 3 ? "d" : "l");
			put(f, SPOOL_RESULT, &b);
		}
		loop_run(f->loop);
		size_t count = state_count(spool_state(f->spool));
		checkpoint(f);
		reopen(f);
		assert_int_equal(state_count(spool_state(f->spool)), count);
		assert_int_equal(state_commit(spool_state(f->spool), VIEW("0123456789abcdef")), f->positions[0]);
		(void)unlinkat(f->dir, "checkpoint", 0);
		reopen(f);
		assert_int_equal(state_count(spool_state(f->spool)), count);
	}
	buf_fini(&b);
}

/* ---- compaction ---- */

static int add_size(const char *name, void *arg)
{
	struct stat st;
	const struct fixture *f = arg;
	char path[128];
	(void)snprintf(path, sizeof path, "journal/%s", name);
	if (fstatat(f->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		((struct fixture *)arg)->octets += (uint64_t)st.st_size;
	return 0;
}

static uint64_t octets(struct fixture *f)
{
	int fd;
	f->octets = 0;
	assert_int_equal(file_open_dir(f->dir, "journal", &fd), ERR_OK);
	assert_int_equal(file_list(fd, add_size, f), ERR_OK);
	close(fd);
	return f->octets;
}

static void put_big(struct fixture *f, struct buf *b, uint64_t i)
{
	static char content[64 << 10];
	struct buf list;
	buf_init(&list, SIZE_MAX);
	help_rcpt(&list, 1, 1000, "x@example.test");
	memset(content, 'a' + (int)(i % 26), sizeof content);
	struct spool_message m = { .arrived = 1000 + i, .rcpts = { buf_view(&list), 1 }, .content = view_make(content, sizeof content) };
	assert_int_equal(spool_message_put(b, &m), ERR_OK);
	put(f, SPOOL_MESSAGE, b);
	buf_fini(&list);
}

static void check_live(struct fixture *f, size_t every, size_t n)
{
	struct state *s = spool_state(f->spool);
	struct spool_message sm;
	assert_int_equal(state_count(s), (n + every - 1) / every);
	for (size_t i = 0; i < n; i += every) {
		handle h = state_find(s, f->positions[i]);
		assert_int_not_equal(h, HANDLE_NONE);
		assert_int_equal(spool_read_message(f->spool, state_message(s, h), &sm), ERR_OK);
		assert_int_equal(sm.arrived, 1000 + i);
		assert_int_equal(sm.content.p[100], 'a' + (int)(i % 26));
	}
}

static void compaction_keeps_the_living_and_lets_the_dead_go(void **state)
{
	enum { N = 700, EVERY = 100 };
	struct fixture *f = *state;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	for (uint64_t i = 0; i < N; i++)
		put_big(f, &b, i);
	loop_run(f->loop);
	for (size_t i = 0; i < N; i++) {
		if (i % EVERY == 0)
			continue;
		help_result(&b, f->positions[i], 2000, 0, 0, "d");
		put(f, SPOOL_RESULT, &b);
	}
	loop_run(f->loop);
	uint64_t before = octets(f);
	checkpoint(f);
	struct timer *t = timer_new(f->loop, stop_loop, f->loop);
	for (int i = 0; i < 300 && octets(f) > before / 2; i++) {
		timer_set(t, 20);
		loop_run(f->loop);
	}
	timer_free(t);
	assert_true(octets(f) <= before / 2);
	check_live(f, EVERY, N);
	reopen(f);
	check_live(f, EVERY, N);
	(void)unlinkat(f->dir, "checkpoint", 0);
	reopen(f);
	check_live(f, EVERY, N);
	buf_fini(&b);
}

/* ---- big contents ---- */

static int proof;
static void proved(void *arg, int err)
{
	proof = err;
	loop_stop(arg);
}

static int prove(struct fixture *f, struct contents *c, uint64_t id, uint64_t size, uint32_t sum)
{
	content_prove(c, id, size, sum, proved, f->loop);
	loop_run(f->loop);
	return proof;
}

static bool wants_none(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return false;
}

static void a_content_counts_when_nobody_can_write_it(void **state)
{
	struct fixture *f = *state;
	struct contents *c;
	uint64_t id;
	int fds[2], fd;
	assert_int_equal(contents_open(f->dir, f->pool, &c), ERR_OK);
	assert_int_equal(content_new(c, &id, fds), ERR_OK);
	assert_int_equal(write(fds[0], "content\r\n", 9), 9);
	assert_true(write(fds[1], "x", 1) < 0); /* the reader's descriptor does not write */
	assert_int_equal(prove(f, c, id, 9, crc32c(0, "content\r\n", 9)), ERR_BUSY);
	close(fds[0]);
	assert_int_equal(prove(f, c, id, 8, crc32c(0, "content\r\n", 9)), ERR_DAMAGED);
	assert_int_equal(prove(f, c, id, 9, 1), ERR_DAMAGED);
	assert_int_equal(prove(f, c, id, 9, crc32c(0, "content\r\n", 9)), ERR_OK);
	assert_int_equal(prove(f, c, id + 1, 9, 0), ERR_NOT_FOUND);
	contents_sweep(c, wants_none, NULL);
	assert_int_equal(content_read(c, id, &fd), ERR_NOT_FOUND);
	close(fds[1]);
	contents_free(c);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keeps_what_it_told),
		T(only_one_has_it),
		T(restarts_from_a_checkpoint_and_without_its_hint),
		T(compaction_keeps_the_living_and_lets_the_dead_go),
		T(a_content_counts_when_nobody_can_write_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
