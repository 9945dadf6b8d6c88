/* SPDX-License-Identifier: ISC */
/* postrider queue list|hold|release|retry|delete|show: walks the state a slice at a time, as fast as the caller reads. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "qmgr/qmgr.h"
#include "sys/file.h"

enum { SLICE = 200, PART = 256 << 10, LIST_BACKLOG = 256 << 10 };
enum { ACT_LIST = 0, ACT_SHOW = 5 };

/* A request that is being served. */
struct lister {
	struct list node;
	struct qmgr *q;
	struct ipc_channel *to;
	uint64_t id, count, number; /* number: the one that a queue id names, or 0 for a walk */
	uint8_t action;
	char pattern[321];
	handle at;
	struct timer *next;
};

static void free_lister(struct lister *l)
{
	list_remove(&l->node);
	timer_free(l->next);
	free(l);
}

static void finish(struct lister *l, uint8_t outcome, const char *text)
{
	struct ipc_control_done d = { .id = l->id, .outcome = outcome, .count = l->count, .text = view_of(text) };
	if (ipc_send(l->to, IPC_CONTROL_DONE, &d, NULL, 0) != ERR_OK)
		log_debug("answer_lost");
	free_lister(l);
}

/* A pattern is a queue id, ALL (or nothing), an address, or @domain, of sender or recipient. */
static bool address_matches(struct view address, struct view pattern)
{
	return pattern.n && pattern.p[0] == '@' ? view_iends(address, pattern) : view_ieq(address, pattern);
}

static bool matches(const struct lister *l, const struct spool_message *sm)
{
	struct view p = view_of(l->pattern), rest = sm->rcpts.bytes;
	struct spool_recipient r;
	if (l->number || p.n == 0 || view_ieqs(p, "ALL") || address_matches(sm->sender, p))
		return true;
	while (spool_recipient_next(&rest, &r))
		if (address_matches(r.address, p) || address_matches(r.original, p))
			return true;
	return false;
}

/* The first recipient that is not done stands for all. */
static struct view pending_rcpt(const struct message *m, const struct spool_message *sm)
{
	struct view rest = sm->rcpts.bytes;
	struct spool_recipient r;
	for (uint32_t i = 0; i < m->nrcpts && spool_recipient_next(&rest, &r); i++)
		if (!state_is_done(m, i))
			return r.address.n ? r.address : r.original;
	return VIEW_NONE;
}

static void put_entry(struct lister *l, const struct message *m, const struct spool_message *sm)
{
	char id[QUEUE_ID_MAX];
	const char *status = map64_get(l->q->last_status, m->number);
	qmgr_name(l->q, m->number, id);
	struct ipc_queue_entry e = {
		.id = l->id,
		.queue_id = view_of(id),
		.arrived = m->arrived,
		.size = sm->size,
		.next_try = m->parts ? 0 : m->next_try,
		.held = (m->flags & (MSG_HELD | MSG_HOLD)) != 0,
		.sender = sm->sender,
		.rcpt = pending_rcpt(m, sm),
		.status = view_of(status ? status : m->parts ? "being delivered" : ""),
	};
	if (ipc_send(l->to, IPC_QUEUE_ENTRY, &e, NULL, 0) != ERR_OK)
		log_debug("answer_lost");
}

static void put_part(struct lister *l, struct view v)
{
	for (size_t at = 0; at < v.n; at += PART) {
		struct ipc_queue_content c = { l->id, view_head(view_skip(v, at), PART) };
		if (ipc_send(l->to, IPC_QUEUE_CONTENT, &c, NULL, 0) != ERR_OK)
			return;
	}
}

static void show(struct lister *l, const struct spool_message *sm)
{
	int fd;
	put_part(l, sm->headers);
	if (!sm->content_file) {
		put_part(l, sm->content);
	} else if (content_read(l->q->contents, sm->content_file, &fd) == ERR_OK) {
		char *p = mem_new(PART);
		uint64_t size = sm->size - sm->headers.n;
		for (uint64_t at = 0; at < size; at += PART) {
			size_t n = size - at < PART ? (size_t)(size - at) : PART;
			if (file_pread(fd, p, n, (off_t)at) != ERR_OK)
				break;
			put_part(l, view_make(p, n));
		}
		free(p);
		fd_close(&fd);
	}
}

static void serve(struct lister *l, handle h)
{
	const struct message *m = state_message(l->q->state, h);
	struct spool_message sm;
	if ((m->flags & MSG_GONE) || qmgr_load(l->q, m, &sm) != ERR_OK || !matches(l, &sm))
		return;
	l->count++;
	if (l->action == ACT_LIST)
		put_entry(l, m, &sm);
	else if (l->action == ACT_SHOW)
		show(l, &sm);
	else
		results_act(l->q, h, l->action);
}

static void walk(void *arg)
{
	struct lister *l = arg;
	struct state *st = l->q->state;
	if (l->number) {
		handle h = state_find(st, l->number);
		if (h != HANDLE_NONE)
			serve(l, h);
		finish(l, l->count ? IPC_DONE : IPC_NEVER, l->count ? "" : "there is no such message");
		return;
	}
	for (unsigned n = 0; n < SLICE && ipc_backlog(l->to) < LIST_BACKLOG; n++) {
		handle h = state_next(st, &l->at);
		if (h == HANDLE_NONE) {
			finish(l, IPC_DONE, "");
			return;
		}
		serve(l, h);
	}
	/* A caller that reads slowly is looked at again a little later. */
	timer_set(l->next, ipc_backlog(l->to) < LIST_BACKLOG ? 0 : 20);
}

static void begin(struct qmgr *q, struct ipc_channel *to, uint64_t id, uint8_t action, struct view pattern)
{
	struct lister *l = mem_new(sizeof *l);
	*l = (struct lister){ .q = q, .to = to, .id = id, .action = action };
	memcpy(l->pattern, pattern.p, pattern.n < sizeof l->pattern ? pattern.n : sizeof l->pattern - 1);
	list_append(&q->listers, &l->node);
	l->next = timer_new(q->d->loop, walk, l);
	uint64_t number;
	if (state_queue_number(q->state, pattern, &number) && state_find(q->state, number) != HANDLE_NONE)
		l->number = number;
	else if (action == ACT_SHOW || (action != ACT_LIST && pattern.n == 0)) {
		finish(l, IPC_NEVER, action == ACT_SHOW ? "there is no such message" : "say which: a queue id, an address, @domain or ALL");
		return;
	}
	timer_set(l->next, 0);
}

void on_queue_list(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	const struct ipc_queue_list *r = m;
	(void)fds;
	(void)nfds;
	begin(qmgr_of(arg), from, r->id, ACT_LIST, r->pattern);
}

void on_queue_act(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	const struct ipc_queue_act *r = m;
	(void)fds;
	(void)nfds;
	if (r->action >= 1 && r->action <= ACT_SHOW)
		begin(qmgr_of(arg), from, r->id, r->action, r->pattern);
}

void control_down(struct qmgr *q, struct ipc_channel *c)
{
	LIST_EACH (it, tmp, &q->listers)
		if (LIST_OF(it, struct lister, node)->to == c)
			free_lister(LIST_OF(it, struct lister, node));
}
