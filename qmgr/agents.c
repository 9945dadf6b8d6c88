/* SPDX-License-Identifier: ISC */
/* Lanes, offers, turns: who is offered what, and when. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "proto/dsn.h"
#include "qmgr/qmgr.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { PROMOTE = 256, CHECK_MS = 60000 };

static void schedule_later(void *arg)
{
	agents_schedule(arg);
}

static void due(void *arg)
{
	struct qmgr *q = arg;
	loop_later(q->d->loop, &q->schedule);
}

static void drained(void *arg, struct ipc_channel *c)
{
	(void)c;
	due(arg);
}

static struct agent *make_agents(struct qmgr *q, enum ipc_role role, unsigned first, unsigned n)
{
	struct agent *agents = mem_array(n ? n : 1, sizeof *agents);
	for (unsigned k = 0; k < n; k++) {
		struct agent *a = &agents[k];
		*a = (struct agent){ .channel = daemon_channel_at(q->d, role, first + k), .local = role == ROLE_LOCAL_DELIVERY };
		list_init(&a->offers);
		ipc_channel_set_data(a->channel, a);
		ipc_on_drained(a->channel, drained, q);
	}
	return agents;
}

static void make_local(struct qmgr *q, unsigned i, unsigned n)
{
	q->groups[i] = (struct group){ .lanes = lanes_new(), .agents = make_agents(q, ROLE_LOCAL_DELIVERY, i, n), .n = n, .local = true, .index = i };
}

static void make_remote(struct qmgr *q, unsigned hop)
{
	unsigned i = q->nlocal + hop;
	q->groups[i] = (struct group){ .lanes = lanes_new(), .agents = q->remote, .n = q->nremote, .index = i, .hop = hop, .windows = windows_new() };
}

/* Seconds by which the wall clock is ahead of the one that never jumps. */
static int64_t clock_lead(void)
{
	return (int64_t)qmgr_now() - (int64_t)(clock_mono_ms() / 1000);
}

void agents_init(struct qmgr *q)
{
	unsigned n = daemon_channels(q->d, ROLE_LOCAL_DELIVERY);
	q->nlocal = n ? n : 1;
	q->nremote = daemon_channels(q->d, ROLE_SMTP_CLIENT);
	q->remote = make_agents(q, ROLE_SMTP_CLIENT, 0, q->nremote);
	q->routes = routes_new(q->d->conf);
	q->ngroups = q->nlocal + routes_hops(q->routes);
	q->groups = mem_array(q->ngroups, sizeof *q->groups);
	for (unsigned i = 0; i < q->nlocal; i++)
		make_local(q, i, n ? 1 : 0);
	for (unsigned hop = 0; hop < routes_hops(q->routes); hop++)
		make_remote(q, hop);
	q->offers = map64_new();
	q->schedule = (struct later){ .fn = schedule_later, .arg = q };
	q->due = timer_new(q->d->loop, due, q);
	q->clock_lead = clock_lead();
}

/* ---- making parts ---- */

static struct group *local_group(struct qmgr *q, uint32_t uid)
{
	return &q->groups[uid % q->nlocal];
}

static struct group *group_of(struct qmgr *q, const struct spool_recipient *r)
{
	return r->kind == 1 ? local_group(q, r->uid) : &q->groups[q->nlocal + routes_hop(q->routes, r->address)];
}

/* Whose mail it is, to the lanes: the account, or the other host's name hashed. */
static uint32_t dest_of(const struct spool_recipient *r)
{
	return r->kind == 1 ? r->uid : state_remote(r->address);
}

static size_t all_lanes(const struct qmgr *q)
{
	size_t n = 0;
	for (unsigned i = 0; i < q->ngroups; i++)
		n += lanes_lanes(q->groups[i].lanes);
	return n;
}

static void add_ready(struct qmgr *q, struct group *g, const struct message *m, uint32_t dest, struct ready r)
{
	lanes_add(g->lanes, all_lanes(q), m->tenant, dest, r);
}

/* What is ready of it from this recipient on. */
static void add_part(struct qmgr *q, struct group *g, struct message *m, uint32_t dest, uint32_t from)
{
	add_ready(q, g, m, dest, (struct ready){ m->number, from, m->nrcpts });
	m->parts++;
}

