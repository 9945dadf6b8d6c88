/* SPDX-License-Identifier: ISC */
#include "ipc/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/frame.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

#define CREDIT 1024          /* unanswered requests of one channel */
#define READ_CHUNK (256u << 10)
#define IN_MAX (IPC_FRAME_MAX + 2u * READ_CHUNK)
#define OUT_MAX (1u << 30)   /* answers always have room: what bounds them is the requester's credit, and OUT_CALM */
#define OUT_CALM (8u << 20)  /* octets that wait for an asker before nothing more is taken from it */
#define SPARES 128           /* settled requests whose memory is kept for the next ones */
#define SPARE_OCTETS (16u << 10) /* of one of them at most */
#define FDS_WAITING 16
#define FDS_OUT 64           /* messages with descriptors that may wait to be sent */

/* A request that was not answered yet. */
struct pending {
	struct list node;
	uint64_t id;
	enum ipc_kind kind;
	struct buf frame; /* kept for requests that are sent again */
};

/* Descriptors that go out with the octet at this place of the outgoing stream. */
struct outfds {
	struct list node;
	uint64_t at;
	int fds[IPC_FDS_MAX];
	size_t n;
};

struct ipc_channel {
	struct loop *loop;
	enum ipc_role self, peer;
	unsigned instance;
	struct ipc_callbacks cb;
	void *data;
	int fd;
	struct io *io;
	bool greeted;     /* the peer's greeting was read */
	unsigned busy;    /* depth of callbacks: a free is put off */
	bool dying;
	uint64_t generation; /* of the connection, so that a callback may drop it */
	struct buf in, out;
	uint64_t sent;    /* place in the outgoing stream of out's first octet */
	struct list outfds;
	size_t noutfds;
	bool serves;      /* the peer asks, and is not asked: it may be kept waiting, for we wait for nothing of its */
	bool held;        /* it has to read before more of it is taken */
	int infds[FDS_WAITING];
	size_t ninfds;
	struct later flush;
	struct map64 *requests;
	struct list order; /* of requests, oldest first */
	struct list spare; /* settled ones, for those that come */
	unsigned spares;
	bool starved;
	uint64_t next_id;
	void (*drained)(void *arg, struct ipc_channel *c);
	void *drained_arg;
};

static int push(struct ipc_channel *c);
static void on_ready(void *arg, unsigned ready);
static void flush_later(void *arg);
static void take_all(struct ipc_channel *c);

/* Whether there is a request that `from` may send to `to`. */
static bool asks(enum ipc_role from, enum ipc_role to)
{
	for (unsigned k = IPC_NONE + 1; k < IPC_KIND_COUNT; k++)
		if (ipc_kinds[k].reply != IPC_NONE && ipc_permitted((enum ipc_kind)k, from, to))
			return true;
	return false;
}

struct ipc_channel *ipc_channel_new(struct loop *l, enum ipc_role self, enum ipc_role peer, unsigned instance,
	const struct ipc_callbacks *cb)
{
	struct ipc_channel *c = mem_new(sizeof *c);
	c->loop = l;
	c->self = self;
	c->peer = peer;
	c->instance = instance;
	c->cb = *cb;
	c->serves = asks(peer, self) && !asks(self, peer);
	c->fd = -1;
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, OUT_MAX);
	list_init(&c->outfds);
	list_init(&c->order);
	list_init(&c->spare);
	c->requests = map64_new();
	c->flush = (struct later){ .fn = flush_later, .arg = c };
	random_bytes(&c->next_id, sizeof c->next_id);
	c->next_id >>= 2;
	return c;
}

