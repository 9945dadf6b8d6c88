/* SPDX-License-Identifier: ISC */
/*
 * smtp-client: delivers to the configured relay hosts by SMTP. One offer at a time goes over a connection; a connection that is done waits a few
 * seconds for the next. A host that cannot be reached, and a domain for which one stopped answering, is left alone for a while, and what is offered
 * for it meanwhile waits in the queue. How many offers are out to which host, qmgr decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "log/log.h"
#include "smtp-client/session.h"
#include "sys/file.h"
#include "sys/sock.h"
#include "tls/context.h"
#include "tls/stream.h"

enum { OFFERS = 200, CONNECT_S = 30, REST_MS = 30000, RESTS_MAX = 1000, MESSAGES_MAX = 100, HOST_MAX = 320 };

struct client {
	struct daemon *d;
	struct tls_client *tls;
	struct list connections;
	struct list rests; /* the one that is over first comes first */
	unsigned nrests;
	uint32_t freed;
	struct later turn;
};

/* A host that is left alone for a while, or a domain of its. */
struct rest {
	struct list node;
	uint64_t until; /* loop time */
	char host[HOST_MAX + 1], why[500];
	size_t ndomain; /* 0: all of the host's */
	char domain[HOST_MAX];
};

/* An offer in hand. */
struct delivery {
	uint64_t offer;
	struct arena *arena;
	struct mail mail;
	struct view domain; /* of all recipients; empty where they have several */
	struct view queue_id;
	void *map;
	size_t mapped;
};

struct connection {
	struct list node;
	struct client *c;
	struct stream *stream;
	struct session session;
	struct timer *timer;
	struct delivery *delivery; /* NULL: idle */
	char host[HOST_MAX + 1];
	bool plain;    /* TLS failed before: without it this time */
	bool greeted;  /* the session stood once */
	unsigned messages;
};

static struct client *client_of(void *arg)
{
	return ((struct daemon *)arg)->user;
}

/* ---- reports ---- */

static void free_delivery(struct delivery *v)
{
	if (v->map)
		(void)munmap(v->map, v->mapped);
	arena_free(v->arena);
	free(v);
}

static void log_rcpt(const struct delivery *v, const struct mail_rcpt *r, const char *host)
{
	static const char *const events[] = { "delivered", "deferred", "refused" };
	log_info(events[r->outcome], LV("queue_id", v->queue_id), LV("recipient", r->address), LS("host", host), LS("status", r->status),
		LS("reply", r->text));
}

static void pull(void *arg)
{
	struct client *c = arg;
	struct ipc_channel *q = daemon_channel(c->d, ROLE_QMGR, 0);
	if (c->freed && q && ipc_channel_is_up(q) && ipc_send(q, IPC_PULL, &(struct ipc_pull){ c->freed }, NULL, 0) == ERR_OK)
		c->freed = 0;
}

/* Every recipient has its outcome: qmgr is told, and may offer another. Where the host answered to all, it is the one that said so. */
static void report(struct client *c, struct delivery *v, const char *host, enum ipc_heard heard)
{
	struct ipc_channel *q = daemon_channel(c->d, ROLE_QMGR, 0);
	struct buf list;
	mail_settle(&v->mail, MAIL_LATER, "4.3.0", "the delivery was given up");
	buf_init(&list, SIZE_MAX);
	for (uint32_t i = 0; i < v->mail.n; i++) {
		const struct mail_rcpt *r = &v->mail.rcpts[i];
		struct ipc_result e = {
			.index = r->index,
			.outcome = (uint8_t)r->outcome,
			.noted = v->mail.noted,
			.status = view_of(r->status),
			.remote = heard == IPC_HEARD_ALL ? view_head(view_of(host), 255) : VIEW_NONE,
			.text = view_of(r->text),
		};
		INVARIANT(ipc_result_put(&list, &e) == ERR_OK);
		log_rcpt(v, r, host);
	}
	struct ipc_report m = { v->offer, (uint8_t)heard, { buf_view(&list), v->mail.n } };
	if (!q || ipc_send(q, IPC_REPORT, &m, NULL, 0) != ERR_OK)
		log_warn("report_lost", LU("offer", v->offer));
	buf_fini(&list);
	free_delivery(v);
	c->freed++;
	loop_later(c->d->loop, &c->turn);
}

/* ---- hosts and domains that are left alone ---- */

static void end_rest(struct client *c, struct rest *r)
{
	list_remove(&r->node);
	free(r);
	c->nrests--;
}

