/* SPDX-License-Identifier: ISC */
#include "event/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "log/log.h"
#include "sys/clock.h"

/* Each write wakes the log process, so the lines of many turns share one. A crash may lose those of the last moment. */
enum { LOG_GATHER_MS = 20 };

enum { SCRATCH = 256 * 1024 };

struct queue {
	struct later *first, **end;
};

struct loop {
	struct event_base *base;
	pid_t pid; /* of the process that made it */
	bool stop;
	bool timed;   /* now is this turn's time */
	uint64_t now; /* monotonic, milliseconds */
	struct queue later;   /* what waits for the end of the turn */
	struct queue running; /* what is being done at its end */
	struct list signals;
	struct timer *log;
	struct buf scratch;
};

struct signal {
	struct list node;
	struct loop *loop;
	struct event event;
	signal_fn *fn;
	void *arg;
};

struct io {
	struct loop *loop;
	struct event read, write;
	unsigned want;
	io_fn *fn;
	void *arg;
};

/* event is armed for due or is not; due is never later than deadline. */
struct timer {
	struct loop *loop;
	struct event event;
	bool armed, pending;
	uint64_t due, deadline;
	timer_fn *fn;
	void *arg;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_add(struct queue *q, struct later *w)
{
	w->next = NULL;
	*q->end = w;
	q->end = &w->next;
}

static struct later *queue_take(struct queue *q)
{
	struct later *w = q->first;

	if (w && !(q->first = w->next))
		q->end = &q->first;
	return w;
}

static bool queue_remove(struct queue *q, const struct later *w)
{
	for (struct later **at = &q->first; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		if (!*at)
			q->end = at;
		return true;
	}
	return false;
}

static void flush_log(void *arg)
{
	(void)arg;
	log_flush();
}

struct loop *loop_new(void)
{
	struct loop *l = mem_new(sizeof *l);
	struct event_config *c = event_config_new();

	/* Workers of a pool never touch the base: they write to a descriptor. */
	if (!c || event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) < 0)
		DIE("no event loop can be configured");
	l->base = event_base_new_with_config(c);
	event_config_free(c);
	if (!l->base)
		DIE("no event loop can be made");
	l->pid = getpid();
	queue_init(&l->later);
	queue_init(&l->running);
	list_init(&l->signals);
	buf_init(&l->scratch, SCRATCH);
	l->log = timer_new(l, flush_log, NULL);
	return l;
}

/*
 * In a forked child the kernel's interest list is still the parent's: taking events out would take them from the parent.
 * event_reinit gives the child a list of its own first.
 */
void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->pid != getpid() && event_reinit(l->base) < 0)
		DIE("the event loop cannot be parted from the parent's");
	LIST_EACH (n, tmp, &l->signals) {
		struct signal *s = LIST_OF(n, struct signal, node);
		event_del(&s->event);
		free(s);
	}
	timer_free(l->log);
	event_base_free(l->base);
	buf_fini(&l->scratch);
	free(l);
}

/* The time is asked once a turn, by the first callback that runs. */
static void begin(struct loop *l)
{
	if (l->timed)
		return;
	l->now = clock_mono_ms();
	l->timed = true;
}

uint64_t loop_now(const struct loop *l)
{
	return l->timed ? l->now : clock_mono_ms();
}

struct buf *loop_scratch(struct loop *l)
{
	return &l->scratch;
}

/* What is queued meanwhile is left for the next turn, so that descriptors are looked at between. */
static void run_later(struct loop *l)
{
	struct later *w;

	if (!l->later.first)
		return;
	begin(l);
	l->running = l->later;
	queue_init(&l->later);
	while ((w = queue_take(&l->running))) {
		w->queued = false;
		w->fn(w->arg);
	}
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		int wait = l->later.first ? EVLOOP_NONBLOCK : EVLOOP_NO_EXIT_ON_EMPTY;
		l->timed = false;
		if (log_waiting() > 0 && !timer_armed(l->log))
			timer_set(l->log, LOG_GATHER_MS);
		if (event_base_loop(l->base, EVLOOP_ONCE | wait) < 0)
			DIE("the event loop failed");
		run_later(l);
	}
	log_flush();
	l->stop = false;
	l->timed = false;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	/* Work queued before the call is still done at the end of this turn; waiting events are the next run's. */
	event_base_loopbreak(l->base);
}