bool ipc_channel_is_up(const struct ipc_channel *c)
{
	return c->fd >= 0;
}
enum ipc_role ipc_channel_peer(const struct ipc_channel *c)
{
	return c->peer;
}
unsigned ipc_channel_instance(const struct ipc_channel *c)
{
	return c->instance;
}
void ipc_channel_set_data(struct ipc_channel *c, void *data)
{
	c->data = data;
}
void *ipc_channel_data(const struct ipc_channel *c)
{
	return c->data;
}
size_t ipc_backlog(const struct ipc_channel *c)
{
	return buf_len(&c->out);
}
size_t ipc_fds_waiting(const struct ipc_channel *c)
{
	return c->noutfds;
}
unsigned ipc_credit(const struct ipc_channel *c)
{
	size_t used = map64_count(c->requests);
	return used >= CREDIT ? 0 : (unsigned)(CREDIT - used);
}
void ipc_on_drained(struct ipc_channel *c, void (*fn)(void *arg, struct ipc_channel *c), void *arg)
{
	c->drained = fn;
	c->drained_arg = arg;
}
uint64_t ipc_next_id(struct ipc_channel *c)
{
	return ++c->next_id;
}

static struct pending *pending_new(struct ipc_channel *c, enum ipc_kind kind)
{
	struct pending *p;
	if (list_empty(&c->spare)) {
		p = mem_new(sizeof *p);
		buf_init(&p->frame, IPC_FRAME_MAX + IPC_FRAME_HEADER);
	} else {
		p = LIST_OF(list_first(&c->spare), struct pending, node);
		list_remove(&p->node);
		c->spares--;
	}
	p->kind = kind;
	return p;
}

/* One that is in no list. Its memory is kept for the next, unless it is uncommonly big. */
static void pending_spare(struct ipc_channel *c, struct pending *p)
{
	if (c->spares == SPARES || p->frame.cap > SPARE_OCTETS) {
		buf_fini(&p->frame);
		free(p);
		return;
	}
	buf_reset(&p->frame);
	list_append(&c->spare, &p->node);
	c->spares++;
}

static void pending_free(struct ipc_channel *c, struct pending *p)
{
	list_remove(&p->node);
	map64_del(c->requests, p->id);
	pending_spare(c, p);
}

static void outfds_free(struct ipc_channel *c, struct outfds *o)
{
	list_remove(&o->node);
	c->noutfds--;
	for (size_t i = 0; i < o->n; i++)
		close(o->fds[i]);
	free(o);
}

static void close_infds(struct ipc_channel *c)
{
	for (size_t i = 0; i < c->ninfds; i++)
		close(c->infds[i]);
	c->ninfds = 0;
}

static void forget_connection(struct ipc_channel *c)
{
	io_free(c->io);
	c->io = NULL;
	fd_close(&c->fd);
	c->greeted = c->held = false;
	c->generation++;
	loop_later_cancel(c->loop, &c->flush);
	buf_fini(&c->in);
	buf_fini(&c->out);
	LIST_EACH(n, tmp, &c->outfds)
		outfds_free(c, LIST_OF(n, struct outfds, node));
	close_infds(c);
}

static void destroy(struct ipc_channel *c)
{
	forget_connection(c);
	LIST_EACH(n, tmp, &c->order)
		pending_free(c, LIST_OF(n, struct pending, node));
	LIST_EACH(n, tmp, &c->spare) {
		buf_fini(&LIST_OF(n, struct pending, node)->frame);
		free(LIST_OF(n, struct pending, node));
	}
	map64_free(c->requests);
	free(c);
}

static void enter(struct ipc_channel *c)
{
	c->busy++;
}

/* False when the channel is gone. */
static bool leave(struct ipc_channel *c)
{
	if (--c->busy > 0 || !c->dying)
		return !c->dying;
	destroy(c);
	return false;
}

void ipc_channel_free(struct ipc_channel *c)
{
	if (c == NULL)
		return;
	c->dying = true;
	if (c->busy == 0)
		destroy(c);
	else
		forget_connection(c);
}

/* Requests that are not sent again are told as lost; the others wait for the next connection. */
static void tell_lost(struct ipc_channel *c)
{
	struct list lost;
	list_init(&lost);
	LIST_EACH(n, tmp, &c->order) {
		struct pending *p = LIST_OF(n, struct pending, node);
		if (ipc_kinds[p->kind].lost == IPC_LOST_RESEND)
			continue;
		list_remove(&p->node);
		map64_del(c->requests, p->id);
		list_append(&lost, &p->node);
	}
	LIST_EACH(n, tmp, &lost) {
		struct pending *p = LIST_OF(n, struct pending, node);
		list_remove(&p->node);
		if (c->cb.on_lost != NULL && !c->dying)
			c->cb.on_lost(c->cb.arg, c, p->kind, p->id);
		pending_spare(c, p);
	}
}

