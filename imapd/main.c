/* SPDX-License-Identifier: ISC */
/* imapd, the process: one account's sessions, forked by host's order, as the account's uid, confined to its home. */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/session.h"
#include "imapd.h"
#include "ipc/messages.h"
#include "log/log.h"
#include "sys/file.h"

#define LINGER_MS 30000    /* without sessions, for the next one to find the store open */
#define TIDY_MS 200        /* between slices of housekeeping */
#define TIDY_BUSY_MS 60000 /* the same, while sessions are served */
#define FLUSH_THREADS 1

/* The daemon's one context. */
struct context {
	struct daemon *daemon;
	struct imapd imapd;
	struct pool *pool;
	struct timer *linger, *tidy;
	bool stopping;
	uint32_t taken; /* sessions; without one it is here for the housekeeping alone */
	bool more;   /* housekeeping has begun what it did not finish */
};

static void leave(struct context *c)
{
	imapd_fini(&c->imapd);
	store_close(c->imapd.store);
	daemon_exit(c->daemon);
}

static void on_linger(void *arg)
{
	struct context *c = arg;
	if (c->imapd.count == 0 && c->more && !c->stopping)
		timer_set(c->linger, LINGER_MS);
	else if (c->imapd.count == 0 && c->stopping)
		leave(c);
	else if (c->imapd.count == 0)
		session_leave(c->daemon, c->taken);
}

/* A slice of housekeeping: one after the other when nobody is served, now and then for a client that never leaves. */
static void on_tidy(void *arg)
{
	struct context *c = arg;
	bool more = false;
	int err = store_tidy(c->imapd.store, &more);
	if (err != ERR_OK)
		log_warn("store_tidy_failed", LERR("error", err));
	c->more = err == ERR_OK && more;
	if (c->imapd.count > 0)
		timer_set(c->tidy, TIDY_BUSY_MS);
	else if (c->more)
		timer_set(c->tidy, TIDY_MS);
	else if (c->taken == 0)
		timer_set(c->linger, 0);
}

static void on_count(void *arg, unsigned count)
{
	struct context *c = arg;
	struct ipc_session_count m = { .sessions = count };
	if (ipc_send(daemon_channel(c->daemon, ROLE_HOST, 0), IPC_SESSION_COUNT, &m, NULL, 0) != ERR_OK)
		log_warn("session_count_not_sent");
	if (count > 0) {
		timer_stop(c->linger);
		timer_set(c->tidy, TIDY_BUSY_MS);
		return;
	}
	timer_set(c->linger, c->stopping ? 0 : LINGER_MS);
	timer_set(c->tidy, TIDY_MS);
}

static void session_add(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct context *c = ((struct daemon *)arg)->user;
	const struct ipc_session_add *m = message;
	(void)from;
	c->taken++;
	if (nfds != 1) {
		for (size_t i = 0; i < nfds; i++)
			fd_close(&fds[i]);
		timer_set(c->linger, LINGER_MS);
		return;
	}
	struct imapd_client client = {
		.fd = fds[0], .account = m->account, .id = m->session, .peer = m->peer, .tag = m->tag, .input = m->input
	};
	imapd_add(&c->imapd, &client);
	if (c->imapd.count == 0)
		timer_set(c->linger, LINGER_MS);
}

static void news(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct context *c = ((struct daemon *)arg)->user;
	(void)from;
	(void)message;
	(void)fds;
	(void)nfds;
	imapd_news(&c->imapd);
	if (c->imapd.count == 0)
		timer_set(c->tidy, TIDY_MS);
}

static const struct ipc_handler handlers[] = {
	{ IPC_SESSION_ADD, session_add },
	{ IPC_NEWS, news },
	{ IPC_NONE, NULL },
};

static int start(struct daemon *d, int homefd, uint32_t uid)
{
	struct context *c = mem_new(sizeof(*c));
	uint64_t message_max = conf_num(d->conf, PARAM_MESSAGE_SIZE_LIMIT);
	struct store *store;
	c->daemon = d;
	d->user = c;
	c->pool = pool_new(d->loop, FLUSH_THREADS);
	struct store_options o = { .pool = c->pool, .message_max = message_max };
	int err = store_open(d->loop, homefd, &o, &store);
	fd_close(&homefd);
	if (err != ERR_OK) {
		log_error("store_not_opened", LU("uid", uid), LERR("error", err));
		return err;
	}
	imapd_init(&c->imapd, d->loop, store, message_max);
	c->imapd.on_count = on_count;
	c->imapd.arg = c;
	c->linger = timer_new(d->loop, on_linger, c);
	c->tidy = timer_new(d->loop, on_tidy, c);
	timer_set(c->linger, LINGER_MS);
	return ERR_OK;
}

static void stop(struct daemon *d)
{
	struct context *c = d->user;
	c->stopping = true;
	imapd_stop(&c->imapd);
	if (c->imapd.count == 0)
		timer_set(c->linger, 0);
}

int main(int argc, char **argv)
{
	static const struct session_hooks hooks = { .role = ROLE_IMAPD, .start = start, .handlers = handlers, .stop = stop };
	return session_main(argc, argv, &hooks);
}
