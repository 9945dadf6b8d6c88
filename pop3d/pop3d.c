/* SPDX-License-Identifier: ISC */
/*
 * pop3d: POP3 for the sessions of one account, as the account's uid, confined to its home (pop3d(8)). host forks it from an image and
 * sends it each session with the client's descriptor; it ends by itself a while after the last one.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/session.h"
#include "log/log.h"
#include "client.h"
#include "sys/file.h"

/* How long to stay without a session, and how many there may be. */
#define LINGER_MS 30000
#define TIDY_MS 20
#define SESSIONS_MAX 100

struct pop3d {
	struct store *store;
	struct pool *pool;
	struct timer *linger, *tidy;
	struct list clients;
	uint32_t n, taken;
};

static void tell_count(struct daemon *d)
{
	struct pop3d *p = d->user;
	struct ipc_session_count m = { .sessions = p->n };
	struct ipc_channel *host = daemon_channel(d, ROLE_HOST, 0);
	if (host && ipc_send(host, IPC_SESSION_COUNT, &m, NULL, 0) != ERR_OK)
		log_debug("host_not_told");
}

static void tidy(void *arg)
{
	struct daemon *d = arg;
	struct pop3d *p = d->user;
	bool more = false;
	int err = store_tidy(p->store, &more);
	if (err != ERR_OK)
		log_warn("mailbox_not_tidied", LERR("error", err));
	else if (more && p->n == 0)
		timer_set(p->tidy, TIDY_MS);
}

static void session_closed(void *arg, struct client *c)
{
	struct daemon *d = arg;
	struct pop3d *p = d->user;
	client_free(c);
	p->n--;
	tell_count(d);
	if (p->n)
		return;
	if (d->stopping) {
		daemon_exit(d);
		return;
	}
	timer_set(p->linger, LINGER_MS);
	timer_set(p->tidy, TIDY_MS);
}

static void linger_over(void *arg)
{
	struct daemon *d = arg;
	const struct pop3d *p = d->user;
	session_leave(d, p->taken);
}

static void refuse(int fd)
{
	size_t put;
	if (sock_write(fd, VIEW("-ERR [IN-USE] too many sessions\r\n"), &put) != ERR_OK)
		log_debug("refusal_not_sent");
	fd_close(&fd);
}

static void session_add(void *arg, struct ipc_channel *from, const void *m, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct pop3d *p = d->user;
	const struct ipc_session_add *s = m;
	(void)from;
	INVARIANT(nfds == 1);
	p->taken++;
	if (fd_nonblock(fds[0]) != ERR_OK || p->n >= SESSIONS_MAX || d->stopping) {
		refuse(fds[0]);
		if (p->n == 0)
			timer_set(p->linger, LINGER_MS);
		return;
	}
	log_info("pop3_session", LV("session", s->session), LV("account", s->account), LV("peer", s->peer));
	timer_stop(p->linger);
	timer_stop(p->tidy);
	struct client *c = client_new(d->loop, p->store, fds[0], s->input, session_closed, d);
	list_append(&p->clients, &c->node);
	p->n++;
	tell_count(d);
}

static int start(struct daemon *d, int homefd, uint32_t uid)
{
	struct pop3d *p = mem_new(sizeof *p);
	d->user = p;
	list_init(&p->clients);
	p->pool = pool_new(d->loop, 1);
	p->linger = timer_new(d->loop, linger_over, d);
	p->tidy = timer_new(d->loop, tidy, d);
	struct store_options o = { .pool = p->pool };
	int err = store_open(d->loop, homefd, &o, &p->store);
	fd_close(&homefd);
	if (err != ERR_OK)
		log_error("mailbox_not_opened", LU("uid", uid), LERR("error", err));
	timer_set(p->linger, LINGER_MS);
	return err;
}

/* Sessions end without deleting, as if the line had been cut; mail programs come back. */
static void stop(struct daemon *d)
{
	struct pop3d *p = d->user;
	LIST_EACH(it, tmp, &p->clients) client_free(LIST_OF(it, struct client, node));
	p->n = 0;
	daemon_exit(d);
}

static const struct ipc_handler handlers[] = {
	{ IPC_SESSION_ADD, session_add },
	{ 0, NULL },
};

static const struct session_hooks hooks = { .role = ROLE_POP3D, .start = start, .handlers = handlers, .stop = stop };

int main(int argc, char **argv) { return session_main(argc, argv, &hooks); }
