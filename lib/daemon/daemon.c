/* SPDX-License-Identifier: ISC */
#include "daemon/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "daemon/state.h"
#include "log/log.h"
#include "sys/boot.h"
#include "sys/clock.h"
#include "sys/file.h"

#define ACCEPT_PAUSE 100 /* ms after the system ran out of descriptors */
#define ACCEPT_BATCH 64  /* connections taken in one turn */

/* ---- the hello ---- */

static int take_conf(struct daemon *d, struct view text)
{
	struct buf why;
	struct conf *c = conf_new();
	buf_init(&why, 65536);
	int err = conf_read(c, "configuration", text, &why);
	if (err != ERR_OK)
		log_error("configuration_refused", LV("why", buf_view(&why)));
	buf_fini(&why);
	if (err != ERR_OK) {
		conf_free(c);
		return err;
	}
	conf_free((struct conf *)d->conf);
	d->conf = c;
	return ERR_OK;
}

static void take_seals(struct daemon_state *s, const struct ipc_hello *h)
{
	struct view rest = h->seals.bytes;
	struct ipc_seal seal;
	while (s->nseals < DAEMON_SEALS && ipc_seal_next(&rest, &seal)) {
		if (seal.key.n != sizeof s->seals[0].key)
			continue;
		s->seals[s->nseals].issuer = (enum ipc_role)seal.issuer;
		s->seals[s->nseals].consumer = (enum ipc_role)seal.consumer;
		memcpy(&s->seals[s->nseals].key, seal.key.p, seal.key.n);
		s->nseals++;
	}
}

static void take_peers(struct daemon *d, const struct ipc_hello *h)
{
	struct view rest = h->peers.bytes;
	struct ipc_peers p;
	while (ipc_peers_next(&rest, &p))
		for (unsigned i = 0; i < p.count && d->state->nchannels < DAEMON_CHANNELS; i++)
			daemon_add_channel(d, (enum ipc_role)p.role, i);
}

int daemon_hello(struct daemon *d, const struct process_row *row, enum ipc_role from)
{
	struct daemon_state *s = d->state;
	enum ipc_kind kind;
	const void *m;
	int fds[IPC_FDS_MAX];
	s->row = row;
	d->role = row->role;
	d->name = row->name;
	log_role(row->name);
	boot_learn();
	link_init(&s->link, LINK_FD, from, row->role == ROLE_IMAPD || row->role == ROLE_POP3D ? ROLE_IMAGE : row->role);
	int err = link_next(&s->link, true, &kind, &m, fds);
	if (err != ERR_OK || kind != IPC_HELLO) {
		log_error("no_hello", LERR("error", err), LS("hint", "this program is started by the master process alone"));
		return err != ERR_OK ? err : ERR_PROTOCOL;
	}
	const struct ipc_hello *h = m;
	s->log_fd = fds[0];
	log_to(fds[0], LOG_LEVEL_INFO);
	d->instance = h->instance;
	s->single_user = h->single_user != 0;
	s->uid = h->uid;
	s->gid = h->gid;
	s->control_gid = h->control_gid;
	daemon_loop(d);
	take_seals(s, h);
	take_peers(d, h);
	err = take_conf(d, h->conf);
	if (err == ERR_OK)
		log_to(fds[0], (enum log_level)conf_num(d->conf, PARAM_LOG_LEVEL));
	return err;
}

/* ---- channels ---- */

struct ipc_channel *daemon_add_channel(struct daemon *d, enum ipc_role peer, unsigned instance)
{
	const struct daemon_hooks *h = d->state->hooks;
	struct ipc_callbacks cb = { .handlers = h->handlers, .on_lost = h->on_lost, .on_up = h->on_up, .on_down = h->on_down,
		.on_credit = h->on_credit, .arg = d };
	struct ipc_channel *c = ipc_channel_new(d->loop, d->role, peer, instance, &cb);
	d->state->channels[d->state->nchannels++] = c;
	return c;
}

