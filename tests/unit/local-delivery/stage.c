/* SPDX-License-Identifier: ISC */
#include "tests/unit/local-delivery/stage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tests/unit/local-delivery/calls.h"

/* ---- time, chance ---- */

static struct {
	uint64_t ms;
	struct rnd chance;
	const struct daemon_hooks *hooks; /* of the daemon that is being started */
} stage;

void stage_begin(uint64_t seed)
{
	stage.ms = UINT64_C(1000000000000);
	stage.chance.state = seed;
}

void stage_pass(uint64_t ms) { stage.ms += ms; }
struct stage_moment stage_now(void) { return (struct stage_moment){ stage.ms, stage.chance }; }

void stage_back(struct stage_moment m)
{
	stage.ms = m.ms;
	stage.chance = m.chance;
}

int64_t clock_wall(uint32_t *ns)
{
	if (ns != NULL)
		*ns = (uint32_t)(stage.ms % 1000) * 1000000;
	return (int64_t)(stage.ms / 1000);
}

uint64_t clock_mono_ms(void) { return stage.ms; }
uint64_t clock_mono_ns(void) { return stage.ms * 1000000; }
void clock_sleep_ms(unsigned ms) { stage_pass(ms); }
uint64_t random_u64(void) { return rnd_next(&stage.chance); }

void random_bytes(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(rnd_next(&stage.chance) >> 32);
}

/* ---- loops ---- */

struct loop {
	struct later *first, **end;
	struct list timers, pools;
};

struct timer {
	struct list node;
	struct loop *loop;
	timer_fn *fn;
	void *arg;
	uint64_t due;
	bool armed;
};

struct job {
	struct list node;
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct pool {
	struct list node;
	struct list waiting, finished;
	size_t pending;
};

struct loop *loop_new(void)
{
	struct loop *l = mem_new(sizeof(*l));

	l->end = &l->first;
	list_init(&l->timers);
	list_init(&l->pools);
	return l;
}

void loop_free(struct loop *l) { free(l); }

void loop_later(struct loop *l, struct later *w)
{
	if (w->queued)
		return;
	w->queued = true;
	w->next = NULL;
	*l->end = w;
	l->end = &w->next;
}

void loop_later_cancel(struct loop *l, struct later *w)
{
	if (!w->queued)
		return;
	w->queued = false;
	for (struct later **at = &l->first; *at != NULL; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		if (w->next == NULL)
			l->end = at;
		return;
	}
}

struct timer *timer_new(struct loop *l, timer_fn *fn, void *arg)
{
	struct timer *t = mem_new(sizeof(*t));

	*t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
	list_append(&l->timers, &t->node);
	return t;
}

void timer_set(struct timer *t, uint64_t ms)
{
	t->due = stage.ms + ms;
	t->armed = true;
}

void timer_stop(struct timer *t) { t->armed = false; }
bool timer_armed(const struct timer *t) { return t->armed; }

void timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	list_remove(&t->node);
	free(t);
}

struct pool *pool_new(struct loop *l, int threads)
{
	struct pool *p = mem_new(sizeof(*p));

	(void)threads;
	list_init(&p->waiting);
	list_init(&p->finished);
	list_append(&l->pools, &p->node);
	return p;
}

void pool_submit(struct pool *p, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
	struct job *j = mem_new(sizeof(*j));

	*j = (struct job){ .run = run, .done = done, .arg = arg };
	list_append(&p->waiting, &j->node);
	p->pending++;
}

/* In any order: which of the threads is first is chance. */
void pool_share(struct pool *p, void (*fn)(void *arg, size_t i), void *arg, size_t n)
{
	size_t first = n > 1 ? (size_t)(random_u64() % n) : 0;

	(void)p;
	for (size_t i = 0; i < n; i++)
		fn(arg, (first + i) % n);
}

size_t pool_pending(const struct pool *p) { return p->pending; }

static struct job *take_job(struct list *l)
{
	struct list *it = list_first(l);

	if (it == NULL)
		return NULL;
	list_remove(it);
	return LIST_OF(it, struct job, node);
}

void pool_free(struct pool *p)
{
	struct job *j;

	if (p == NULL)
		return;
	while ((j = take_job(&p->waiting)) != NULL || (j = take_job(&p->finished)) != NULL)
		free(j);
	list_remove(&p->node);
	free(p);
}

