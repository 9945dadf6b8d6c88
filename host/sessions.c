/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "host.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

#define NONCE_SECONDS 60 /* longer than a log-in's seal is valid */
#define NONCES_MAX 1000000
#define NEWS_BACKLOG (64u << 10) /* octets that an account's process has not read: it knows that there is news */
#define DEAF_BACKLOG (1u << 20)  /* it reads nothing any more */

/* An account's process, and the channel to it. */
struct account_process {
	struct host *h;
	unsigned image;
	uint32_t uid;
	uint32_t given; /* sessions. Any: what it left undone, if it was killed, is to be done */
	struct ipc_channel *channel;
};

static void on_down(void *arg, struct ipc_channel *c)
{
	struct account_process *p = arg;
	map64_del(p->h->running[p->image], p->uid);
	if (p->given > 0)
		upkeep_want(p->h, p->uid);
	ipc_channel_free(c);
	free(p);
}

static void on_count(void *arg, struct ipc_channel *c, const void *m, int *fds, size_t nfds)
{
	const struct ipc_session_count *n = m;
	const struct account_process *p = arg;
	(void)c;
	(void)fds;
	(void)nfds;
	log_debug("sessions", LU("uid", p->uid), LU("count", n->sessions));
}

/* A session that crossed its wish on the way must not be lost: then it stays, and will ask again. */
static void on_leave(void *arg, struct ipc_channel *c, const void *m, int *fds, size_t nfds)
{
	const struct ipc_session_leave *l = m;
	const struct account_process *p = arg;
	(void)fds;
	(void)nfds;
	if (l->taken == p->given)
		ipc_channel_drop(c);
}

static struct account_process *start_process(struct host *h, unsigned image, uint32_t uid)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_SESSION_COUNT, on_count },
		{ IPC_SESSION_LEAVE, on_leave },
		{ IPC_NONE, NULL },
	};
	int home, pair[2];
	uint64_t shard;
	int err = home_open(h, uid, &home, &shard);
	if (err == ERR_OK && (err = sock_pair(SOCK_STREAM, pair)) != ERR_OK)
		fd_close(&home);
	if (err != ERR_OK) {
		if (err == ERR_BUSY)
			log_info("home_held", LU("uid", uid));
		else
			log_error("home_not_opened", LU("uid", uid), LERR("error", err));
		return NULL;
	}
	err = image_fork(&h->images[image], uid, shard, (int[2]){ home, pair[1] });
	fd_close(&home);
	fd_close(&pair[1]);
	if (err != ERR_OK) {
		fd_close(&pair[0]);
		return NULL;
	}
	struct account_process *p = mem_new(sizeof *p);
	*p = (struct account_process){ .h = h, .image = image, .uid = uid };
	struct ipc_callbacks cb = { .handlers = handlers, .on_down = on_down, .arg = p };
	p->channel = ipc_channel_new(h->d->loop, ROLE_HOST, h->images[image].role, 0, &cb);
	ipc_channel_connect(p->channel, pair[0]);
	map64_set(h->running[image], uid, p);
	return p;
}

/* Once: a log-in's nonce is remembered for longer than its seal is valid. */
static bool use_nonce(struct host *h, uint64_t nonce)
{
	uint64_t now = clock_mono_ms() / 1000;
	size_t it = 0;
	uint64_t key;
	void *value;
	if (now > h->nonces_cleaned + NONCE_SECONDS) {
		h->nonces_cleaned = now;
		while (map64_next(h->nonces, &it, &key, &value))
			if ((uint64_t)(uintptr_t)value + NONCE_SECONDS < now)
				map64_del(h->nonces, key);
	}
	if (map64_get(h->nonces, nonce) != NULL || map64_count(h->nonces) >= NONCES_MAX)
		return false;
	map64_set(h->nonces, nonce, (void *)(uintptr_t)(now + 1));
	return true;
}

