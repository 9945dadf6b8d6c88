/* SPDX-License-Identifier: ISC */
/* The session's questions as messages to lookup, auth and qmgr, and their answers on the way back. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "smtpd/smtpd.h"
#include "sys/clock.h"
#include "sys/file.h"

/* What is open, by the id of the message. */
struct question {
	struct list node; /* among its client's */
	uint64_t id;
	enum ipc_kind kind;
	struct client *client;
	struct ipc_channel *channel;
	unsigned index;      /* of the recipient */
	size_t octets;       /* of a commit */
	struct view key;     /* under which a good answer is kept; own memory */
};

static struct question *question_new(struct client *c, enum ipc_kind kind, struct ipc_channel *channel)
{
	struct question *q = mem_new(sizeof *q);

	q->id = ++c->smtpd->last_id;
	q->kind = kind;
	q->client = c;
	q->channel = channel;
	list_init(&q->node);
	return q;
}

static void question_free(struct question *q)
{
	q->client->smtpd->commits -= q->octets;
	list_remove(&q->node);
	free((char *)q->key.p);
	free(q);
}

/* Sends m, whose id is q's. Without credit q is gone and false is given. */
static bool ask(struct question *q, const void *m, int *err)
{
	*err = ipc_request(q->channel, q->kind, m, NULL, 0);
	if (*err != ERR_OK) {
		question_free(q);
		return *err != ERR_AGAIN;
	}
	INVARIANT(!map64_set(q->client->smtpd->asked, q->id, q));
	list_append(&q->client->questions, &q->node);
	return true;
}

/* The question of an answer, taken out of the table; NULL when nobody waits for it any more. */
static struct question *answered(struct daemon *d, uint64_t id)
{
	struct smtpd *m = d->user;
	struct question *q = map64_del(m->asked, id);

	return q;
}

void requests_forget(struct client *c)
{
	LIST_EACH(n, tmp, &c->questions) {
		struct question *q = LIST_OF(n, struct question, node);
		map64_del(c->smtpd->asked, q->id);
		/* An answer with descriptors is still to be taken, for they must be closed: it finds nobody. */
		if (q->kind != IPC_COMMIT && q->kind != IPC_CONTENT_OPEN)
			ipc_forget(q->channel, q->id);
		question_free(q);
	}
}

void requests_retry(struct smtpd *m)
{
	LIST_EACH(n, tmp, &m->clients) {
		struct client *c = LIST_OF(n, struct client, node);
		session_retry(c->session);
		client_go_on(c);
	}
}

/* ---- lookup ---- */

static bool ask_recipient(void *arg, unsigned index, struct view address, bool relay)
{
	struct client *c = arg;
	struct answer *known = answers_get(c->smtpd->routes, address, loop_now(c->smtpd->d->loop));
	int err;

	if (known) {
		session_recipient(c->session, index, IPC_DONE, known);
		answer_unref(known);
		return true;
	}
	struct question *q = question_new(c, IPC_RECIPIENT, daemon_channel(c->smtpd->d, ROLE_LOOKUP, 0));
	q->index = index;
	q->key = view_make(mem_str(address), address.n);
	struct ipc_recipient m = { .id = q->id, .flags = relay, .address = address };
	if (!ask(q, &m, &err))
		return false;
	if (err != ERR_OK)
		session_recipient(c->session, index, IPC_LATER, NULL);
	return true;
}

void on_recipient_is(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_recipient_is *m = msg;
	struct question *q = answered(d, m->id);

	(void)from, (void)fds, (void)nfds;
	if (!q)
		return;
	struct client *c = q->client;
	struct answer *a = answer_new(m->sealed);
	if (m->outcome == IPC_DONE)
		answers_put(c->smtpd->routes, q->key, a, loop_now(d->loop));
	session_recipient(c->session, q->index, m->outcome, a);
	answer_unref(a);
	question_free(q);
	client_go_on(c);
}

/* The account, NUL, the address. */
static struct view owned_key(struct view account, struct view address)
{
	char *p = mem_new(account.n + 1 + address.n + 1);

	memcpy(p, account.p, account.n);
	memcpy(p + account.n + 1, address.p, address.n);
	return view_make(p, account.n + 1 + address.n);
}

