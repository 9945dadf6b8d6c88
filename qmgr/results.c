/* SPDX-License-Identifier: ISC */
/* What became of recipients: recorded with the notification that is due, then the part is settled. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "proto/dsn.h"
#include "qmgr/qmgr.h"

enum { STATUS_KEPT = 10000, ASK_AGAIN_MS = 10000 };

/* Fates on their way: copied, since the sender's route must perhaps be asked first. */
struct telling {
	struct qmgr *q;
	uint64_t number;
	uint64_t next_try;
	struct arena *arena;
	struct fate *fates;
	size_t n;
	bool warns;
	struct view sender;
	uint64_t request; /* lookup's; 0: none is out */
	struct timer *again;
};

static void free_telling(struct telling *t)
{
	timer_free(t->again);
	arena_free(t->arena);
	free(t);
}

/* ---- after the last part ---- */

static void forget_status(struct qmgr *q, uint64_t number)
{
	free(map64_del(q->last_status, number));
}

static void remove_content(struct qmgr *q, const struct message *m)
{
	struct spool_message sm;
	if (!(m->flags & MSG_FILE))
		return;
	if (qmgr_load(q, m, &sm) == ERR_OK)
		content_remove(q->contents, sm.content_file);
}

static void finish(struct qmgr *q, handle h)
{
	struct message *m = state_message(q->state, h);
	char id[QUEUE_ID_MAX];
	qmgr_name(q, m->number, id);
	log_info("removed", LS("queue_id", id));
	remove_content(q, m);
	cache_drop(q->cache, m->number);
	forget_status(q, m->number);
	state_remove(q->state, h);
}

static void put_act(struct qmgr *q, uint64_t number, uint8_t action, void (*fn)(void *arg, struct spool_entry *e, int err), void *arg)
{
	struct buf b;
	buf_init(&b, 64);
	INVARIANT(spool_act_put(&b, &(struct spool_act){ number, qmgr_now(), action }) == ERR_OK);
	spool_append(q->spool, SPOOL_ACT, buf_view(&b), true, fn, arg); /* the entry has the memory now */
}

struct deletion {
	struct qmgr *q;
	uint64_t file;
};

static void deleted(void *arg, struct spool_entry *e, int err)
{
	struct deletion *d = arg;
	(void)e;
	if (err == ERR_OK && d->file)
		content_remove(d->q->contents, d->file);
	free(d);
}

/* Nothing of it is under way, and nothing begins any more. The record goes first; content that a crash leaves behind is swept at the start. */
void results_delete(struct qmgr *q, handle h)
{
	struct message *m = state_message(q->state, h);
	struct spool_message sm;
	struct deletion *d = mem_new(sizeof *d);
	char id[QUEUE_ID_MAX];
	qmgr_name(q, m->number, id);
	log_info("deleted", LS("queue_id", id));
	d->q = q;
	if ((m->flags & MSG_FILE) && qmgr_load(q, m, &sm) == ERR_OK)
		d->file = sm.content_file;
	state_unwait(q->state, h);
	m->flags |= MSG_GONE;
	cache_drop(q->cache, m->number);
	forget_status(q, m->number);
	put_act(q, m->number, 4, deleted, d);
}

/* Held from here on; the record says it to the next process. */
static void hold(struct qmgr *q, struct message *m)
{
	m->flags = (uint16_t)((m->flags & ~MSG_HOLD) | MSG_HELD);
	put_act(q, m->number, 1, NULL, NULL);
}

void results_act(struct qmgr *q, handle h, uint8_t action)
{
	struct message *m = state_message(q->state, h);
	if (m->flags & MSG_GONE)
		return;
	if (action == 4 && m->parts)
		m->flags |= MSG_GONE;
	else if (action == 4)
		results_delete(q, h);
	else if (action == 1 && m->parts)
		m->flags |= MSG_HOLD;
	else if (action == 1 && !(m->flags & MSG_HELD)) {
		state_unwait(q->state, h);
		hold(q, m);
	} else if (action == 2 && (m->flags & (MSG_HELD | MSG_HOLD))) {
		bool held = m->flags & MSG_HELD;
		m->flags &= (uint16_t)~(MSG_HELD | MSG_HOLD);
		if (!held)
			return;
		put_act(q, m->number, 2, NULL, NULL);
		state_wait(q->state, h, (uint32_t)qmgr_now());
	} else if (action == 3 && !(m->flags & MSG_HELD) && m->parts == 0) {
		put_act(q, m->number, 3, NULL, NULL);
		state_wait(q->state, h, (uint32_t)qmgr_now());
	}
	loop_later(q->d->loop, &q->schedule);
}