struct ipc_channel *daemon_channel_at(struct daemon *d, enum ipc_role peer, unsigned i)
{
	for (size_t k = 0; k < d->state->nchannels; k++) {
		struct ipc_channel *c = d->state->channels[k];
		if (ipc_channel_peer(c) == peer && ipc_channel_instance(c) == i)
			return c;
	}
	return NULL;
}

unsigned daemon_channels(struct daemon *d, enum ipc_role peer)
{
	unsigned n = 0;
	for (size_t k = 0; k < d->state->nchannels; k++)
		n += ipc_channel_peer(d->state->channels[k]) == peer;
	return n;
}

struct ipc_channel *daemon_channel(struct daemon *d, enum ipc_role peer, uint64_t key)
{
	unsigned n = daemon_channels(d, peer);
	return n == 0 ? NULL : daemon_channel_at(d, peer, (unsigned)(key % n));
}

const struct seal_key *daemon_seal_key(struct daemon *d, enum ipc_role issuer, enum ipc_role consumer)
{
	for (size_t i = 0; i < d->state->nseals; i++)
		if (d->state->seals[i].issuer == issuer && d->state->seals[i].consumer == consumer)
			return &d->state->seals[i].key;
	return NULL;
}

int daemon_dir(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->state->ndirs; i++)
		if (strcmp(d->state->dirs[i].name, name) == 0)
			return d->state->dirs[i].fd;
	return -1;
}

bool daemon_single_user(const struct daemon *d)
{
	return d->state->single_user;
}

int daemon_log_fd(const struct daemon *d)
{
	return d->state->log_fd;
}

/* ---- listeners ---- */

/* Root, the suite's own user, and the group that configuration names. */
static bool control_permitted(const struct daemon *d, int fd)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;
	if (sock_peer_uid(fd, &uid, &gid, &pid) != ERR_OK)
		return false;
	if (uid == 0 || (d->state->single_user && uid == getuid()))
		return true;
	return d->state->control_gid != CONFINE_SAME && sock_peer_in_group(fd, d->state->control_gid);
}

static void take_client(struct daemon_listener *l, int fd, const struct sock_addr *peer)
{
	struct daemon *d = l->d;
	if (d->state->hooks->accepted == NULL || (strcmp(l->name, "control") == 0 && !control_permitted(d, fd))) {
		log_warn("client_refused", LS("listener", l->name));
		close(fd);
		return;
	}
	d->state->hooks->accepted(d, l->name, fd, peer);
}

static void apply_accepting(struct daemon_state *s)
{
	bool on = s->accepting && !timer_armed(s->accept_pause);
	for (size_t i = 0; i < s->nlisteners; i++)
		io_want(s->listeners[i].io, on ? IO_READ : 0);
}

static void accept_again(void *arg)
{
	apply_accepting(((struct daemon *)arg)->state);
}

static void on_listener(void *arg, unsigned ready)
{
	struct daemon_listener *l = arg;
	struct daemon_state *s = l->d->state;
	(void)ready;
	for (int i = 0; i < ACCEPT_BATCH && s->accepting && l->io != NULL; i++) {
		struct sock_addr peer;
		int fd;
		int err = sock_accept(l->fd, &fd, &peer);
		if (err == ERR_OK) {
			take_client(l, fd, &peer);
			continue;
		}
		if (err == ERR_LIMIT) {
			log_warn("too_many_descriptors", LS("listener", l->name));
			timer_set(s->accept_pause, ACCEPT_PAUSE);
			apply_accepting(s);
		}
		return;
	}
}

void daemon_accept(struct daemon *d, bool on)
{
	d->state->accepting = on;
	apply_accepting(d->state);
}