/* A part in the making: its recipients from the first on. */
struct part {
	bool any;
	uint32_t from, dest, last;
};

/* Several domains are a destination of their own, so that the mail of none of them is measured by another. */
static void join(struct part *p, uint32_t i, uint32_t dest, bool local)
{
	if (!p->any)
		*p = (struct part){ true, i, dest, dest };
	else if (!local && dest != p->last)
		p->dest = (p->dest * 31 + dest) | DEST_REMOTE;
	p->last = dest;
}

/* A message whose recipients go several ways: one part for each group that has any. */
static void make_parts(struct qmgr *q, struct message *m, const struct spool_message *sm)
{
	struct part *parts = mem_array(q->ngroups, sizeof *parts);
	struct view rest = sm->rcpts.bytes;
	struct spool_recipient r;
	for (uint32_t i = 0; spool_recipient_next(&rest, &r); i++) {
		struct group *g = group_of(q, &r);
		if (!state_is_done(m, i))
			join(&parts[g->index], i, dest_of(&r), g->local);
	}
	for (unsigned i = 0; i < q->ngroups; i++)
		if (parts[i].any)
			add_part(q, &q->groups[i], m, parts[i].dest, parts[i].from);
	free(parts);
}

/* The same, one for each domain of other hosts: one of them held up the others. */
static void split_parts(struct qmgr *q, struct message *m, const struct spool_message *sm)
{
	struct map64 *had = map64_new();
	struct view rest = sm->rcpts.bytes;
	struct spool_recipient r;
	for (uint32_t i = 0; spool_recipient_next(&rest, &r); i++) {
		struct group *g = group_of(q, &r);
		uint64_t key = (uint64_t)g->index << 32 | (g->local ? 0 : dest_of(&r));
		if (state_is_done(m, i) || map64_set(had, key, m))
			continue;
		add_part(q, g, m, dest_of(&r), i);
	}
	map64_free(had);
}

void agents_ready(struct qmgr *q, handle h)
{
	struct message *m = state_message(q->state, h);
	struct spool_message sm;
	int err = ERR_OK;
	m->flags &= (uint16_t)~MSG_UNSURE;
	if (m->flags & MSG_STALLED) /* only here, where it has no parts: they are gathered as they were made */
		m->flags |= MSG_SPLIT;
	if ((m->dest & DEST_REMOTE) && !routes_may_have(q->routes, m->dest))
		add_part(q, &q->groups[q->nlocal], m, m->dest, 0);
	else if (m->dest != DEST_MANY && !(m->dest & DEST_REMOTE))
		add_part(q, local_group(q, m->dest), m, m->dest, 0);
	else if ((err = qmgr_load(q, m, &sm)) == ERR_OK)
		(m->flags & MSG_SPLIT ? split_parts : make_parts)(q, m, &sm);
	if (m->parts == 0) {
		log_error("message_unreadable", LU("number", m->number), LERR("error", err));
		state_wait(q->state, h, (uint32_t)(qmgr_now() + conf_num(q->d->conf, PARAM_QUEUE_RETRY_MAX)));
	}
	loop_later(q->d->loop, &q->schedule);
}

/* ---- offers ---- */

/*
 * Gathers what the group shall deliver now of what is ready. What an offer does not hold becomes a part of its own: the same recipients are not
 * gathered twice, whether their results are recorded meanwhile or not.
 */
static struct offer *gather(struct qmgr *q, struct group *g, struct message *m, uint32_t dest, const struct ready *ready,
	const struct spool_message *sm, struct buf *list)
{
	uint32_t max = m->nrcpts < OFFER_RCPTS ? m->nrcpts : OFFER_RCPTS, first = 0;
	struct offer *o = mem_new(sizeof *o + max * sizeof *o->rcpts);
	struct view rest = sm->rcpts.bytes;
	struct spool_recipient r;
	o->group = g;
	o->number = m->number;
	o->dest = dest;
	for (uint32_t i = 0; i < ready->to && spool_recipient_next(&rest, &r); i++) {
		if (i < ready->from || state_is_done(m, i) || group_of(q, &r) != g)
			continue;
		bool other = !g->local && o->n > 0 && dest_of(&r) != first;
		if (other && (m->flags & MSG_SPLIT))
			continue;
		if (o->n == max) {
			add_ready(q, g, m, dest, (struct ready){ m->number, i, ready->to });
			m->parts++;
			break;
		}
		if (o->n == 0)
			first = dest_of(&r);
		o->mixed = o->mixed || other;
		struct ipc_offered e = { i, r.uid, r.address, r.original, r.orcpt, r.notify & DSN_NOTIFY };
		INVARIANT(ipc_offered_put(list, &e) == ERR_OK);
		o->rcpts[o->n++] = (struct offered_rcpt){ i, r.notify };
	}
	return o;
}

