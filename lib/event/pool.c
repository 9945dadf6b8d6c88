/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "event/loop.h"
#include "sys/file.h"

enum { STACK = 1 << 20 };

struct job {
	struct job *next;
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct jobs {
	struct job *first, **end;
};

/* What pool_share is about, on its stack. */
struct share {
	void (*fn)(void *arg, size_t i);
	void *arg;
	size_t next, n;
	unsigned helpers; /* threads of the pool that are in fn */
};

struct pool {
	pthread_mutex_t mutex; /* guards waiting, finished, share and quit */
	pthread_cond_t work, helped;
	struct jobs waiting, finished;
	struct share *share; /* NULL: nothing is left of it to begin */
	bool quit;
	/* What follows is the loop's thread's alone. */
	struct io *io;
	int wake; /* an eventfd: finished is no longer empty */
	size_t pending;
	bool delivering, freed; /* a done() may free the pool: deliver() then frees the rest */
	int nthreads;
	pthread_t threads[];
};

static void jobs_init(struct jobs *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void jobs_add(struct jobs *q, struct job *j)
{
	j->next = NULL;
	*q->end = j;
	q->end = &j->next;
}

static struct job *jobs_take(struct jobs *q)
{
	struct job *j = q->first;

	if (j && !(q->first = j->next))
		q->end = &q->first;
	return j;
}

static void lock(struct pool *p)
{
	INVARIANT(pthread_mutex_lock(&p->mutex) == 0);
}

static void unlock(struct pool *p)
{
	INVARIANT(pthread_mutex_unlock(&p->mutex) == 0);
}

/* Many that finish before the loop looks wake it once; not under the mutex, which is the first thing that the woken one asks for. */
static void finish(struct pool *p, struct job *j)
{
	lock(p);
	bool first = !p->finished.first;
	jobs_add(&p->finished, j);
	unlock(p);
	if (first)
		INVARIANT(write(p->wake, &(uint64_t){ 1 }, sizeof(uint64_t)) == sizeof(uint64_t));
}

/* Does one of them after the other while there are any. The mutex is held, but for the calls. */
static void work_share(struct pool *p, struct share *s)
{
	while (s->next < s->n) {
		size_t i = s->next++;

		if (s->next == s->n)
			p->share = NULL;
		unlock(p);
		s->fn(s->arg, i);
		lock(p);
	}
}

static void help(struct pool *p, struct share *s)
{
	s->helpers++;
	work_share(p, s);
	if (--s->helpers == 0)
		pthread_cond_signal(&p->helped);
}

static void work_job(struct pool *p, struct job *j)
{
	unlock(p);
	j->run(j->arg);
	finish(p, j);
	lock(p);
}

static void *worker(void *arg)
{
	struct pool *p = arg;

	lock(p);
	while (!p->quit) {
		if (p->waiting.first)
			work_job(p, jobs_take(&p->waiting));
		else if (p->share)
			help(p, p->share);
		else
			pthread_cond_wait(&p->work, &p->mutex);
	}
	unlock(p);
	return NULL;
}

static struct job *take_finished(struct pool *p)
{
	lock(p);
	struct job *j = jobs_take(&p->finished);
	unlock(p);
	return j;
}

static void deliver(void *arg, unsigned ready)
{
	struct pool *p = arg;
	struct job *j;
	uint64_t count;

	(void)ready;
	/* Emptied before the list is: what finishes from now on wakes again. */
	if (read(p->wake, &count, sizeof count) < 0 && errno != EAGAIN)
		DIE("the pool cannot be asked (errno %d)", errno);
	p->delivering = true;
	while (!p->freed && (j = take_finished(p))) {
		struct job done = *j;
		free(j);
		p->pending--;
		done.done(done.arg);
	}
	p->delivering = false;
	if (p->freed)
		free(p);
}

/* Signals are the loop's: a thread that took one would run the handler beside it. */
static void start(struct pool *p, int threads)
{
	pthread_attr_t attr;
	sigset_t all, old;

	sigfillset(&all);
	INVARIANT(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, STACK) == 0);
	INVARIANT(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
	for (; p->nthreads < threads; p->nthreads++) {
		int e = pthread_create(&p->threads[p->nthreads], &attr, worker, p);
		if (e)
			DIE("a thread cannot be started (errno %d)", e);
	}
	INVARIANT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	pthread_attr_destroy(&attr);
}

struct pool *pool_new(struct loop *l, int threads)
{
	INVARIANT(threads > 0);
	struct pool *p = mem_new(sizeof *p + (size_t)threads * sizeof p->threads[0]);
	INVARIANT(pthread_mutex_init(&p->mutex, NULL) == 0 && pthread_cond_init(&p->work, NULL) == 0 && pthread_cond_init(&p->helped, NULL) == 0);
	jobs_init(&p->waiting);
	jobs_init(&p->finished);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake < 0)
		DIE("no eventfd (errno %d)", errno);
	p->io = io_new(l, p->wake, deliver, p);
	io_want(p->io, IO_READ);
	start(p, threads);
	return p;
}

void pool_submit(struct pool *p, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
	struct job *j = mem_new(sizeof *j);

	*j = (struct job){ .run = run, .done = done, .arg = arg };
	p->pending++;
	lock(p);
	jobs_add(&p->waiting, j);
	unlock(p);
	pthread_cond_signal(&p->work);
}

void pool_share(struct pool *p, void (*fn)(void *arg, size_t i), void *arg, size_t n)
{
	struct share s = { .fn = fn, .arg = arg, .n = n };

	if (n == 0)
		return;
	lock(p);
	INVARIANT(!p->share);
	p->share = &s;
	if (n > 1)
		pthread_cond_broadcast(&p->work);
	work_share(p, &s);
	while (s.helpers > 0)
		pthread_cond_wait(&p->helped, &p->mutex);
	unlock(p);
}

size_t pool_pending(const struct pool *p)
{
	return p->pending;
}

static void drop(struct jobs *q)
{
	struct job *j;

	while ((j = jobs_take(q)))
		free(j);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	lock(p);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	unlock(p);
	for (int i = 0; i < p->nthreads; i++)
		INVARIANT(pthread_join(p->threads[i], NULL) == 0);
	drop(&p->waiting);
	drop(&p->finished);
	io_free(p->io);
	fd_close(&p->wake);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->helped);
	pthread_mutex_destroy(&p->mutex);
	p->freed = true;
	if (!p->delivering)
		free(p);
}