static void add_listener(struct daemon *d, struct view name, int fd)
{
	struct daemon_state *s = d->state;
	if (s->nlisteners == DAEMON_LISTENERS || name.n >= sizeof s->listeners[0].name) {
		close(fd);
		return;
	}
	struct daemon_listener *l = &s->listeners[s->nlisteners++];
	memset(l, 0, sizeof *l);
	l->d = d;
	l->fd = fd;
	memcpy(l->name, name.p, name.n);
	l->io = io_new(d->loop, fd, on_listener, l);
	apply_accepting(s);
}

static void drop_listeners(struct daemon_state *s)
{
	for (size_t i = 0; i < s->nlisteners; i++) {
		io_free(s->listeners[i].io);
		s->listeners[i].io = NULL;
		fd_close(&s->listeners[i].fd);
	}
	s->nlisteners = 0;
}

/* ---- control clients ---- */

static void control_down(void *arg, struct ipc_channel *c)
{
	struct daemon *d = arg;
	if (d->state->hooks->on_down != NULL)
		d->state->hooks->on_down(d, c);
	ipc_channel_free(c);
}

void daemon_control_client(struct daemon *d, int fd)
{
	struct ipc_callbacks cb = { .handlers = d->state->hooks->handlers, .on_down = control_down, .arg = d };
	ipc_channel_connect(ipc_channel_new(d->loop, d->role, ROLE_CONTROL, 0, &cb), fd);
}

/* ---- life ---- */

void daemon_exit(struct daemon *d)
{
	loop_stop(d->loop);
}

static void stop_now(void *arg)
{
	daemon_exit(arg);
}

static void begin_stop(struct daemon *d, bool now)
{
	struct daemon_state *s = d->state;
	bool again = d->stopping;
	d->stopping = true;
	drop_listeners(s);
	if (now || s->hooks->stop == NULL) {
		daemon_exit(d);
		return;
	}
	timer_set(s->stop_deadline, conf_num(d->conf, PARAM_STOP_TIMEOUT) * 1000);
	if (!again)
		s->hooks->stop(d);
}

static void take_reload(struct daemon *d, const struct ipc_reload *m)
{
	if (take_conf(d, m->conf) == ERR_OK && d->state->hooks->reload != NULL)
		d->state->hooks->reload(d);
}

static void take_link(struct daemon *d, enum ipc_kind kind, const void *m, const int *fds)
{
	if (kind == IPC_LISTENER) {
		add_listener(d, ((const struct ipc_listener *)m)->name, fds[0]);
	} else if (kind == IPC_PEER_LINK) {
		const struct ipc_peer_link *p = m;
		struct ipc_channel *c = daemon_channel_at(d, (enum ipc_role)p->role, p->instance);
		if (c != NULL)
			ipc_channel_connect(c, fds[0]);
		else
			close(fds[0]);
	} else if (kind == IPC_RELOAD) {
		take_reload(d, m);
	} else if (kind == IPC_STOP) {
		begin_stop(d, ((const struct ipc_stop *)m)->now != 0);
	} else {
		const struct ipc_handler *h = d->state->hooks->handlers;
		while (h != NULL && h->kind != IPC_NONE && h->kind != kind)
			h++;
		INVARIANT(h != NULL && h->kind == kind);
		int copy[IPC_FDS_MAX] = { fds[0], fds[1] };
		h->fn(d, NULL, m, copy, ipc_kinds[kind].fds_max);
	}
}

static void on_link(void *arg, unsigned ready)
{
	struct daemon *d = arg;
	enum ipc_kind kind;
	const void *m;
	int err, fds[IPC_FDS_MAX] = { -1, -1 };
	(void)ready;
	while ((err = link_next(&d->state->link, false, &kind, &m, fds)) == ERR_OK)
		take_link(d, kind, m, fds);
	if (err == ERR_AGAIN)
		return;
	io_want(d->state->link_io, 0);
	begin_stop(d, err != ERR_END);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	begin_stop(arg, false);
}

void daemon_loop(struct daemon *d)
{
	d->loop = loop_new();
	map_seed(random_u64(), random_u64());
}