static void leave_alone(struct client *c, const char *host, struct view domain, const char *why)
{
	struct rest *r = mem_new(sizeof *r);
	r->until = loop_now(c->d->loop) + REST_MS;
	memcpy(r->host, host, sizeof r->host);
	(void)snprintf(r->why, sizeof r->why, "%s", why);
	r->ndomain = domain.n < sizeof r->domain ? domain.n : 0;
	if (r->ndomain)
		memcpy(r->domain, domain.p, r->ndomain);
	list_append(&c->rests, &r->node);
	if (++c->nrests > RESTS_MAX)
		end_rest(c, LIST_OF(list_first(&c->rests), struct rest, node));
}

static const struct rest *resting(struct client *c, struct view host, struct view domain)
{
	LIST_EACH (it, tmp, &c->rests) {
		struct rest *r = LIST_OF(it, struct rest, node);
		if (r->until <= loop_now(c->d->loop))
			end_rest(c, r);
		else if (view_eqs(host, r->host) && (r->ndomain == 0 || view_ieq(domain, view_make(r->domain, r->ndomain))))
			return r;
	}
	return NULL;
}

/* ---- connections ---- */

static void drop(struct connection *k)
{
	list_remove(&k->node);
	timer_free(k->timer);
	stream_free(k->stream);
	free(k);
}

/* Is the host there, as far as other connections tell? */
static bool is_there(const struct client *c, const char *host)
{
	LIST_EACH (it, tmp, &c->connections) {
		const struct connection *k = LIST_OF(it, struct connection, node);
		if (k->greeted && strcmp(k->host, host) == 0)
			return true;
	}
	return false;
}

/* The connection is of no use any more; what it carried is settled as far as it got, the rest waits. heard: what that says of the host, if it was there. */
static void give_up(struct connection *k, const char *status, const char *why, enum ipc_heard heard)
{
	struct client *c = k->c;
	session_lost(&k->session, status, why);
	if (!k->greeted) {
		heard = IPC_HEARD_NOBODY;
		if (!is_there(c, k->host))
			leave_alone(c, k->host, VIEW_NONE, k->session.why);
	}
	if (k->delivery) {
		mail_settle(&k->delivery->mail, MAIL_LATER, status, why);
		report(c, k->delivery, k->host, heard);
	}
	drop(k);
}

static void watch(struct connection *k)
{
	timer_set(k->timer, session_timeout(&k->session) * UINT64_C(1000));
}

static void handle(struct connection *k, enum session_event e);

static void pump_body(struct connection *k)
{
	while (!stream_full(k->stream))
		if (!session_body(&k->session, stream_output(k->stream)))
			break;
	watch(k);
}

/* The message is through: told, and the connection waits for another, or goes. */
static void end_message(struct connection *k)
{
	struct delivery *v = k->delivery;
	k->greeted = true;
	if (v) {
		k->delivery = NULL;
		report(k->c, v, k->host, IPC_HEARD_ALL);
	}
	if (++k->messages >= MESSAGES_MAX) {
		session_quit(&k->session, stream_output(k->stream));
		stream_close(k->stream);
		k->stream = NULL;
		drop(k);
		return;
	}
	watch(k);
}

static void begin_message(struct connection *k)
{
	handle(k, session_mail(&k->session, &k->delivery->mail, stream_output(k->stream)));
}

static void start_tls(struct connection *k)
{
	int err = stream_starttls_client(k->stream, k->c->tls, VIEW_NONE);
	if (err != ERR_OK)
		give_up(k, "4.7.0", "the next host sent more behind its answer to STARTTLS", IPC_HEARD_NOTHING);
	else
		watch(k);
}

static void handle(struct connection *k, enum session_event e)
{
	switch (e) {
	case SESSION_MORE:
		watch(k);
		break;
	case SESSION_IDLE: {
		/* Idle for the first time with a message in hand: now it goes; otherwise it has gone. */
		bool first = !k->greeted && k->delivery;
		k->greeted = true;
		if (first)
			begin_message(k);
		else
			end_message(k);
		break;
	}
	case SESSION_STARTTLS:
		start_tls(k);
		break;
	case SESSION_BODY:
		pump_body(k);
		break;
	case SESSION_FAILED: {
		char why[500];
		memcpy(why, k->session.why, sizeof why);
		give_up(k, "4.4.0", why, IPC_HEARD_NOTHING);
		break;
	}
	}
}