/* Where the group's mail goes; empty: nowhere, or to local mailboxes. */
static struct view host_of(const struct qmgr *q, const struct group *g)
{
	return g->local ? VIEW_NONE : routes_host(q->routes, q->d->conf, g->hop);
}

static int send_offer(struct qmgr *q, struct offer *o, struct agent *a, const struct message *m, const struct spool_message *sm, struct view list)
{
	char id[QUEUE_ID_MAX];
	int fd = -1, err = ERR_OK;
	qmgr_name(q, m->number, id);
	uint64_t floor = floor_get(q->floor);
	struct ipc_offer msg = {
		.offer = o->id,
		.spool = state_spool(q->state),
		.message = m->number,
		.floor = floor < m->number ? floor : m->number,
		.arrived = sm->arrived,
		.flags = sm->flags,
		.queue_id = view_of(id),
		.sender = sm->sender,
		.envid = sm->envid,
		.next_hop = host_of(q, o->group),
		.rcpts = { list, o->n },
		.headers = sm->headers,
		.content = sm->content,
		.size = sm->size,
	};
	if (sm->content_file)
		err = content_read(q->contents, sm->content_file, &fd);
	if (err == ERR_OK)
		err = ipc_send(a->channel, IPC_OFFER, &msg, &fd, fd >= 0 ? 1 : 0);
	fd_close(&fd);
	return err;
}

/* All recipients of an offer that cannot be made wait. */
static void defer(struct qmgr *q, struct offer *o, const char *status, const char *text)
{
	struct fate *fates = mem_array(o->n, sizeof *fates);
	for (uint32_t i = 0; i < o->n; i++)
		fates[i] = (struct fate){ .index = o->rcpts[i].index, .outcome = IPC_LATER, .notify = o->rcpts[i].notify, .status = view_of(status),
			.text = view_of(text), .unsure = o->agent && o->agent->local };
	results_take(q, o->number, fates, o->n);
	free(fates);
	free(o);
}

static unsigned connections(const struct qmgr *q)
{
	return (unsigned)conf_num(q->d->conf, PARAM_RELAY_CONNECTIONS);
}

static void put_out(struct qmgr *q, struct offer *o, struct agent *a, struct message *m)
{
	o->id = ++q->last_id;
	o->agent = a;
	list_append(&a->offers, &o->node);
	(void)map64_set(q->offers, o->id, o);
	a->room--;
	a->rcpts += o->n;
	if (a->local)
		floor_out(q->floor, m);
	else
		windows_out(o->group->windows, o->dest);
}

static void take_back(struct qmgr *q, struct offer *o, enum ipc_heard heard)
{
	list_remove(&o->node);
	(void)map64_del(q->offers, o->id);
	o->agent->rcpts -= o->n;
	if (!o->agent->local)
		windows_in(o->group->windows, connections(q), o->dest, heard);
}

/* Offers one part of the message to the agent; a is NULL where there is no next host. */
static void offer(struct qmgr *q, struct group *g, struct agent *a, handle h, uint32_t dest, const struct ready *ready)
{
	struct message *m = state_message(q->state, h);
	struct spool_message sm;
	struct buf list;
	int err = qmgr_load(q, m, &sm);
	if (err != ERR_OK) {
		log_error("message_unreadable", LU("number", m->number), LERR("error", err));
		results_settle(q, h);
		return;
	}
	buf_init(&list, SIZE_MAX);
	struct offer *o = gather(q, g, m, dest, ready, &sm, &list);
	if (o->n == 0) {
		free(o);
		results_settle(q, h);
	} else if (!a) {
		defer(q, o, "4.4.4", "no relay host is configured, and mail for other hosts waits");
	} else {
		put_out(q, o, a, m);
		err = send_offer(q, o, a, m, &sm, buf_view(&list));
		if (err != ERR_OK) {
			take_back(q, o, IPC_HEARD_NOTHING);
			log_warn("offer_failed", LU("number", m->number), LERR("error", err));
			defer(q, o, "4.3.0", "the message cannot be handed to its delivery agent");
		}
	}
	buf_fini(&list);
}

