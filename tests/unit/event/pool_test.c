/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
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

enum { SHARES = 3000 };

struct shared {
	atomic_int calls[SHARES];
};

static void call_one(void *arg, size_t i)
{
	struct shared *s = arg;

	atomic_fetch_add(&s->calls[i], 1);
}

/* Each once, and all are over when it returns: with threads that are idle, and with none. */
static void shares(void **state)
{
	static struct shared s;
	struct pool *p = pool_new(*state, 3);
	int n = 0;

	for (int round = 1; round <= 20; round++) {
		pool_share(p, call_one, &s, SHARES);
		for (int i = 0; i < SHARES; i++)
			assert_int_equal(atomic_load(&s.calls[i]), round);
	}
	pool_share(p, call_one, &s, 0);
	pool_share(p, call_one, &s, 1);
	assert_int_equal(atomic_load(&s.calls[0]), 21);
	assert_int_equal(atomic_load(&s.calls[1]), 20);
	pool_free(p);
	p = pool_new(*state, 1);
	pool_submit(p, nap, never, &n);
	pool_share(p, call_one, &s, 10);
	assert_int_equal(atomic_load(&s.calls[9]), 21);
	pool_free(p);
	assert_in_range(n, 0, 1); /* nobody calls done */
}

struct pair {
	atomic_int begun;
	atomic_bool met[2];
};

/* Waits until the other one has begun, at most a minute. */
static void meet(void *arg, size_t i)
{
	struct pair *p = arg;

	atomic_fetch_add(&p->begun, 1);
	for (int waits = 0; waits < 60000 && atomic_load(&p->begun) < 2; waits++)
		usleep(1000);
	atomic_store(&p->met[i], atomic_load(&p->begun) == 2);
}

static void shares_at_the_same_time(void **state)
{
	struct pool *p = pool_new(*state, 1);
	struct pair pair = { 0 };

	pool_share(p, meet, &pair, 2);
	assert_true(atomic_load(&pair.met[0]) && atomic_load(&pair.met[1]));
	pool_free(p);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(works), TEST(frees_while_working), TEST(frees_in_done), TEST(shares),
		TEST(shares_at_the_same_time) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