static void on_data(void *arg, struct stream *s)
{
	struct connection *k = arg;
	enum session_event e = session_feed(&k->session, stream_input(s), stream_output(s));
	/* A reply that is not whole yet buys no more time. */
	if (e != SESSION_MORE || k->session.reply.lines == 0)
		handle(k, e);
}

static void on_drained(void *arg, struct stream *s)
{
	struct connection *k = arg;
	(void)s;
	if (k->session.state == S_BODY)
		pump_body(k);
}

static void on_secure(void *arg, struct stream *s)
{
	struct connection *k = arg;
	handle(k, session_secure(&k->session, stream_output(s)));
}

static void on_connected(void *arg, struct stream *s)
{
	(void)s;
	watch(arg);
}

static int open_connection(struct connection *k);

/* RFC 3207 4.1 leaves it to us: TLS here is taken where it works, so a handshake that fails is followed by one try without. */
static bool again_plain(struct connection *k)
{
	if (k->session.state != S_HANDSHAKE || k->plain)
		return false;
	log_warn("tls_failed", LS("host", k->host), LS("error", stream_tls_error(k->stream)));
	stream_free(k->stream);
	k->stream = NULL;
	k->plain = true;
	return open_connection(k) == ERR_OK;
}

static void connect_for(struct client *c, struct delivery *v, struct view host);

/* A connection that waited may have been closed just when it was used again: nothing was said of the message yet, so it goes over a new one. */
static bool again_new(struct connection *k)
{
	struct delivery *v = k->delivery;
	char host[HOST_MAX + 1];
	if (!v || k->messages == 0 || k->session.state != S_MAIL)
		return false;
	memcpy(host, k->host, sizeof host);
	struct client *c = k->c;
	drop(k);
	connect_for(c, v, view_of(host));
	return true;
}

static void on_closed(void *arg, struct stream *s, enum stream_end why)
{
	struct connection *k = arg;
	(void)s;
	if (again_plain(k) || again_new(k))
		return;
	if (!k->delivery)
		drop(k);
	else if (!k->greeted && k->session.state == S_BANNER)
		give_up(k, "4.4.1", why == STREAM_END_CLEAN ? "the next host closed without a greeting" : "the next host cannot be reached",
			IPC_HEARD_NOBODY);
	else
		give_up(k, "4.4.2", "the connection was lost", IPC_HEARD_STALL);
}

static void on_time(void *arg)
{
	struct connection *k = arg;
	if (k->delivery) {
		if (k->greeted && k->delivery->domain.n)
			leave_alone(k->c, k->host, k->delivery->domain, "the next host took too long for this domain");
		give_up(k, "4.4.2", "the next host took too long", IPC_HEARD_STALL);
		return;
	}
	session_quit(&k->session, stream_output(k->stream));
	stream_close(k->stream);
	k->stream = NULL;
	drop(k);
}

static const struct stream_callbacks callbacks = {
	.on_data = on_data,
	.on_drained = on_drained,
	.on_secure = on_secure,
	.on_connected = on_connected,
	.on_closed = on_closed,
};

static int open_connection(struct connection *k)
{
	struct sock_addr a;
	int fd;
	if (sock_addr_with_port(view_of(k->host), &a) != ERR_OK)
		return ERR_INVALID;
	int err = sock_connect(&a, &fd);
	if (err != ERR_OK && err != ERR_AGAIN)
		return err;
	session_init(&k->session, conf_text(k->c->d->conf, PARAM_HOSTNAME), !k->plain);
	k->stream = stream_new_connecting(k->c->d->loop, fd, &callbacks, k);
	timer_set(k->timer, CONNECT_S * UINT64_C(1000));
	return ERR_OK;
}

static struct connection *idle_connection(struct client *c, struct view host)
{
	LIST_EACH (it, tmp, &c->connections) {
		struct connection *k = LIST_OF(it, struct connection, node);
		if (!k->delivery && k->session.state == S_IDLE && view_eqs(host, k->host))
			return k;
	}
	return NULL;
}

static void connect_for(struct client *c, struct delivery *v, struct view host)
{
	struct connection *k = mem_new(sizeof *k);
	k->c = c;
	memcpy(k->host, host.p, host.n < HOST_MAX ? host.n : HOST_MAX);
	k->timer = timer_new(c->d->loop, on_time, k);
	list_append(&c->connections, &k->node);
	k->delivery = v;
	int err = open_connection(k);
	if (err == ERR_INVALID)
		give_up(k, "4.3.5", "the next hop is not an address and port", IPC_HEARD_NOTHING);
	else if (err != ERR_OK)
		give_up(k, "4.4.1", err_text(err), IPC_HEARD_NOBODY);
}

