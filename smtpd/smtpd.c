/* SPDX-License-Identifier: ISC */
/*
 * smtpd: the receiver. One program for five roles, of which each process has one: mail from other hosts, submission, this host's programs, LMTP, and
 * networks that may relay. What a client may do follows from the listener's class (class.c). It holds no files and has no way to the queue but
 * the commit message.
 */
#include "smtpd/smtpd.h"

#include <unistd.h>

#include "base/mem.h"
#include "daemon/keys.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"

static void sweep(void *arg)
{
	struct smtpd *m = arg;

	LIST_EACH(n, tmp, &m->clients)
		client_check_rate(LIST_OF(n, struct client, node), loop_now(m->d->loop));
	timer_set(m->sweep, RATE_PERIOD);
}

static void shut_all(struct smtpd *m, bool when_idle)
{
	LIST_EACH(n, tmp, &m->clients)
		client_shut(LIST_OF(n, struct client, node), "4.3.2", "The service is shutting down", when_idle);
}

static void last_call(void *arg)
{
	shut_all(arg, false);
}

static int init(struct daemon *d)
{
	struct smtpd *m = mem_new(sizeof *m);

	d->user = m;
	m->d = d;
	list_init(&m->clients);
	m->routes = answers_new();
	m->owned = answers_new();
	m->asked = map64_new();
	m->addresses = map_new();
	m->budget.max = CONTENT_TOTAL;
	m->last_id = random_u64() >> 1;
	if (d->role == ROLE_SMTPD_LOCAL)
		m->users = users_parse(VIEW_NONE); /* until master's word comes, before the listener does */
	settings_read(&m->settings, d->conf);
	if (!keys_init(d) && d->role != ROLE_SMTPD_LOCAL)
		log_warn("no_tls");
	m->sweep = timer_new(d->loop, sweep, m);
	timer_set(m->sweep, RATE_PERIOD);
	m->last_call = timer_new(d->loop, last_call, m);
	return ERR_OK;
}

static void reload(struct daemon *d)
{
	struct smtpd *m = d->user;

	settings_read(&m->settings, d->conf);
	answers_clear(m->routes);
	answers_clear(m->owned);
	keys_on_reload(d);
}

/* Idle clients go at once, the others when their transaction is through, or a little before the skeleton ends the wait (RFC 5321 3.8: not without 421). */
static void stop(struct daemon *d)
{
	struct smtpd *m = d->user;

	if (list_empty(&m->clients)) {
		daemon_exit(d);
		return;
	}
	timer_set(m->last_call, conf_num(d->conf, PARAM_STOP_TIMEOUT) * LAST_CALL);
	shut_all(m, true);
}

static void accepted(struct daemon *d, const char *listener, int fd, const struct sock_addr *peer)
{
	const struct class *class = class_find(listener);

	if (class)
		client_accepted(d->user, class, fd, peer);
	else
		close(fd);
}

static void on_lost(void *arg, struct ipc_channel *c, enum ipc_kind kind, uint64_t id)
{
	struct daemon *d = arg;

	keys_on_lost(d, c, kind, id);
	requests_lost(d->user, kind, id);
}

static void on_up(void *arg, struct ipc_channel *c)
{
	keys_on_up(arg, c);
}

/* A lookup that was started anew may know better. */
static void on_down(void *arg, struct ipc_channel *c)
{
	struct daemon *d = arg;
	struct smtpd *m = d->user;

	if (m && ipc_channel_peer(c) == ROLE_LOOKUP) {
		answers_clear(m->routes);
		answers_clear(m->owned);
	}
}

static void on_credit(void *arg, struct ipc_channel *c)
{
	struct daemon *d = arg;

	(void)c;
	requests_retry(d->user);
}

/* An account or a domain may be gone. */
static void on_tables_changed(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct smtpd *m = ((struct daemon *)arg)->user;

	(void)from, (void)msg, (void)fds, (void)nfds;
	answers_clear(m->routes);
	answers_clear(m->owned);
}

/* The users of this host are others now. One file that cannot be read changes nothing. */
static void on_users(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct smtpd *m = ((struct daemon *)arg)->user;
	struct users *now = users_read(fds[0], ((const struct ipc_users *)msg)->size);

	(void)from, (void)nfds;
	fd_close(&fds[0]);
	if (!now)
		return;
	users_free(m->users);
	m->users = now;
}

int main(int argc, char **argv)
{
	static const struct ipc_handler handlers[] = {
		KEYS_HANDLERS,
		{ IPC_RECIPIENT_IS, on_recipient_is },
		{ IPC_OWNS_IS, on_owns_is },
		{ IPC_TABLES_CHANGED, on_tables_changed },
		{ IPC_COMMITTED, on_committed },
		{ IPC_USERS, on_users },
		{ IPC_CONTENT_OPENED, on_content_opened },
		{ IPC_AUTH_STEP, on_auth_step },
		{ IPC_NONE, NULL },
	};
	static const struct daemon_hooks hooks = { .role = ROLE_SMTPD_MX, .init = init, .reload = reload, .stop = stop, .accepted = accepted,
		.handlers = handlers, .on_lost = on_lost, .on_up = on_up, .on_down = on_down, .on_credit = on_credit };

	return daemon_main(argc, argv, &hooks);
}