static void disconnect(struct ipc_channel *c, const char *why)
{
	if (c->fd < 0)
		return;
	if (why != NULL)
		log_warn("channel_dropped", LS("peer", ipc_role_name(c->peer)), LU("instance", c->instance), LS("why", why));
	forget_connection(c);
	enter(c);
	if (c->cb.on_down != NULL && !c->dying)
		c->cb.on_down(c->cb.arg, c);
	tell_lost(c);
	leave(c);
}

void ipc_channel_drop(struct ipc_channel *c)
{
	disconnect(c, NULL);
}

void ipc_channel_end(struct ipc_channel *c)
{
	if (c->fd >= 0)
		(void)push(c);
	disconnect(c, NULL);
}

void ipc_channel_connect(struct ipc_channel *c, int fd)
{
	enter(c);
	disconnect(c, NULL);
	c->fd = fd;
	c->sent = 0;
	c->io = io_new(c->loop, fd, on_ready, c);
	io_want(c->io, IO_READ);
	ipc_greeting_put(&c->out, c->self);
	LIST_EACH(n, tmp, &c->order)
		buf_addv(&c->out, buf_view(&LIST_OF(n, struct pending, node)->frame));
	loop_later(c->loop, &c->flush);
	if (c->cb.on_up != NULL)
		c->cb.on_up(c->cb.arg, c);
	leave(c);
}

/* ---- sending ---- */

static int send_some(struct ipc_channel *c, size_t *put)
{
	struct list *first = list_first(&c->outfds);
	struct view v = buf_view(&c->out);
	if (first == NULL)
		return sock_write(c->fd, v, put);
	struct outfds *o = LIST_OF(first, struct outfds, node);
	if (o->at > c->sent)
		return sock_write(c->fd, view_head(v, (size_t)(o->at - c->sent)), put);
	/* Up to the next descriptors, so that each message has its own. */
	size_t most = v.n;
	if (o->node.next != &c->outfds)
		most = (size_t)(LIST_OF(o->node.next, struct outfds, node)->at - c->sent);
	int err = sock_send_fds(c->fd, view_head(v, most), o->fds, o->n, put);
	if (err == ERR_OK)
		outfds_free(c, o);
	return err;
}

/* As much as goes now. */
static int push(struct ipc_channel *c)
{
	int err = ERR_OK;
	while (err == ERR_OK && buf_len(&c->out) > 0) {
		size_t put = 0;
		err = send_some(c, &put);
		buf_consume(&c->out, put);
		c->sent += put;
	}
	return err == ERR_AGAIN ? ERR_OK : err;
}

/* One that asks and does not read the answers: what it asks next waits until it has read. */
static bool crowded(const struct ipc_channel *c)
{
	return c->serves && (buf_len(&c->out) > OUT_CALM || c->noutfds > FDS_OUT / 2);
}

static void want(struct ipc_channel *c)
{
	io_want(c->io, (c->held ? 0u : IO_READ) | (buf_len(&c->out) > 0 ? IO_WRITE : 0u));
}

static void flush(struct ipc_channel *c)
{
	if (c->fd < 0)
		return;
	if (push(c) != ERR_OK) {
		disconnect(c, NULL);
		return;
	}
	if (c->held && !crowded(c)) {
		c->held = false;
		take_all(c);
	}
	if (c->fd < 0)
		return;
	bool waiting = buf_len(&c->out) > 0;
	want(c);
	if (!waiting)
		buf_shrink(&c->out);
	if (!waiting && c->drained != NULL)
		c->drained(c->drained_arg, c);
}

static void flush_later(void *arg)
{
	struct ipc_channel *c = arg;
	enter(c);
	flush(c);
	leave(c);
}

