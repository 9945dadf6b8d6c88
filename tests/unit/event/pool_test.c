/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/loop.h"

static int set_up(void **state)
{
	*state = loop_new();
	return 0;
}

static int tear_down(void **state)
{
	loop_free(*state);
	return 0;
}

struct task {
	struct loop *loop;
	struct pool *pool;
	pthread_t in_loop, ran_in;
	bool signals_blocked;
	int runs, dones;
	int *left; /* of all; the last one stops the loop */
	int resubmit;
};

static void run(void *arg)
{
	struct task *t = arg;
	sigset_t set;

	t->ran_in = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	t->signals_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGCHLD) == 1;
	t->runs++;
}

static void done(void *arg)
{
	struct task *t = arg;

	t->dones += pthread_equal(pthread_self(), t->in_loop) && t->runs == t->dones + 1;
	if (t->resubmit) {
		t->resubmit--;
		pool_submit(t->pool, run, done, t);
	} else if (--*t->left == 0) {
		loop_stop(t->loop);
	}
}

static void works(void **state)
{
	enum { N = 500 };
	struct pool *p = pool_new(*state, 4);
	static struct task t[N];
	int left = N;

	for (int i = 0; i < N; i++) {
		t[i] = (struct task){ .loop = *state, .pool = p, .in_loop = pthread_self(), .left = &left, .resubmit = i % 3 };
		pool_submit(p, run, done, &t[i]);
	}
	assert_int_equal(pool_pending(p), N);
	loop_run(*state);
	assert_int_equal(pool_pending(p), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(t[i].runs, 1 + i % 3);
		assert_int_equal(t[i].dones, t[i].runs);
		assert_true(t[i].signals_blocked);
		assert_false(pthread_equal(t[i].ran_in, pthread_self()));
	}
	/* The mask of the loop's own thread is as it was. */
	sigset_t set;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	assert_int_equal(sigismember(&set, SIGTERM), 0);
	pool_free(p);
	pool_free(NULL);
}

static void nap(void *arg)
{
	usleep(20000);
	++*(int *)arg;
}

static void never(void *arg)
{
	*(int *)arg += 1000;
}

/* What runs is waited for, what waits is dropped, and done is called for neither. */
static void frees_while_working(void **state)
{
	struct pool *p = pool_new(*state, 1);
	int n = 0;

	for (int i = 0; i < 10; i++)
		pool_submit(p, nap, never, &n);
	usleep(5000);
	pool_free(p);
	assert_true(n < 10);
}

struct freer {
	struct loop *loop;
	struct pool *pool;
	int dones;
};

static void nothing(void *arg)
{
	(void)arg;
}

static void free_in_done(void *arg)
{
	struct freer *f = arg;

	f->dones++;
	pool_free(f->pool);
	loop_stop(f->loop);
}

/* Others have finished in the same turn: the pool is gone, and so are they. */
static void frees_in_done(void **state)
{
	struct freer f = { .loop = *state, .pool = pool_new(*state, 2) };

	for (int i = 0; i < 50; i++)
		pool_submit(f.pool, nothing, free_in_done, &f);
	loop_run(*state);
	assert_int_equal(f.dones, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(works), TEST(frees_while_working), TEST(frees_in_done) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