static int open_dirs(struct daemon *d)
{
	struct daemon_state *s = d->state;
	for (size_t i = 0; i < DAEMON_DIRS && s->row->dirs[i].name != NULL; i++) {
		const struct process_dir *dir = &s->row->dirs[i];
		int fd;
		int err = file_open_dir(AT_FDCWD, conf_str(d->conf, dir->path), &fd);
		if (err != ERR_OK && dir->optional)
			continue;
		if (err != ERR_OK) {
			log_error("directory_not_opened", LS("path", conf_str(d->conf, dir->path)), LERR("error", err));
			return err;
		}
		s->dirs[s->ndirs].name = dir->name;
		s->dirs[s->ndirs].rights = dir->rights;
		s->dirs[s->ndirs++].fd = fd;
	}
	/* Libraries that want a path get one that no parent's permissions stand before. */
	return s->ndirs > 0 && fchdir(s->dirs[0].fd) != 0 ? ERR_IO : ERR_OK;
}

static int confine(struct daemon *d)
{
	struct daemon_state *s = d->state;
	struct priv_path paths[DAEMON_DIRS];
	for (size_t i = 0; i < s->ndirs; i++)
		paths[i] = (struct priv_path){ .fd = s->dirs[i].fd, .rights = s->dirs[i].rights };
	/* host's forks count as host's until they are an account's. */
	bool forks = s->uid == CONFINE_SAME || (s->row->sys & PRIV_SYS_FORK);
	int err = priv_limits(0, 0, forks ? 0 : CONFINE_PROCESSES);
	if (err == ERR_OK)
		err = confine_process(s->row, paths, s->ndirs, NULL);
	d->confined = err == ERR_OK;
	return err;
}

static int run(struct daemon *d)
{
	struct daemon_state *s = d->state;
	int err = open_dirs(d);
	if (err == ERR_OK && s->hooks->prepare != NULL)
		err = s->hooks->prepare(d);
	if (err == ERR_OK)
		err = confine_user(s->row, s->uid, s->gid);
	if (err == ERR_OK && s->hooks->init != NULL)
		err = s->hooks->init(d);
	if (err == ERR_OK)
		err = confine(d);
	if (err == ERR_OK && s->hooks->start != NULL)
		err = s->hooks->start(d);
	if (err == ERR_OK)
		err = link_ready(&s->link);
	if (err != ERR_OK)
		return err;
	s->link_io = io_new(d->loop, s->link.fd, on_link, d);
	io_want(s->link_io, IO_READ);
	loop_signal(d->loop, SIGTERM, on_signal, d);
	/* What came behind the hello is in the link's buffer already. */
	on_link(d, IO_READ);
	loop_run(d->loop);
	return ERR_OK;
}

static const struct process_row *own_row(int argc, char **argv, const struct daemon_hooks *hooks)
{
	for (size_t i = 0; argc > 1 && i < process_count; i++)
		if (strcmp(process_table[i].name, argv[1]) == 0)
			return &process_table[i];
	return process_row(hooks->role);
}

int daemon_main(int argc, char **argv, const struct daemon_hooks *hooks)
{
	/* Not on the heap: nothing else refers to it, and who looks for leaks at the end must find what belongs to it. */
	static struct daemon context;
	static struct daemon_state state;
	struct daemon *d = &context;
	struct daemon_state *s = &state;
	d->state = s;
	s->hooks = hooks;
	s->accepting = true;
	umask(027);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	int err = daemon_hello(d, own_row(argc, argv, hooks), ROLE_MASTER);
	if (err == ERR_OK) {
		s->accept_pause = timer_new(d->loop, accept_again, d);
		s->stop_deadline = timer_new(d->loop, stop_now, d);
		err = run(d);
	}
	if (err != ERR_OK)
		log_error("start_failed", LERR("error", err));
	log_flush();
	return err == ERR_OK ? 0 : 1;
}