void results_settle(struct qmgr *q, handle h)
{
	struct message *m = state_message(q->state, h);
	uint64_t now = qmgr_now();
	INVARIANT(m->parts > 0);
	if (--m->parts > 0)
		return;
	if (!(m->flags & MSG_UNSURE))
		floor_in(m);
	if (state_pending(m) == 0) {
		finish(q, h);
		return;
	}
	if (m->flags & MSG_GONE) {
		results_delete(q, h);
		return;
	}
	cache_drop(q->cache, m->number);
	if (m->flags & MSG_HOLD) {
		hold(q, m);
		return;
	}
	uint64_t least = now + (m->next_try <= now ? conf_num(q->d->conf, PARAM_QUEUE_RETRY_MIN) : 0);
	state_wait(q->state, h, m->next_try > least ? m->next_try : (uint32_t)least);
	loop_later(q->d->loop, &q->schedule);
}

/* ---- recording ---- */

static void recorded(void *arg, struct spool_entry *e, int err)
{
	struct telling *t = arg;
	struct qmgr *q = t->q;
	INVARIANT(err == ERR_OK);
	intake_settled(q);
	handle notice = state_find(q->state, e->position);
	if (notice != HANDLE_NONE) {
		char id[QUEUE_ID_MAX], about[QUEUE_ID_MAX];
		qmgr_name(q, e->position, id);
		qmgr_name(q, t->number, about);
		log_info("notified", LS("queue_id", about), LS("notice", id));
		cache_put(q->cache, e->position, e->kind, e->payload, e->n);
		e->payload = NULL;
		agents_ready(q, notice);
	}
	handle h = state_find(q->state, t->number);
	free_telling(t);
	if (h != HANDLE_NONE)
		results_settle(q, h);
}

static void put_fates(struct buf *b, const struct telling *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct fate *f = &t->fates[i];
		struct spool_fate r = { f->index, f->outcome, f->status, f->remote, f->text };
		/* Of those that are delivered nothing needs to be said again. */
		if (f->outcome == IPC_DONE)
			r.status = r.remote = r.text = VIEW_NONE;
		INVARIANT(spool_fate_put(b, &r) == ERR_OK);
	}
}

static void record(struct telling *t, struct view notice)
{
	struct buf fates, b;
	buf_init(&fates, SIZE_MAX);
	buf_init(&b, SIZE_MAX);
	put_fates(&fates, t);
	struct spool_result r = {
		.message = t->number,
		.at = qmgr_now(),
		.next_try = t->next_try,
		.flags = t->warns,
		.fates = { buf_view(&fates), (uint32_t)t->n },
		.notice = notice,
	};
	INVARIANT(spool_result_put(&b, &r) == ERR_OK);
	buf_fini(&fates);
	spool_append(t->q->spool, SPOOL_RESULT, buf_view(&b), true, recorded, t);
}

/* ---- asking where the sender is ---- */

static void ask(struct telling *t);

static void ask_again(void *arg)
{
	ask(arg);
}

static void ask_later(struct telling *t)
{
	if (!t->again)
		t->again = timer_new(t->q->d->loop, ask_again, t);
	timer_set(t->again, ASK_AGAIN_MS);
}

static void ask(struct telling *t)
{
	struct ipc_channel *c = daemon_channel(t->q->d, ROLE_LOOKUP, t->number);
	if (!c) {
		ask_later(t);
		return;
	}
	t->request = ++t->q->last_id;
	int err = ipc_request(c, IPC_RECIPIENT, &(struct ipc_recipient){ t->request, 1, t->sender }, NULL, 0);
	if (err == ERR_OK) {
		(void)map64_set(t->q->tellings, t->request, t);
		return;
	}
	t->request = 0;
	ask_later(t);
}

/* The sender cannot be told: the message is lost to them, and the log is all that is left to say it. */
static void untold(struct telling *t, const char *why)
{
	char id[QUEUE_ID_MAX];
	qmgr_name(t->q, t->number, id);
	log_warn("notice_dropped", LS("queue_id", id), LV("sender", t->sender), LS("why", why));
	record(t, VIEW_NONE);
}

static void tell(struct telling *t, const struct ipc_route *route)
{
	struct qmgr *q = t->q;
	struct spool_message sm;
	struct buf b;
	handle h = state_find(q->state, t->number);
	INVARIANT(h != HANDLE_NONE);
	const struct message *m = state_message(q->state, h);
	if (qmgr_load(q, m, &sm) != ERR_OK) {
		untold(t, "the message cannot be read");
		return;
	}
	buf_init(&b, 16u << 20);
	int err = notice_write(q, m, &sm, t->fates, t->n, route, &b);
	if (err == ERR_OK)
		record(t, buf_view(&b));
	else
		untold(t, err_text(err));
	buf_fini(&b);
}

void on_recipient_is(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct qmgr *q = qmgr_of(arg);
	const struct ipc_recipient_is *r = m;
	struct telling *t = map64_del(q->tellings, r->id);
	struct ipc_route route;
	(void)from;
	(void)fds;
	(void)nfds;
	if (!t)
		return;
	t->request = 0;
	if (r->outcome == IPC_LATER)
		ask_later(t);
	else if (r->outcome != IPC_DONE)
		untold(t, "the sender's address does not exist");
	else if (admit_route(&q->keys, r->sealed, t->sender, qmgr_now(), &route) != ERR_OK)
		untold(t, "the sender's route is not sealed");
	else
		tell(t, &route);
}