static bool ask_owns(void *arg, struct view account, struct view address)
{
	struct client *c = arg;
	struct view key = owned_key(account, address);
	struct answer *known = answers_get(c->smtpd->owned, key, loop_now(c->smtpd->d->loop));
	int err;

	if (known) {
		answer_unref(known);
		free((char *)key.p);
		session_owns(c->session, IPC_DONE);
		return true;
	}
	struct question *q = question_new(c, IPC_OWNS, daemon_channel(c->smtpd->d, ROLE_LOOKUP, 0));
	q->key = key;
	struct ipc_owns m = { .id = q->id, .account = account, .address = address };
	if (!ask(q, &m, &err))
		return false;
	if (err != ERR_OK)
		session_owns(c->session, IPC_LATER);
	return true;
}

void on_owns_is(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_owns_is *m = msg;
	struct question *q = answered(d, m->id);

	(void)from, (void)fds, (void)nfds;
	if (!q)
		return;
	struct client *c = q->client;
	if (m->outcome == IPC_DONE) {
		struct answer *a = answer_new(VIEW_NONE);
		answers_put(c->smtpd->owned, q->key, a, loop_now(d->loop));
		answer_unref(a);
	}
	question_free(q);
	session_owns(c->session, m->outcome);
	client_go_on(c);
}

/* ---- qmgr ---- */

static bool ask_commit(void *arg, struct ipc_commit *m)
{
	struct client *c = arg;
	struct question *q = question_new(c, IPC_COMMIT, daemon_channel(c->smtpd->d, ROLE_QMGR, 0));
	int err;

	m->id = q->id;
	/* What was sent is kept until it is answered, so that it can be sent again: so much and no more. */
	if (c->smtpd->commits > COMMITS_TOTAL) {
		question_free(q);
		return !(c->smtpd->starved = true);
	}
	c->smtpd->commits += q->octets = m->content.n;
	if (!ask(q, m, &err))
		return false;
	if (err != ERR_OK) {
		struct ipc_committed no = { .outcome = IPC_LATER };
		log_error("commit_not_sent", LS("session", c->id), LERR("error", err));
		session_committed(c->session, &no);
	}
	return true;
}

void on_committed(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	const struct ipc_committed *m = msg;
	struct question *q = answered(arg, m->id);

	(void)from, (void)fds, (void)nfds;
	if (!q)
		return;
	struct client *c = q->client;
	struct smtpd *all = c->smtpd;
	question_free(q);
	session_committed(c->session, m);
	client_go_on(c);
	if (all->starved && all->commits < COMMITS_TOTAL / 2) {
		all->starved = false;
		requests_retry(all);
	}
}

static bool ask_content(void *arg, uint64_t size)
{
	struct client *c = arg;
	struct question *q = question_new(c, IPC_CONTENT_OPEN, daemon_channel(c->smtpd->d, ROLE_QMGR, 0));
	struct ipc_content_open m = { .id = q->id, .size = size };
	int err;

	if (!ask(q, &m, &err))
		return false;
	if (err != ERR_OK)
		session_content_opened(c->session, IPC_LATER, 0, view_of(err_text(err)));
	return true;
}

static void drop_content(void *arg, uint64_t content)
{
	struct client *c = arg;
	struct ipc_content_drop m = { .content = content };

	/* When qmgr is not there it has forgotten the file. */
	(void)!ipc_send(daemon_channel(c->smtpd->d, ROLE_QMGR, 0), IPC_CONTENT_DROP, &m, NULL, 0);
}

/* Of the two descriptors the first writes; the other is for policy, whom nobody asks yet. */
void on_content_opened(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	const struct ipc_content_opened *m = msg;
	struct question *q = answered(arg, m->id);
	unsigned outcome = m->outcome == IPC_DONE && nfds == 0 ? IPC_LATER : m->outcome;

	if (nfds > 1)
		close(fds[1]);
	if (!q) {
		struct ipc_content_drop drop = { .content = m->content };
		if (nfds > 0)
			close(fds[0]);
		if (m->outcome == IPC_DONE)
			(void)!ipc_send(from, IPC_CONTENT_DROP, &drop, NULL, 0);
		return;
	}
	struct client *c = q->client;
	question_free(q);
	if (nfds > 0)
		c->content_fd = fds[0];
	session_content_opened(c->session, outcome, m->content, m->reason);
	client_go_on(c);
}

static int write_content(void *arg, struct view v)
{
	struct client *c = arg;

	return file_write(c->content_fd, v.p, v.n);
}