bool stage_work(struct loop *l)
{
	LIST_EACH(it, tmp, &l->pools)
	{
		struct pool *p = LIST_OF(it, struct pool, node);
		struct job *j = take_job(&p->waiting);

		if (j == NULL)
			continue;
		j->run(j->arg);
		list_append(&p->finished, &j->node);
		/* Another pool has the next turn. */
		list_remove(&p->node);
		list_append(&l->pools, &p->node);
		return true;
	}
	return false;
}

/* A done() may free its pool, and others: look from the front again. */
static bool end_one_job(struct loop *l)
{
	LIST_EACH(it, tmp, &l->pools)
	{
		struct pool *p = LIST_OF(it, struct pool, node);
		struct job *j = take_job(&p->finished), copy;

		if (j == NULL)
			continue;
		p->pending--;
		copy = *j;
		free(j);
		copy.done(copy.arg);
		return true;
	}
	return false;
}

static bool ring_one_timer(struct loop *l)
{
	LIST_EACH(it, tmp, &l->timers)
	{
		struct timer *t = LIST_OF(it, struct timer, node);

		if (!t->armed || t->due > stage.ms)
			continue;
		t->armed = false;
		t->fn(t->arg);
		return true;
	}
	return false;
}

/* What is queued meanwhile is left for the next turn. */
static bool run_later(struct loop *l)
{
	bool any = l->first != NULL;
	struct later *last = NULL;

	for (struct later *w = l->first; w != NULL; w = w->next)
		last = w;
	while (any && l->first != NULL) {
		struct later *w = l->first;

		l->first = w->next;
		if (w->next == NULL)
			l->end = &l->first;
		w->queued = false;
		w->fn(w->arg);
		if (w == last)
			break;
	}
	return any;
}

static bool any_job_ended(const struct loop *l)
{
	LIST_EACH(it, tmp, &l->pools)
		if (!list_empty(&LIST_OF(it, struct pool, node)->finished))
			return true;
	return false;
}

bool stage_turn(struct loop *l)
{
	bool any = any_job_ended(l);

	/* The loop may hear of it a turn later: what it does meanwhile is not what the job did. */
	while (any && rnd_below(&stage.chance, 3) > 0 && end_one_job(l))
		;
	for (unsigned i = 0; i < 100 && ring_one_timer(l); i++)
		;
	return run_later(l) || any;
}

/* ---- channels ---- */

struct note {
	struct list node;
	enum ipc_kind kind;
	struct buf b;
	int fds[IPC_FDS_MAX];
	size_t nfds;
};

struct wire {
	struct list box[2];
	bool dead[2];
};

struct ipc_channel {
	struct daemon *d; /* NULL: an actor's */
	enum ipc_role self, peer;
	struct wire *wire, *next;
	int side, next_side;
	void *data;
	unsigned times;    /* that it was plugged in */
	struct note *open; /* what an actor has in hand */
};

/* A daemon with its surroundings. */
struct process {
	struct daemon d; /* the first member */
	const struct daemon_hooks *hooks;
	const struct daemon_place *places;
	const struct seal_key *key;
	unsigned who;
	struct ipc_channel slots[ROLE_COUNT];
};

static struct process *process_of(const struct daemon *d) { return (struct process *)(void *)(uintptr_t)d; }

static void note_free(struct note *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->nfds; i++)
		fd_close(&n->fds[i]);
	buf_fini(&n->b);
	free(n);
}

static struct note *take_note(struct ipc_channel *c)
{
	struct list *it = c->wire != NULL ? list_first(&c->wire->box[c->side]) : NULL;

	if (it == NULL)
		return NULL;
	list_remove(it);
	return LIST_OF(it, struct note, node);
}

bool ipc_channel_is_up(const struct ipc_channel *c) { return c->wire != NULL; }
enum ipc_role ipc_channel_peer(const struct ipc_channel *c) { return c->peer; }
unsigned ipc_channel_instance(const struct ipc_channel *c) { return c->peer != ROLE_NONE ? 0 : 1; }
void ipc_channel_set_data(struct ipc_channel *c, void *data) { c->data = data; }
void *ipc_channel_data(const struct ipc_channel *c) { return c->data; }
size_t ipc_backlog(const struct ipc_channel *c) { return c->wire != NULL ? 0 : 1; }
size_t ipc_fds_waiting(const struct ipc_channel *c) { return c->wire != NULL ? 0 : 1; }