static int open_login(struct host *h, struct view sealed, unsigned door, struct ipc_login *out)
{
	const struct seal_key *key = daemon_seal_key(h->d, ROLE_AUTH, ROLE_HOST);
	struct view body;
	if (key == NULL || !seal_open(key, "login", sealed, &body) || ipc_login_get(body, out) != ERR_OK)
		return ERR_DENIED;
	if (out->door != door || (door != IPC_DOOR_IMAP && door != IPC_DOOR_POP3))
		return ERR_DENIED;
	if ((int64_t)out->expires < clock_wall(NULL) || !use_nonce(h, out->nonce))
		return ERR_DENIED;
	return ERR_OK;
}

static int add_session(struct host *h, const struct ipc_session_start *m, const struct ipc_login *login, int fd)
{
	unsigned image = m->door == IPC_DOOR_IMAP ? 0 : 1;
	struct account_process *p = map64_get(h->running[image], login->uid);
	if (p != NULL && (ipc_backlog(p->channel) > DEAF_BACKLOG || ipc_fds_waiting(p->channel) > IPC_FDS_CALM)) {
		log_warn("session_process_deaf", LU("uid", login->uid));
		ipc_channel_drop(p->channel);
		p = NULL;
	}
	if (p == NULL)
		p = start_process(h, image, login->uid);
	if (p == NULL)
		return ERR_AGAIN;
	struct ipc_session_add add = { .tls = m->tls, .account = login->account, .session = m->session, .peer = m->peer, .tag = m->tag,
		.input = m->input };
	int err = ipc_send(p->channel, IPC_SESSION_ADD, &add, &fd, 1);
	/* What did not go out is never taken: counted, it would keep the process from leaving for ever. */
	if (err == ERR_OK)
		p->given++;
	return err;
}

/* Anything else that login may hold cannot be waited for, and the account's process would end on it. */
static int check_client(int fd)
{
	int type = 0;
	socklen_t n = sizeof type;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM ? ERR_OK : ERR_DENIED;
}

void host_session_start(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct host *h = d->user;
	const struct ipc_session_start *m = msg;
	struct ipc_login login;
	(void)nfds;
	int err = check_client(fds[0]);
	if (err == ERR_OK)
		err = open_login(h, m->login, m->door, &login);
	if (err == ERR_OK)
		err = add_session(h, m, &login, fds[0]);
	if (err != ERR_OK)
		log_warn("session_refused", LV("session", m->session), LERR("error", err));
	close(fds[0]);
	struct ipc_session_started answer = { .id = m->id,
		.outcome = (uint8_t)(err == ERR_OK ? IPC_DONE : err == ERR_DENIED ? IPC_REFUSED : IPC_LATER) };
	if (ipc_send(from, IPC_SESSION_STARTED, &answer, NULL, 0) != ERR_OK)
		log_warn("answer_lost", LS("to", "login"));
}

static void tell_news(struct account_process *p)
{
	struct ipc_news m = { p->uid };
	if (ipc_backlog(p->channel) < NEWS_BACKLOG && ipc_send(p->channel, IPC_NEWS, &m, NULL, 0) != ERR_OK)
		log_debug("news_not_told", LU("uid", p->uid));
}

void host_news(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct host *h = d->user;
	const struct ipc_news *m = msg;
	(void)from;
	(void)fds;
	(void)nfds;
	struct account_process *p = map64_get(h->running[0], m->uid);
	if (p == NULL)
		upkeep_want(h, m->uid);
	else
		tell_news(p);
}

void sessions_end(struct host *h, uint32_t uid)
{
	for (size_t i = 0; i < IMAGES; i++) {
		struct account_process *p = map64_get(h->running[i], uid);
		if (p != NULL)
			ipc_channel_end(p->channel); /* a session just given gets its BYE, too */
	}
}

void session_keep(struct host *h, uint32_t uid)
{
	struct account_process *p = map64_get(h->running[0], uid);
	if (p != NULL)
		return;
	p = start_process(h, 0, uid);
	if (p != NULL)
		tell_news(p);
	log_debug("upkeep", LU("uid", uid));
}