static void close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* ERR_LIMIT: the peer does not take those that wait, or the process has no more. */
static int copy_fds(struct ipc_channel *c, const int *fds, size_t n, struct outfds **out)
{
	if (c->noutfds >= FDS_OUT / 2)
		(void)push(c); /* what failed is seen at the next turn */
	if (c->noutfds >= FDS_OUT)
		return ERR_LIMIT;
	struct outfds *o = mem_new(sizeof *o);
	for (; o->n < n; o->n++) {
		o->fds[o->n] = fcntl(fds[o->n], F_DUPFD_CLOEXEC, 3);
		if (o->fds[o->n] >= 0)
			continue;
		close_fds(o->fds, o->n);
		free(o);
		return ERR_LIMIT;
	}
	*out = o;
	return ERR_OK;
}

int ipc_send(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	INVARIANT(ipc_permitted(kind, c->self, c->peer));
	INVARIANT(nfds >= ipc_kinds[kind].fds_min && nfds <= ipc_kinds[kind].fds_max);
	struct outfds *o = NULL;
	if (c->fd < 0)
		return ERR_LOST;
	int err = nfds > 0 ? copy_fds(c, fds, nfds, &o) : ERR_OK;
	uint64_t at = c->sent + buf_len(&c->out);
	if (err == ERR_OK)
		err = ipc_frame_put(&c->out, kind, m, nfds);
	if (o != NULL && err != ERR_OK) {
		close_fds(o->fds, o->n);
		free(o);
	} else if (o != NULL) {
		o->at = at;
		list_append(&c->outfds, &o->node);
		c->noutfds++;
	}
	if (err == ERR_OK)
		loop_later(c->loop, &c->flush);
	return err;
}

/* The id is the first field of every request and answer. */
static uint64_t frame_id(struct view frame)
{
	return le64_get(frame.p + IPC_FRAME_HEADER);
}

static int request_again(struct ipc_channel *c, enum ipc_kind kind, const void *m)
{
	struct pending *p = pending_new(c, kind);
	int err = ipc_frame_put(&p->frame, kind, m, 0);
	if (err != ERR_OK) {
		pending_spare(c, p);
		return err;
	}
	p->id = frame_id(buf_view(&p->frame));
	INVARIANT(map64_set(c->requests, p->id, p) == NULL);
	list_append(&c->order, &p->node);
	if (c->fd >= 0) {
		buf_addv(&c->out, buf_view(&p->frame));
		loop_later(c->loop, &c->flush);
	}
	return ERR_OK;
}

static int request_once(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	int err = ipc_send(c, kind, m, fds, nfds);
	if (err != ERR_OK)
		return err;
	struct pending *p = pending_new(c, kind);
	memcpy(&p->id, m, sizeof p->id); /* a request's first field */
	INVARIANT(map64_set(c->requests, p->id, p) == NULL);
	list_append(&c->order, &p->node);
	return ERR_OK;
}

int ipc_request(struct ipc_channel *c, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	INVARIANT(ipc_kinds[kind].reply != IPC_NONE && ipc_permitted(kind, c->self, c->peer));
	if (ipc_credit(c) == 0) {
		c->starved = true;
		return ERR_AGAIN;
	}
	if (ipc_kinds[kind].lost == IPC_LOST_RESEND)
		return request_again(c, kind, m);
	return request_once(c, kind, m, fds, nfds);
}

static void give_credit(struct ipc_channel *c)
{
	if (!c->starved || ipc_credit(c) < CREDIT / 4)
		return;
	c->starved = false;
	if (c->cb.on_credit != NULL)
		c->cb.on_credit(c->cb.arg, c);
}

void ipc_forget(struct ipc_channel *c, uint64_t id)
{
	struct pending *p = map64_get(c->requests, id);
	if (p != NULL)
		pending_free(c, p);
}

/* ---- receiving ---- */

static ipc_handler_fn *find_handler(const struct ipc_channel *c, enum ipc_kind kind)
{
	for (const struct ipc_handler *h = c->cb.handlers; h != NULL && h->kind != IPC_NONE; h++)
		if (h->kind == kind)
			return h->fn;
	return NULL;
}

/* True when the answer is awaited; its request is settled then. */
static bool settle(struct ipc_channel *c, enum ipc_kind kind, uint64_t id)
{
	struct pending *p = map64_get(c->requests, id);
	if (p == NULL || ipc_kinds[p->kind].reply != kind)
		return false;
	pending_free(c, p);
	return true;
}

