/* SPDX-License-Identifier: ISC */
/*
 * The event loop over libevent (the one includer of it): descriptors, timers, signals, and work at the end of a turn.
 * One loop a process, one thread a loop. Callbacks may free their own object. After fork make a new loop.
 */
#ifndef POSTRIDER_EVENT_LOOP_H
#define POSTRIDER_EVENT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct loop;
struct loop *loop_new(void);
/* In a forked child it parts from the parent's first: call it before any io_free or timer_free there, or leave the old one be. NULL is ignored. */
void loop_free(struct loop *l);
/* Runs until loop_stop, which also ends a run not yet begun. Log lines go out within 20 ms, and at the end. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Milliseconds of the monotonic clock as of this turn: cheap. */
uint64_t loop_now(const struct loop *l);

/* Empty memory for buf_borrow: what is read in a callback goes through it. */
struct buf *loop_scratch(struct loop *l);

/* A watched descriptor (not owned). ready tells what is possible: IO_READ and IO_WRITE bits; errors show as both, where both are waited for; each may come in a call of its own. Level-triggered. */
enum { IO_READ = 1, IO_WRITE = 2 };
struct io;
typedef void io_fn(void *arg, unsigned ready);
struct io *io_new(struct loop *l, int fd, io_fn *fn, void *arg);
/* Which of IO_READ and IO_WRITE are waited for; 0 is none. Costs nothing when nothing changes. */
void io_want(struct io *io, unsigned want);
unsigned io_wanted(const struct io *io);
void io_free(struct io *io); /* NULL is ignored */

/* A one-shot timer. Setting an armed one moves it: cheap for time-outs that are moved at every read (it re-arms lazily). */
struct timer;
typedef void timer_fn(void *arg);
struct timer *timer_new(struct loop *l, timer_fn *fn, void *arg);
void timer_set(struct timer *t, uint64_t ms);
void timer_stop(struct timer *t);
bool timer_armed(const struct timer *t);
void timer_free(struct timer *t); /* NULL is ignored */

/* Work to be done once, when the callbacks of this turn are through (batching: one write, one flush for all). */
struct later {
	struct later *next;
	void (*fn)(void *arg);
	void *arg;
	bool queued;
};
void loop_later(struct loop *l, struct later *w); /* w is the caller's; no effect when queued already */
/* Takes it out again when queued. */
void loop_later_cancel(struct loop *l, struct later *w);

/* A signal, delivered in the loop. Handlers stay for the life of the loop. */
typedef void signal_fn(void *arg, int signo);
void loop_signal(struct loop *l, int signo, signal_fn *fn, void *arg);

/*
 * Work off the loop: run(arg) in one worker thread of the pool, then done(arg) back in the loop. The pool has n threads,
 * started at pool_new (before confinement or with PRIV_SYS_THREADS). pool_free waits for running work and drops the queue (done is not called).
 */
struct pool;
struct pool *pool_new(struct loop *l, int threads);
void pool_submit(struct pool *p, void (*run)(void *arg), void (*done)(void *arg), void *arg);
size_t pool_pending(const struct pool *p);
/*
 * Calls fn(arg, i) once for each i below n, several at a time: in the loop's thread, which waits for all of them, and in those of the pool's that have
 * nothing else to do. For many short waits that are no use one after the other.
 */
void pool_share(struct pool *p, void (*fn)(void *arg, size_t i), void *arg, size_t n);
void pool_free(struct pool *p);

#endif