/* ---- fates ---- */

/* RFC 5321 4.5.4.1: the time between tries grows with the time that the message has waited. */
static uint64_t next_try(struct qmgr *q, const struct message *m)
{
	uint64_t now = qmgr_now(), age = now > m->arrived ? now - m->arrived : 0;
	uint64_t min = conf_num(q->d->conf, PARAM_QUEUE_RETRY_MIN), max = conf_num(q->d->conf, PARAM_QUEUE_RETRY_MAX);
	return now + (age < min ? min : age > max ? max : age);
}

static bool is_old(struct qmgr *q, const struct message *m)
{
	return qmgr_now() > m->arrived + conf_num(q->d->conf, PARAM_QUEUE_LIFETIME);
}

static void keep_status(struct qmgr *q, uint64_t number, const struct fate *f)
{
	forget_status(q, number);
	if (map64_count(q->last_status) >= STATUS_KEPT)
		return;
	struct buf b;
	buf_init(&b, 600);
	buf_addv(&b, f->status);
	buf_addc(&b, ' ');
	if (f->remote.n) {
		buf_addv(&b, f->remote);
		buf_adds(&b, ": ");
	}
	buf_addv(&b, view_head(f->text, 300));
	(void)map64_set(q->last_status, number, mem_str(buf_view(&b)));
	buf_fini(&b);
}

/* Past its lifetime nothing waits any more (RFC 3463 3.5, X.4.7). */
static void expire(struct fate *f, bool old)
{
	if (f->outcome != IPC_LATER || !old)
		return;
	f->outcome = IPC_NEVER;
	f->status = VIEW("5.4.7");
}

/* RFC 5321 4.5.5: a notification that cannot be delivered is not answered by another; the log alone says it. */
static void log_failed_notice(struct qmgr *q, uint64_t number, const struct telling *t)
{
	char id[QUEUE_ID_MAX];
	qmgr_name(q, number, id);
	for (size_t i = 0; i < t->n; i++)
		if (t->fates[i].outcome == IPC_NEVER)
			log_warn("notice_undeliverable", LS("queue_id", id), LV("status", t->fates[i].status), LV("reply", t->fates[i].text));
}

/*
 * Takes out those of which it is not known whether they were delivered, and gives how many are left. Were they recorded as told to wait, the floor would
 * pass their message, and its delivery would count for a new one when it comes again. It is due at once for the next process, which has it out then.
 */
static size_t leave_unsure(struct qmgr *q, struct message *m, struct fate *fates, size_t n)
{
	size_t sure = 0;
	for (size_t i = 0; i < n; i++) {
		if (fates[i].unsure)
			keep_status(q, m->number, &fates[i]);
		else
			fates[sure++] = fates[i];
	}
	if (sure < n) {
		m->flags |= MSG_UNSURE;
		if (m->next_try > qmgr_now())
			put_act(q, m->number, 3, NULL, NULL);
	}
	return sure;
}

void results_take(struct qmgr *q, uint64_t number, struct fate *fates, size_t n)
{
	handle h = state_find(q->state, number);
	if (h == HANDLE_NONE)
		return;
	struct message *m = state_message(q->state, h);
	struct spool_message sm;
	bool old = is_old(q, m), plain = true;
	if (!old)
		n = leave_unsure(q, m, fates, n);
	if (n == 0) {
		results_settle(q, h);
		return;
	}
	struct telling *t = mem_new(sizeof *t);
	*t = (struct telling){ .q = q, .number = number, .next_try = m->flags & MSG_UNSURE ? qmgr_now() : next_try(q, m), .arena = arena_new(), .n = n };
	t->fates = arena_alloc(t->arena, n * sizeof *t->fates);
	for (size_t i = 0; i < n; i++) {
		struct fate *f = &t->fates[i];
		*f = fates[i];
		expire(f, old);
		f->status = arena_view(t->arena, f->status);
		f->remote = arena_view(t->arena, f->remote);
		f->text = arena_view(t->arena, f->text);
		if (f->outcome == IPC_LATER)
			keep_status(q, number, f);
		plain = plain && f->outcome == IPC_DONE && !(f->notify & (DSN_SUCCESS | DSN_EXPAND));
	}
	if (!plain && (m->flags & MSG_NOTICE))
		log_failed_notice(q, number, t);
	if (plain || qmgr_load(q, m, &sm) != ERR_OK || !notice_due(q, m, &sm, t->fates, n, &t->warns)) {
		record(t, VIEW_NONE);
		return;
	}
	t->sender = arena_view(t->arena, sm.sender);
	ask(t);
}

void results_fini(struct qmgr *q)
{
	size_t it = 0;
	uint64_t key;
	void *v;
	while (map64_next(q->tellings, &it, &key, &v))
		free_telling(v);
	map64_free(q->tellings);
	it = 0;
	while (map64_next(q->last_status, &it, &key, &v))
		free(v);
	map64_free(q->last_status);
}
