/* SPDX-License-Identifier: ISC */
#include "daemon/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/state.h"
#include "log/log.h"
#include "sys/file.h"

/* ---- in the fork ---- */

struct fork_hooks {
	struct daemon_hooks daemon;
	const struct session_hooks *session;
};

static void stop_fork(struct daemon *d)
{
	const struct session_hooks *h = ((const struct fork_hooks *)(const void *)d->state->hooks)->session;
	if (d->stopping)
		return;
	d->stopping = true;
	if (h->stop != NULL)
		h->stop(d);
	else
		daemon_exit(d);
}

static void host_down(void *arg, struct ipc_channel *c)
{
	(void)c;
	stop_fork(arg);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	stop_fork(arg);
}

/* As the account from here on: nothing that a user sent has been read yet. */
static int become_account(const struct process_row *row, const struct ipc_session_fork *m, int homefd, bool alone)
{
	struct priv_path home = { .fd = homefd, .rights = PRIV_READ | PRIV_WRITE };
	int err = confine_user(row, m->uid, m->gid);
	if (err == ERR_OK && !alone)
		err = priv_limits(0, 0, CONFINE_PROCESSES);
	return err == ERR_OK ? confine_process(row, &home, 1, NULL) : err;
}

/*
 * What was exchanged for another since host opened it is nobody's home any more. Asked when the program has its account's lock, without which none is
 * exchanged: it stays as it is from then on.
 */
static int start_in(const struct session_hooks *h, struct daemon *d, int homefd, const struct ipc_session_fork *m)
{
	int copy = fcntl(homefd, F_DUPFD_CLOEXEC, 0);
	int err = copy < 0 ? ERR_LIMIT : h->start(d, homefd, m->uid);
	if (err == ERR_OK && !file_stands_in(copy, m->shard))
		err = ERR_LOST;
	fd_close(&copy);
	return err;
}

static int run_fork(const struct session_hooks *h, struct daemon *image, const struct ipc_session_fork *m, const int *fds)
{
	struct fork_hooks hooks = { .daemon = { .role = h->role, .handlers = h->handlers, .on_down = host_down }, .session = h };
	const struct process_row *row = process_row(h->role);
	struct daemon *d = mem_new(sizeof *d);
	*d = *image;
	d->state = mem_new(sizeof *d->state);
	d->state->hooks = &hooks.daemon;
	d->state->row = row;
	d->state->single_user = image->state->single_user;
	log_program(row->name);
	int err = become_account(row, m, fds[0], image->state->single_user);
	if (err != ERR_OK)
		return err;
	daemon_loop(d);
	d->confined = true;
	struct ipc_channel *host = daemon_add_channel(d, ROLE_HOST, 0);
	loop_signal(d->loop, SIGTERM, on_signal, d);
	err = start_in(h, d, fds[0], m);
	if (err == ERR_OK) {
		ipc_channel_connect(host, fds[1]);
		loop_run(d->loop);
	}
	return err;
}

static void fork_session(const struct session_hooks *h, struct daemon *image, const struct ipc_session_fork *m, int *fds)
{
	pid_t pid = fork();
	if (pid == 0) {
		int link = LINK_FD;
		fd_close(&link);
		int err = run_fork(h, image, m, fds);
		if (err != ERR_OK)
			log_error("session_not_started", LU("uid", m->uid), LERR("error", err));
		log_flush();
		_exit(err == ERR_OK ? 0 : 1);
	}
	/* host sees the closed channel when the fork failed. */
	if (pid < 0)
		log_error("fork_failed", LU("uid", m->uid));
	close(fds[0]);
	close(fds[1]);
}

/* ---- the image ---- */

/* It may become a virtual account and nobody else. */
static int confine_image(const struct daemon *d)
{
	struct confine_uids uids = { .first = (uint32_t)conf_num(d->conf, PARAM_UID_FIRST) };
	uids.last = uids.first + (uint32_t)conf_num(d->conf, PARAM_UID_COUNT) - 1;
	if (d->state->single_user)
		return confine_process(process_row(ROLE_IMAGE), NULL, 0, NULL);
	int err = priv_keep_caps(process_row(ROLE_IMAGE)->caps, false);
	return err == ERR_OK ? confine_process(process_row(ROLE_IMAGE), NULL, 0, &uids) : err;
}

/* The bare sequence: no loop runs in the image, so that a fork inherits none. */
static int run_image(const struct session_hooks *h, struct daemon *d)
{
	struct link *l = &d->state->link;
	enum ipc_kind kind;
	const void *m;
	int fds[IPC_FDS_MAX];
	int err = link_ready(l);
	while (err == ERR_OK && (err = link_next(l, true, &kind, &m, fds)) == ERR_OK)
		if (kind == IPC_SESSION_FORK)
			fork_session(h, d, m, fds);
	return err == ERR_END ? ERR_OK : err;
}

void session_leave(struct daemon *d, uint32_t taken)
{
	struct ipc_session_leave m = { .taken = taken };
	struct ipc_channel *host = daemon_channel(d, ROLE_HOST, 0);
	if (host == NULL || ipc_send(host, IPC_SESSION_LEAVE, &m, NULL, 0) != ERR_OK)
		log_warn("host_not_asked");
}

int session_main(int argc, char **argv, const struct session_hooks *hooks)
{
	static const struct daemon_hooks none = { .role = ROLE_IMAGE };
	/* Not on the heap: nothing else refers to it, and who looks for leaks at the end must find what belongs to it. */
	static struct daemon context;
	static struct daemon_state state;
	struct daemon *d = &context;
	d->state = &state;
	d->state->hooks = &none;
	(void)argc;
	(void)argv;
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* forks are reaped by the kernel; host learns of their end by their channels */
	int err = daemon_hello(d, process_row(hooks->role), ROLE_HOST);
	loop_free(d->loop);
	d->loop = NULL;
	if (err == ERR_OK && hooks->init != NULL)
		err = hooks->init(d);
	if (err == ERR_OK)
		err = confine_image(d);
	if (err == ERR_OK)
		err = run_image(hooks, d);
	if (err != ERR_OK)
		log_error("image_failed", LERR("error", err));
	log_flush();
	buf_fini(&d->state->link.in);
	conf_free((struct conf *)d->conf);
	return err == ERR_OK ? 0 : 1;
}