/* ---- turns ---- */

static struct agent *free_agent(struct group *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		struct agent *a = &g->agents[(g->turn + i) % g->n];
		if (a->room == 0 || (g->local && a->rcpts >= RCPTS_OUT) || !ipc_channel_is_up(a->channel) || ipc_backlog(a->channel) > BACKLOG_MAX ||
			ipc_fds_waiting(a->channel) > IPC_FDS_CALM)
			continue;
		g->turn = (g->turn + i + 1) % g->n;
		return a;
	}
	return NULL;
}

/* A next hop takes no more of what the agents can take than it leaves: so the others are served also when several hang. */
static bool hop_goes(const struct qmgr *q, const struct group *g)
{
	uint64_t spare = 0;
	for (unsigned i = 0; i < q->nremote; i++)
		spare += q->remote[i].room;
	return windows_any(g->windows, connections(q)) && windows_count(g->windows) < spare;
}

struct turn {
	const struct windows *windows;
	unsigned most;
};

static bool dest_goes(void *arg, uint32_t dest)
{
	const struct turn *t = arg;
	return windows_go(t->windows, t->most, dest);
}

static bool always(void *arg, uint32_t dest)
{
	(void)arg;
	(void)dest;
	return true;
}

static void serve_group(struct qmgr *q, struct group *g)
{
	bool nowhere = !g->local && host_of(q, g).n == 0, bounded = !g->local && !nowhere;
	struct turn turn = { g->windows, connections(q) };
	unsigned n = 0;
	if (!g->local)
		lanes_go_on(g->lanes, nowhere ? always : dest_goes, &turn);
	while (lanes_count(g->lanes)) {
		struct agent *a = nowhere || (bounded && !hop_goes(q, g)) ? NULL : free_agent(g);
		struct ready ready;
		uint32_t dest;
		if (!a && !nowhere)
			return;
		if (n++ == PROMOTE) { /* let the others have their turn of the loop */
			timer_set(q->due, 0);
			return;
		}
		if (!lanes_take(g->lanes, bounded ? dest_goes : NULL, &turn, &ready, &dest))
			return;
		handle h = state_find(q->state, ready.number);
		if (h == HANDLE_NONE)
			continue;
		if (state_message(q->state, h)->flags & (MSG_HOLD | MSG_GONE))
			results_settle(q, h);
		else
			offer(q, g, a, h, dest, &ready);
	}
}

static void wait_less(struct qmgr *q, uint32_t by)
{
	handle at = 0;
	for (handle h = state_next(q->state, &at); h != HANDLE_NONE; h = state_next(q->state, &at)) {
		const struct message *m = state_message(q->state, h);
		if (m->heap == HANDLE_NONE)
			continue;
		uint32_t next_try = m->next_try > by ? m->next_try - by : 0;
		state_unwait(q->state, h);
		state_wait(q->state, h, next_try);
	}
}

/* When the clock is set back, those that wait move with it: it might be years until it shows again the time that they were given. */
static void follow_clock(struct qmgr *q)
{
	int64_t lead = clock_lead(), back = q->clock_lead - lead;
	if (back > 1) {
		log_warn("clock_went_back", LU("seconds", (uint64_t)back));
		wait_less(q, back < UINT32_MAX ? (uint32_t)back : UINT32_MAX);
	}
	if (back > 1 || back < 0)
		q->clock_lead = lead;
}

/* Those whose time has come are made ready; a bounded number a turn. */
static void promote(struct qmgr *q)
{
	unsigned n = 0;
	handle h;
	follow_clock(q);
	uint64_t now = qmgr_now();
	while ((h = state_first(q->state)) != HANDLE_NONE) {
		struct message *m = state_message(q->state, h);
		uint64_t wait = m->next_try > now ? (m->next_try - now) * 1000 : 0;
		if (wait || n == PROMOTE) {
			timer_set(q->due, wait == 0 ? 1 : wait < CHECK_MS ? wait : CHECK_MS); /* the clock may jump */
			return;
		}
		state_unwait(q->state, h);
		agents_ready(q, h);
		n++;
	}
}