/* ---- offers ---- */

static bool take_content(struct delivery *v, const struct ipc_offer *o, int *fds, size_t nfds)
{
	uint64_t size;
	if (nfds == 0) {
		v->mail.content = arena_view(v->arena, o->content);
		return true;
	}
	if (file_size(fds[0], &size) != ERR_OK || size == 0 || size + o->headers.n != o->size)
		return false;
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fds[0], 0);
	if (p == MAP_FAILED)
		return false;
	v->map = p;
	v->mapped = size;
	v->mail.content = view_make(p, size);
	return true;
}

static struct view domain_of(struct view address)
{
	size_t at = view_rfind(address, '@');
	return at == SIZE_MAX ? address : view_skip(address, at + 1);
}

static struct delivery *new_delivery(const struct ipc_offer *o)
{
	struct delivery *v = mem_new(sizeof *v);
	struct view rest = o->rcpts.bytes;
	struct ipc_offered r;
	v->offer = o->offer;
	v->arena = arena_new();
	v->queue_id = arena_view(v->arena, o->queue_id);
	v->mail = (struct mail){
		.flags = o->flags,
		.sender = arena_view(v->arena, o->sender),
		.envid = arena_view(v->arena, o->envid),
		.headers = arena_view(v->arena, o->headers),
		.rcpts = arena_alloc(v->arena, o->rcpts.count * sizeof(struct mail_rcpt)),
	};
	while (ipc_offered_next(&rest, &r)) {
		struct view domain = domain_of(r.address);
		if (v->mail.n == 0)
			v->domain = arena_view(v->arena, domain);
		else if (!view_ieq(domain, v->domain))
			v->domain = VIEW_NONE;
		v->mail.rcpts[v->mail.n++] = (struct mail_rcpt){
			.index = r.index,
			.notify = r.notify,
			.address = arena_view(v->arena, r.address),
			.orcpt = arena_view(v->arena, r.orcpt),
			.outcome = MAIL_OPEN,
		};
	}
	return v;
}

static void on_offer(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct client *c = client_of(arg);
	const struct ipc_offer *o = m;
	struct delivery *v = new_delivery(o);
	const struct rest *rest;
	struct connection *k;
	(void)from;
	bool good = take_content(v, o, fds, nfds);
	for (size_t i = 0; i < nfds; i++)
		fd_close(&fds[i]);
	if (!good) {
		mail_settle(&v->mail, MAIL_LATER, "4.3.0", "the content cannot be read");
		report(c, v, "", IPC_HEARD_NOTHING);
	} else if ((rest = resting(c, o->next_hop, v->domain)) != NULL) {
		mail_settle(&v->mail, MAIL_LATER, "4.4.1", rest->why);
		report(c, v, rest->host, IPC_HEARD_NOTHING);
	} else if ((k = idle_connection(c, o->next_hop)) != NULL) {
		k->delivery = v;
		begin_message(k);
	} else {
		connect_for(c, v, o->next_hop);
	}
}

/* ---- the process ---- */

static int init(struct daemon *d)
{
	struct client *c = mem_new(sizeof *c);
	d->user = c;
	c->d = d;
	list_init(&c->connections);
	list_init(&c->rests);
	c->turn = (struct later){ .fn = pull, .arg = c };
	tls_init();
	return tls_client_new(false, NULL, &c->tls);
}

static int start(struct daemon *d)
{
	(void)d;
	return ERR_OK;
}

static void on_up(void *arg, struct ipc_channel *q)
{
	struct client *c = client_of(arg);
	(void)q;
	c->freed = OFFERS;
	loop_later(c->d->loop, &c->turn);
}

/* Nobody wants to know any more, and what is not sent yet will be offered anew: a delivery that goes on would only be doubled. */
static void on_down(void *arg, struct ipc_channel *q)
{
	struct client *c = client_of(arg);
	(void)q;
	LIST_EACH (it, tmp, &c->connections) {
		struct connection *k = LIST_OF(it, struct connection, node);
		if (k->delivery)
			free_delivery(k->delivery);
		drop(k);
	}
	c->freed = 0;
}

static const struct ipc_handler handlers[] = {
	{ IPC_OFFER, on_offer },
	{ 0, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_hooks hooks = {
		.role = ROLE_SMTP_CLIENT,
		.init = init,
		.start = start,
		.handlers = handlers,
		.on_up = on_up,
		.on_down = on_down,
	};
	return daemon_main(argc, argv, &hooks);
}