void loop_later(struct loop *l, struct later *w)
{
	if (w->queued)
		return;
	w->queued = true;
	queue_add(&l->later, w);
}

void loop_later_cancel(struct loop *l, struct later *w)
{
	if (!w->queued)
		return;
	w->queued = false;
	INVARIANT(queue_remove(&l->later, w) || queue_remove(&l->running, w));
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;

	(void)fd;
	begin(io->loop);
	io->fn(io->arg, (what & EV_READ ? IO_READ : 0U) | (what & EV_WRITE ? IO_WRITE : 0U));
}

struct io *io_new(struct loop *l, int fd, io_fn *fn, void *arg)
{
	struct io *io = mem_new(sizeof *io);

	io->loop = l;
	io->fn = fn;
	io->arg = arg;
	INVARIANT(event_assign(&io->read, l->base, fd, EV_READ | EV_PERSIST, on_io, io) == 0);
	INVARIANT(event_assign(&io->write, l->base, fd, EV_WRITE | EV_PERSIST, on_io, io) == 0);
	return io;
}

static void watch(struct event *e, bool on)
{
	int rc = on ? event_add(e, NULL) : event_del(e);

	if (rc < 0)
		DIE("descriptor %d cannot be watched", (int)event_get_fd(e));
}

void io_want(struct io *io, unsigned want)
{
	unsigned change = io->want ^ want;

	if (change & IO_READ)
		watch(&io->read, want & IO_READ);
	if (change & IO_WRITE)
		watch(&io->write, want & IO_WRITE);
	io->want = want;
}

unsigned io_wanted(const struct io *io)
{
	return io->want;
}

void io_free(struct io *io)
{
	if (!io)
		return;
	io_want(io, 0);
	free(io);
}

static void timer_arm(struct timer *t, uint64_t now)
{
	uint64_t ms = t->deadline > now ? t->deadline - now : 0;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (event_add(&t->event, &tv) < 0)
		DIE("a timer cannot be set");
	t->pending = true;
	t->due = t->deadline;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	begin(t->loop);
	t->pending = false;
	if (!t->armed)
		return;
	if (t->loop->now < t->deadline) {
		timer_arm(t, t->loop->now);
		return;
	}
	t->armed = false;
	t->fn(t->arg);
}

struct timer *timer_new(struct loop *l, timer_fn *fn, void *arg)
{
	struct timer *t = mem_new(sizeof *t);

	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	INVARIANT(evtimer_assign(&t->event, l->base, on_timer, t) == 0);
	return t;
}

void timer_set(struct timer *t, uint64_t ms)
{
	enum { LONGEST = 1 << 30 }; /* seconds: what every kernel takes */
	uint64_t now = loop_now(t->loop);

	if (ms > LONGEST * UINT64_C(1000))
		ms = LONGEST * UINT64_C(1000);
	t->deadline = now + ms;
	t->armed = true;
	if (!t->pending || t->deadline < t->due)
		timer_arm(t, now);
}

/* The event stays where it is: it finds nothing to do, or serves the next timer_set. */
void timer_stop(struct timer *t)
{
	t->armed = false;
}

bool timer_armed(const struct timer *t)
{
	return t->armed;
}

void timer_free(struct timer *t)
{
	if (!t)
		return;
	event_del(&t->event);
	free(t);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal *s = arg;

	(void)what;
	begin(s->loop);
	s->fn(s->arg, (int)signo);
}

void loop_signal(struct loop *l, int signo, signal_fn *fn, void *arg)
{
	struct signal *s = mem_new(sizeof *s);

	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	if (evsignal_assign(&s->event, l->base, signo, on_signal, s) < 0 || evsignal_add(&s->event, NULL) < 0)
		DIE("signal %d cannot be caught", signo);
	list_append(&l->signals, &s->node);
}