static void close_content(void *arg)
{
	struct client *c = arg;

	fd_close(&c->content_fd);
}

/* ---- auth ---- */

/* The same instance for all steps of an exchange. */
static struct ipc_channel *auth_channel(struct client *c)
{
	return daemon_channel(c->smtpd->d, ROLE_AUTH, (uintptr_t)c >> 6);
}

static bool send_auth(struct client *c, enum ipc_kind kind, void *m, uint64_t *id)
{
	struct question *q = question_new(c, kind, auth_channel(c));
	int err;

	/* One id names the whole exchange. */
	if (kind == IPC_AUTH_START)
		c->exchange = q->id;
	else
		q->id = c->exchange;
	*id = q->id;
	if (!q->channel) {
		question_free(q);
		session_auth(c->session, NULL);
		return true;
	}
	if (!ask(q, m, &err))
		return false;
	if (err != ERR_OK)
		session_auth(c->session, NULL);
	return true;
}

/* RFC 9266 for TLS 1.3; RFC 5929 4 otherwise. */
static const char *binding(const struct client *c, struct buf *out)
{
	if (stream_channel_binding(c->stream, TLS_BINDING_EXPORTER, out) == ERR_OK)
		return "tls-exporter";
	buf_reset(out);
	if (stream_channel_binding(c->stream, TLS_BINDING_SERVER_END_POINT, out) == ERR_OK)
		return "tls-server-end-point";
	buf_reset(out);
	return "";
}

static bool start_auth(void *arg, struct view mechanism, const struct view *initial)
{
	struct client *c = arg;
	struct buf bound;

	buf_init(&bound, 256);
	struct ipc_auth_start m = { .door = IPC_DOOR_SMTP, .tls = stream_is_secure(c->stream), .has_initial = initial != NULL, .mechanism = mechanism,
		.peer = view_of(c->peer), .binding_type = view_of(binding(c, &bound)) };
	m.binding = buf_view(&bound);
	if (initial)
		m.initial = *initial;
	bool asked = send_auth(c, IPC_AUTH_START, &m, &m.id);
	buf_fini(&bound);
	return asked;
}

static bool continue_auth(void *arg, struct view response)
{
	struct ipc_auth_continue m = { .response = response };

	return send_auth(arg, IPC_AUTH_CONTINUE, &m, &m.id);
}

static void abort_auth(void *arg)
{
	struct client *c = arg;
	struct ipc_auth_abort m = { .id = c->exchange };
	struct ipc_channel *auth = auth_channel(c);

	if (auth)
		(void)!ipc_send(auth, IPC_AUTH_ABORT, &m, NULL, 0);
}

void on_auth_step(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	const struct ipc_auth_step *m = msg;
	struct question *q = answered(arg, m->id);

	(void)from, (void)fds, (void)nfds;
	if (!q)
		return;
	struct client *c = q->client;
	question_free(q);
	session_auth(c->session, m);
	client_go_on(c);
}

void requests_lost(struct smtpd *m, enum ipc_kind kind, uint64_t id)
{
	if (kind != IPC_AUTH_START && kind != IPC_AUTH_CONTINUE && kind != IPC_CONTENT_OPEN)
		return;
	struct question *q = map64_del(m->asked, id);
	if (!q)
		return;
	struct client *c = q->client;
	question_free(q);
	session_lost(c->session);
	client_go_on(c);
}

static int64_t wall(void *arg)
{
	(void)arg;
	return clock_wall(NULL);
}

/* Asked of the kernel for many messages at once; what was given is wiped, so that nobody finds it twice. */
static void random_octets(void *arg, void *p, size_t n)
{
	struct smtpd *m = ((struct client *)arg)->smtpd;

	INVARIANT(n <= sizeof m->random);
	if (m->random_left < n) {
		random_bytes(m->random, sizeof m->random);
		m->random_left = sizeof m->random;
	}
	m->random_left -= n;
	memcpy(p, m->random + m->random_left, n);
	mem_wipe(m->random + m->random_left, n);
}

const struct session_ops request_ops = {
	.recipient = ask_recipient,
	.owns = ask_owns,
	.commit = ask_commit,
	.content_open = ask_content,
	.content_write = write_content,
	.content_close = close_content,
	.content_drop = drop_content,
	.auth_start = start_auth,
	.auth_continue = continue_auth,
	.auth_abort = abort_auth,
	.now = wall,
	.random = random_octets,
};
