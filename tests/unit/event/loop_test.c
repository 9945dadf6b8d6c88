/* SPDX-License-Identifier: ISC */
#include "event/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/random.h"
#include "base/mem.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

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

static void stop(void *arg)
{
	loop_stop(arg);
}

/* Runs for so long. */
static void run_for(struct loop *l, uint64_t ms)
{
	struct timer *t = timer_new(l, stop, l);

	timer_set(t, ms);
	loop_run(l);
	timer_free(t);
}

struct end {
	struct io *io;
	int fd;
	int calls;
	unsigned ready;
	char got[64];
	bool free_self;
};

static void on_ready(void *arg, unsigned ready)
{
	struct end *e = arg;

	e->calls++;
	e->ready |= ready;
	if (ready & IO_READ && read(e->fd, e->got, sizeof e->got - 1) < 0)
		e->got[0] = '\0';
	if (ready & IO_WRITE)
		io_want(e->io, IO_READ);
	if (e->free_self) {
		io_free(e->io);
		e->io = NULL;
	}
}

static void watches(void **state)
{
	struct loop *l = *state;
	struct end e = { .calls = 0 };
	int fds[2];

	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	e.fd = fds[0];
	e.io = io_new(l, fds[0], on_ready, &e);
	assert_int_equal(io_wanted(e.io), 0);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	run_for(l, 5);
	assert_int_equal(e.calls, 0);
	io_want(e.io, IO_READ);
	run_for(l, 5);
	assert_int_equal(e.calls, 1);
	assert_string_equal(e.got, "hello");
	io_want(e.io, IO_READ | IO_WRITE);
	run_for(l, 5);
	assert_int_equal(e.calls, 2);
	assert_int_equal(e.ready, IO_READ | IO_WRITE);
	assert_int_equal(io_wanted(e.io), IO_READ);
	io_want(e.io, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	run_for(l, 5);
	assert_int_equal(e.calls, 2);
	/* The end of file shows, and the callback may free what it was called for. */
	e.free_self = true;
	io_want(e.io, IO_READ | IO_WRITE);
	fd_close(&fds[1]);
	run_for(l, 5);
	assert_int_equal(e.calls, 3);
	assert_null(e.io);
	fd_close(&fds[0]);
	io_free(NULL);
}

/* One callback frees another object that is ready in the same turn. */
static struct io *pair[2];

static void free_both(void *arg, unsigned ready)
{
	(void)ready;
	++*(int *)arg;
	io_free(pair[0]);
	io_free(pair[1]);
	pair[0] = pair[1] = NULL;
}

static void frees_another(void **state)
{
	struct loop *l = *state;
	int fds[2], calls = 0;

	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	for (int i = 0; i < 2; i++) {
		pair[i] = io_new(l, fds[i], free_both, &calls);
		io_want(pair[i], IO_READ | IO_WRITE);
	}
	run_for(l, 10);
	assert_int_equal(calls, 1);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

struct mark {
	struct timer *timer;
	struct loop *loop;
	int calls;
	uint64_t at;
};

static void on_mark(void *arg)
{
	struct mark *m = arg;

	m->calls++;
	m->at = clock_mono_ms();
}

static void times(void **state)
{
	struct loop *l = *state;
	struct mark m = { .loop = l };
	uint64_t start = clock_mono_ms();

	m.timer = timer_new(l, on_mark, &m);
	assert_false(timer_armed(m.timer));
	timer_set(m.timer, 30);
	assert_true(timer_armed(m.timer));
	run_for(l, 60);
	assert_int_equal(m.calls, 1);
	assert_true(m.at >= start + 30 && m.at < start + 60 + 500);
	assert_false(timer_armed(m.timer));
	/* Later, then sooner, then stopped. */
	start = clock_mono_ms();
	timer_set(m.timer, 20);
	timer_set(m.timer, 250);
	run_for(l, 60);
	assert_int_equal(m.calls, 1);
	run_for(l, 250);
	assert_int_equal(m.calls, 2);
	assert_true(m.at >= start + 250);
	timer_set(m.timer, 100000);
	timer_set(m.timer, 0);
	run_for(l, 10);
	assert_int_equal(m.calls, 3);
	timer_set(m.timer, 5);
	timer_stop(m.timer);
	run_for(l, 20);
	assert_int_equal(m.calls, 3);
	/* Stopped and set again before the old time. */
	timer_set(m.timer, 5);
	timer_stop(m.timer);
	timer_set(m.timer, 30);
	start = clock_mono_ms();
	run_for(l, 60);
	assert_int_equal(m.calls, 4);
	assert_true(m.at >= start + 29);
	timer_set(m.timer, UINT64_MAX);
	run_for(l, 5);
	assert_int_equal(m.calls, 4);
	timer_free(m.timer);
	timer_free(NULL);
}

static void free_timer(void *arg)
{
	struct timer **t = arg;

	timer_free(*t);
	*t = NULL;
}

static void timers_free_themselves(void **state)
{
	struct timer *t = timer_new(*state, free_timer, &t);

	timer_set(t, 1);
	run_for(*state, 10);
	assert_null(t);
}

/* Many timers, moved and stopped at random: each comes once at its last time, or not at all. */
static void keeps_many_times(void **state)
{
	enum { N = 300 };
	struct rnd r = rnd_new(9);
	struct loop *l = *state;
	static struct mark m[N];
	uint64_t due[N] = { 0 };

	memset(m, 0, sizeof m);
	for (int i = 0; i < N; i++)
		m[i].timer = timer_new(l, on_mark, &m[i]);
	for (int i = 0; i < 3000; i++) {
		size_t k = rnd_below(&r, N), ms = rnd_below(&r, 80);
		if (rnd_below(&r, 5)) {
			timer_set(m[k].timer, ms);
			due[k] = clock_mono_ms() + ms;
		} else {
			timer_stop(m[k].timer);
			due[k] = 0;
		}
	}
	run_for(l, 150);
	for (int i = 0; i < N; i++) {
		assert_int_equal(m[i].calls, due[i] != 0);
		/* The times were taken a moment apart. */
		assert_true(!due[i] || m[i].at + 1 >= due[i]);
		timer_free(m[i].timer);
	}
}

struct work {
	struct later later;
	struct loop *loop;
	struct work *other;
	int calls;
};

static void on_work(void *arg)
{
	struct work *w = arg;

	w->calls++;
	if (w->other)
		loop_later_cancel(w->loop, &w->other->later);
}

static void again(void *arg)
{
	struct work *w = arg;

	if (++w->calls < 5)
		loop_later(w->loop, &w->later);
	else
		loop_stop(w->loop);
}

static void work_init(struct work *w, struct loop *l, void (*fn)(void *))
{
	*w = (struct work){ .loop = l };
	w->later.fn = fn;
	w->later.arg = w;
}

static void does_later(void **state)
{
	struct loop *l = *state;
	struct work w[4];

	for (int i = 0; i < 4; i++) {
		work_init(&w[i], l, on_work);
		loop_later(l, &w[i].later);
		loop_later(l, &w[i].later);
	}
	loop_later_cancel(l, &w[3].later);
	loop_later_cancel(l, &w[3].later);
	/* One that is being waited for in the same turn is taken out by an earlier one. */
	w[0].other = &w[2];
	run_for(l, 5);
	assert_true(w[0].calls == 1 && w[1].calls == 1 && w[2].calls == 0 && w[3].calls == 0);
	loop_later(l, &w[3].later);
	loop_later(l, &w[1].later);
	run_for(l, 5);
	assert_true(w[1].calls == 2 && w[3].calls == 1);
	/* Work that queues itself does not keep the loop waiting. */
	work_init(&w[0], l, again);
	loop_later(l, &w[0].later);
	loop_run(l);
	assert_int_equal(w[0].calls, 5);
}

static void on_signal(void *arg, int signo)
{
	struct mark *m = arg;

	m->calls += signo == SIGUSR1;
	loop_stop(m->loop);
}

static void catches_signals(void **state)
{
	struct mark m = { .loop = *state };

	loop_signal(*state, SIGUSR1, on_signal, &m);
	raise(SIGUSR1);
	loop_run(*state);
	raise(SIGUSR1);
	loop_run(*state);
	assert_int_equal(m.calls, 2);
}

static void check_now(void *arg)
{
	struct mark *m = arg;
	uint64_t now = loop_now(m->loop);

	m->at = clock_mono_ms();
	while (clock_mono_ms() < m->at + 5)
		;
	/* It stands still during a turn. */
	m->calls += loop_now(m->loop) == now && now <= m->at;
	loop_stop(m->loop);
}

static void knows_the_time(void **state)
{
	struct mark m = { .loop = *state };
	uint64_t now = clock_mono_ms();

	assert_true(loop_now(*state) >= now);
	m.timer = timer_new(*state, check_now, &m);
	timer_set(m.timer, 1);
	loop_run(*state);
	assert_int_equal(m.calls, 1);
	assert_true(loop_now(*state) >= m.at + 5);
	timer_free(m.timer);
}

static void log_and_stop(void *arg)
{
	log_info("turned");
	loop_stop(arg);
}

static void flushes_the_log(void **state)
{
	struct timer *t = timer_new(*state, log_and_stop, *state);
	char some[200] = "";
	int fds[2];

	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	log_to(fds[0], LOG_LEVEL_INFO);
	timer_set(t, 1);
	loop_run(*state);
	assert_true(read(fds[1], some, sizeof some - 1) > 0);
	assert_non_null(strstr(some, "event=turned\n"));
	log_to(-1, LOG_LEVEL_INFO);
	timer_free(t);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

/* A stop that comes before the run ends it at its first turn. */
static void stops_early(void **state)
{
	loop_stop(*state);
	loop_run(*state);
	run_for(*state, 1);
}

static void child_of(struct loop *old)
{
	struct loop *l;

	loop_free(old);
	l = loop_new();
	run_for(l, 5);
	loop_free(l);
	_exit(0);
}

/* A child gets rid of its copy of the loop; the parent's still hears of its descriptors. */
static void parts_at_fork(void **state)
{
	struct loop *l = *state;
	struct end e = { .calls = 0 };
	int fds[2], status;

	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	e.fd = fds[0];
	e.io = io_new(l, fds[0], on_ready, &e);
	io_want(e.io, IO_READ);
	run_for(l, 1);
	pid_t pid = fork();
	if (pid == 0)
		child_of(l);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	run_for(l, 10);
	assert_int_equal(e.calls, 1);
	io_free(e.io);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(watches), TEST(frees_another), TEST(times), TEST(timers_free_themselves),
		TEST(keeps_many_times), TEST(does_later), TEST(catches_signals), TEST(knows_the_time), TEST(flushes_the_log),
		TEST(stops_early), TEST(parts_at_fork) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