void agents_schedule(struct qmgr *q)
{
	if (q->d->stopping) /* nothing more is begun, and the timer is the stop's now */
		return;
	promote(q);
	for (unsigned i = 0; i < q->ngroups; i++)
		serve_group(q, &q->groups[i]);
}

void on_pull(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct qmgr *q = qmgr_of(arg);
	struct agent *a = ipc_channel_data(from);
	const struct ipc_pull *p = m;
	(void)fds;
	(void)nfds;
	if (!a)
		return;
	a->room = p->room > UINT32_MAX - a->room ? UINT32_MAX : a->room + p->room;
	loop_later(q->d->loop, &q->schedule);
}

void agents_up(struct qmgr *q, struct ipc_channel *c)
{
	struct agent *a = ipc_channel_data(c);
	if (a)
		a->room = 0;
	(void)q;
}

/* What was offered to an agent that died is ready again: the delivery id stays the same, so that what was done is not done twice. */
void agents_down(struct qmgr *q, struct ipc_channel *c)
{
	struct agent *a = ipc_channel_data(c);
	if (!a)
		return;
	a->room = 0;
	LIST_EACH (it, tmp, &a->offers) {
		struct offer *o = LIST_OF(it, struct offer, node);
		handle h = state_find(q->state, o->number);
		take_back(q, o, IPC_HEARD_NOTHING);
		if (h != HANDLE_NONE)
			add_ready(q, o->group, state_message(q->state, h), o->dest,
				(struct ready){ o->number, o->rcpts[0].index, o->rcpts[o->n - 1].index + 1 });
		free(o);
	}
	loop_later(q->d->loop, &q->schedule);
}

/* ---- reports ---- */

static struct fate *fate_of(struct fate *fates, uint32_t n, uint32_t index)
{
	uint32_t lo = 0, hi = n;
	while (lo < hi) { /* indexes ascend */
		uint32_t mid = (lo + hi) / 2;
		if (fates[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && fates[lo].index == index ? &fates[lo] : NULL;
}

/* Next time the domains go apart: one of them may hold up the others. */
static void note_stall(struct qmgr *q, uint64_t number)
{
	handle h = state_find(q->state, number);
	if (h != HANDLE_NONE)
		state_message(q->state, h)->flags |= MSG_STALLED;
}

void on_report(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct qmgr *q = qmgr_of(arg);
	const struct ipc_report *r = m;
	struct offer *o = map64_get(q->offers, r->offer);
	(void)fds;
	(void)nfds;
	if (!o || o->agent->channel != from)
		return;
	struct fate *fates = mem_array(o->n, sizeof *fates);
	for (uint32_t i = 0; i < o->n; i++)
		fates[i] = (struct fate){ .index = o->rcpts[i].index, .outcome = IPC_LATER, .notify = o->rcpts[i].notify, .status = VIEW("4.3.0"),
			.text = VIEW("the delivery agent said nothing of this recipient"), .unsure = o->agent->local };
	struct view rest = r->results.bytes;
	struct ipc_result e;
	while (ipc_result_next(&rest, &e)) {
		struct fate *f = fate_of(fates, o->n, e.index);
		if (!f || (e.outcome > IPC_NEVER && e.outcome != IPC_UNSURE))
			continue;
		f->unsure = e.outcome == IPC_UNSURE && o->agent->local;
		f->outcome = e.outcome == IPC_UNSURE ? IPC_LATER : e.outcome;
		f->noted = e.noted != 0;
		f->status = e.status;
		f->remote = e.remote;
		f->text = e.text;
	}
	enum ipc_heard heard = r->heard <= IPC_HEARD_NOBODY ? (enum ipc_heard)r->heard : IPC_HEARD_NOTHING;
	take_back(q, o, heard);
	if (o->mixed && heard == IPC_HEARD_STALL)
		note_stall(q, o->number);
	results_take(q, o->number, fates, o->n);
	free(fates);
	free(o);
}