void ipc_on_drained(struct ipc_channel *c, void (*fn)(void *arg, struct ipc_channel *c), void *arg)
{
	(void)c;
	(void)fn;
	(void)arg;
}

int ipc_send(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	struct note *n;

	if (c->wire == NULL)
		return ERR_LOST;
	INVARIANT(ipc_permitted(kind, c->self, c->peer));
	n = mem_new(sizeof(*n));
	n->kind = kind;
	buf_init(&n->b, SIZE_MAX);
	INVARIANT(ipc_kinds[kind].put(&n->b, m) == ERR_OK);
	unsigned who = calls_work_for(0);
	for (n->nfds = 0; n->nfds < nfds; n->nfds++)
		n->fds[n->nfds] = dup(fds[n->nfds]);
	(void)calls_work_for(who);
	if (c->wire->dead[1 - c->side])
		note_free(n);
	else
		list_append(&c->wire->box[1 - c->side], &n->node);
	return ERR_OK;
}

int ipc_request(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	return ipc_send(c, kind, m, fds, nfds);
}

struct ipc_channel *stage_actor(enum ipc_role role)
{
	struct ipc_channel *c = mem_new(sizeof(*c));

	c->self = role;
	return c;
}

/* This end will never read again. */
static void leave_wire(struct ipc_channel *c)
{
	struct note *n;

	while ((n = take_note(c)) != NULL)
		note_free(n);
	if (c->wire == NULL)
		return;
	c->wire->dead[c->side] = true;
	if (c->wire->dead[0] && c->wire->dead[1])
		free(c->wire);
	c->wire = NULL;
}

/* Nor any that waits to be plugged in. */
static void leave_all(struct ipc_channel *c)
{
	leave_wire(c);
	c->wire = c->next;
	c->side = c->next_side;
	c->next = NULL;
	leave_wire(c);
}

void stage_actor_free(struct ipc_channel *c)
{
	note_free(c->open);
	leave_all(c);
	free(c);
}

/* One that waits and was never looked at is that of a peer who died meanwhile. */
static void plug(struct ipc_channel *c, struct wire *w, int side)
{
	struct ipc_channel unseen = { .wire = c->next, .side = c->next_side };

	leave_wire(&unseen);
	c->next = w;
	c->next_side = side;
}

void stage_connect(struct ipc_channel *a, struct ipc_channel *b)
{
	struct wire *w = mem_new(sizeof(*w));

	list_init(&w->box[0]);
	list_init(&w->box[1]);
	a->peer = b->self;
	b->peer = a->self;
	plug(a, w, 0);
	plug(b, w, 1);
}

unsigned stage_times(const struct ipc_channel *c) { return c->wire != NULL ? c->times : 0; }

struct ipc_channel *stage_slot(struct daemon *d, enum ipc_role peer) { return &process_of(d)->slots[peer]; }

/* The other end is gone and all that it had sent is read; then a new one may be there. */
static bool follow_wire(struct ipc_channel *c)
{
	const struct daemon_hooks *h = c->d != NULL ? process_of(c->d)->hooks : NULL;

	if (c->wire != NULL && c->wire->dead[1 - c->side] && list_empty(&c->wire->box[c->side])) {
		leave_wire(c);
		if (h != NULL && h->on_down != NULL)
			h->on_down(c->d, c);
		return true;
	}
	if (c->wire != NULL || c->next == NULL)
		return false;
	c->wire = c->next;
	c->side = c->next_side;
	c->next = NULL;
	c->times++;
	if (h != NULL && h->on_up != NULL)
		h->on_up(c->d, c);
	return true;
}

bool stage_take(struct ipc_channel *c, struct ipc_taken *t)
{
	note_free(c->open);
	c->open = NULL;
	(void)follow_wire(c);
	c->open = take_note(c);
	if (c->open == NULL)
		return false;
	t->kind = c->open->kind;
	INVARIANT(ipc_kinds[t->kind].get(buf_view(&c->open->b), &t->m) == ERR_OK);
	t->nfds = c->open->nfds;
	memcpy(t->fds, c->open->fds, sizeof(t->fds));
	c->open->nfds = 0;
	return true;
}