static void dispatch(struct ipc_channel *c, const struct ipc_frame *f, struct view payload)
{
	union ipc_any m;
	int fds[IPC_FDS_MAX];
	memcpy(fds, c->infds, f->nfds * sizeof *fds);
	c->ninfds -= f->nfds;
	memmove(c->infds, c->infds + f->nfds, c->ninfds * sizeof *fds);
	ipc_handler_fn *fn = find_handler(c, f->kind);
	bool wanted = fn != NULL && ipc_permitted(f->kind, c->peer, c->self) && ipc_kinds[f->kind].get(payload, &m) == ERR_OK;
	bool stale = wanted && ipc_kinds[f->kind].answer && !settle(c, f->kind, le64_get(payload.p));
	if (wanted && !stale) {
		fn(c->cb.arg, c, &m, fds, f->nfds);
		give_credit(c);
		return;
	}
	for (unsigned i = 0; i < f->nfds; i++)
		close(fds[i]);
	if (!wanted)
		disconnect(c, "a message that is malformed or not permitted");
}

/* One frame off the input. ERR_AGAIN: not all of it is there. */
static int take_frame(struct ipc_channel *c, size_t *used)
{
	struct view v = view_skip(buf_view(&c->in), *used);
	struct ipc_frame f;
	int err = ipc_frame_get(v, &f);
	if (err != ERR_OK)
		return err;
	if (v.n < IPC_FRAME_HEADER + (size_t)f.length)
		return ERR_AGAIN;
	if (f.nfds > c->ninfds)
		return ERR_PROTOCOL;
	*used += IPC_FRAME_HEADER + (size_t)f.length;
	dispatch(c, &f, view_head(view_skip(v, IPC_FRAME_HEADER), f.length));
	return ERR_OK;
}

static int take_greeting(struct ipc_channel *c, size_t *used)
{
	enum ipc_role role;
	int err = ipc_greeting_get(buf_view(&c->in), &role);
	if (err != ERR_OK)
		return err;
	if (role != c->peer)
		return ERR_PROTOCOL;
	c->greeted = true;
	*used = IPC_GREETING;
	return ERR_OK;
}

static void take_all(struct ipc_channel *c)
{
	uint64_t generation = c->generation;
	size_t used = 0;
	int err = c->greeted ? ERR_OK : take_greeting(c, &used);
	while (err == ERR_OK && c->generation == generation && !(c->held = crowded(c)))
		err = take_frame(c, &used);
	if (c->generation != generation)
		return;
	if (err != ERR_AGAIN && err != ERR_OK) {
		disconnect(c, "octets that are no message of this generation");
		return;
	}
	buf_consume(&c->in, used);
	if (buf_len(&c->in) == 0)
		buf_give_back(&c->in, loop_scratch(c->loop));
}

static bool read_some(struct ipc_channel *c)
{
	int fds[SOCK_FDS_MAX];
	size_t nfds = 0, got = 0, had = buf_len(&c->in);
	buf_borrow(&c->in, loop_scratch(c->loop));
	/* What is behind the beginning of a message goes into the same memory. */
	int err = sock_recv_fds(c->fd, &c->in, had < READ_CHUNK / 2 ? READ_CHUNK - had : READ_CHUNK, fds, &nfds, &got);
	if (err == ERR_AGAIN) {
		if (had == 0)
			buf_give_back(&c->in, loop_scratch(c->loop));
		return true;
	}
	for (size_t i = 0; i < nfds; i++) {
		if (c->ninfds < FDS_WAITING)
			c->infds[c->ninfds++] = fds[i];
		else
			close(fds[i]);
	}
	if (err == ERR_OK)
		return true;
	disconnect(c, err == ERR_END || err == ERR_LOST ? NULL : "reading failed");
	return false;
}

static void on_ready(void *arg, unsigned ready)
{
	struct ipc_channel *c = arg;
	enter(c);
	if ((ready & IO_READ) && c->fd >= 0 && !c->held && read_some(c))
		take_all(c);
	if (c->fd >= 0 && c->held)
		want(c);
	if ((ready & IO_WRITE) && c->fd >= 0)
		flush(c);
	leave(c);
}