/* ---- daemons ---- */

static bool read_one(struct ipc_channel *c)
{
	const struct daemon_hooks *h = process_of(c->d)->hooks;
	struct note *n = take_note(c);
	union ipc_any m;

	if (n == NULL)
		return false;
	INVARIANT(ipc_kinds[n->kind].get(buf_view(&n->b), &m) == ERR_OK);
	for (const struct ipc_handler *k = h->handlers; k->kind != IPC_NONE; k++)
		if (k->kind == n->kind) {
			size_t nfds = n->nfds;

			n->nfds = 0;
			k->fn(c->d, c, &m, n->fds, nfds);
			break;
		}
	note_free(n);
	return true;
}

bool stage_run(struct daemon *d, unsigned n)
{
	struct process *p = process_of(d);
	unsigned who = calls_work_for(p->who);
	bool any = false;

	for (unsigned role = 0; role < ROLE_COUNT; role++) {
		struct ipc_channel *c = &p->slots[role];

		any = follow_wire(c) || any;
		for (; n > 0 && read_one(c); n--)
			any = true;
	}
	any = stage_turn(d->loop) || any;
	(void)calls_work_for(who);
	return any;
}

int daemon_main(int argc, char **argv, const struct daemon_hooks *hooks)
{
	(void)argc;
	(void)argv;
	stage.hooks = hooks;
	return 0;
}

struct daemon *stage_start(int (*program)(int argc, char **argv), unsigned who, const struct daemon_place *places, const struct seal_key *key)
{
	struct process *p = mem_new(sizeof(*p));
	unsigned was = calls_work_for(who);

	INVARIANT(program(0, NULL) == 0);
	p->hooks = stage.hooks;
	p->places = places;
	p->key = key;
	p->who = who;
	p->d.loop = loop_new();
	p->d.conf = conf_new();
	p->d.role = p->hooks->role;
	for (unsigned role = 0; role < ROLE_COUNT; role++) {
		p->slots[role].d = &p->d;
		p->slots[role].self = p->d.role;
		p->slots[role].peer = (enum ipc_role)role;
	}
	int err = p->hooks->init != NULL ? p->hooks->init(&p->d) : ERR_OK;
	if (err == ERR_OK)
		err = p->hooks->start(&p->d);
	(void)calls_work_for(was);
	if (err == ERR_OK)
		return &p->d;
	stage_kill(&p->d);
	return NULL;
}

void stage_kill(struct daemon *d)
{
	struct process *p = process_of(d);

	if (d == NULL)
		return;
	for (unsigned role = 0; role < ROLE_COUNT; role++)
		leave_all(&p->slots[role]);
	calls_close_all_of(p->who);
}

void daemon_exit(struct daemon *d) { (void)d; }
bool daemon_single_user(const struct daemon *d) { return d != NULL; }

int daemon_dir(struct daemon *d, const char *name)
{
	const struct daemon_place *p = process_of(d)->places;

	while (p->name != NULL && strcmp(p->name, name) != 0)
		p++;
	return p->name != NULL ? p->fd : -1;
}

/* One instance of each, and no smtp-client. A slot is there whether its peer is or not. */
struct ipc_channel *daemon_channel(struct daemon *d, enum ipc_role peer, uint64_t key)
{
	(void)key;
	return &process_of(d)->slots[peer];
}

unsigned daemon_channels(struct daemon *d, enum ipc_role peer)
{
	(void)d;
	return peer == ROLE_LOCAL_DELIVERY;
}

struct ipc_channel *daemon_channel_at(struct daemon *d, enum ipc_role peer, unsigned i) { return daemon_channel(d, peer, i); }

const struct seal_key *daemon_seal_key(struct daemon *d, enum ipc_role issuer, enum ipc_role consumer)
{
	(void)issuer;
	(void)consumer;
	return process_of(d)->key;
}

void daemon_control_client(struct daemon *d, int fd)
{
	(void)d;
	fd_close(&fd);
}
