/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/link.h"
#include "log/log.h"
#include "master.h"
#include "sys/file.h"
#include "sys/sock.h"

#define LIVED 1000      /* ms after which a child counts as having worked */
#define WAIT_FIRST 100  /* ms of back-off, doubled at each early death */
#define WAIT_MOST 5000
#define TELL_TIMEOUT 5  /* s that a child may take to read its link */

static void start_again(void *arg)
{
	child_start(arg);
}

static void make_log_pipe(struct child *c)
{
	int fds[2];
	INVARIANT(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	(void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 18);
	c->log_read = fds[0];
	c->log_write = fds[1];
}

static void add(struct master *m, const struct process_row *row, unsigned instance)
{
	INVARIANT(m->nchildren < MASTER_CHILDREN);
	struct child *c = &m->children[m->nchildren++];
	c->m = m;
	c->row = row;
	c->instance = instance;
	c->link = -1;
	c->timer = timer_new(m->loop, start_again, c);
	make_log_pipe(c);
}

void children_make(struct master *m)
{
	for (size_t i = 0; i < process_count; i++) {
		const struct process_row *row = &process_table[i];
		if (row->later || row->program == NULL || row->role == ROLE_IMAPD || row->role == ROLE_POP3D)
			continue;
		uint64_t n = row->count == PARAM_COUNT ? 1 : conf_num(m->conf, row->count);
		for (unsigned k = 0; k < n; k++)
			add(m, row, k);
	}
}

/* ---- the new process ---- */

static void own_descriptor(int fd, int as)
{
	if (fd != as)
		(void)dup2(fd, as);
	else
		(void)fcntl(fd, F_SETFD, 0);
}

/* Of the environment in which master was started nothing reaches its children: libraries listen to it. */
static char **environment(char *out[8])
{
	static char path[] = "PATH=/usr/bin:/bin", zone[] = "TZ=UTC0", locale[] = "LC_ALL=C";
	size_t n = 0;
	out[n++] = path;
	out[n++] = zone;
	out[n++] = locale;
#ifdef SANITIZERS
	for (char **e = environ; *e != NULL && n < 7; e++)
		if (strstr(*e, "SAN_OPTIONS=") != NULL)
			out[n++] = *e;
#endif
	out[n] = NULL;
	return out;
}

__attribute__((noreturn)) static void become_child(const struct child *c, int link)
{
	char path[4096];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	own_descriptor(null, 0);
	own_descriptor(null, 1);
	own_descriptor(link, LINK_FD);
	snprintf(path, sizeof path, "%s/%s", c->m->libexec, c->row->program);
	char name[64];
	snprintf(name, sizeof name, "%s", c->row->name);
	char *argv[] = { path, name, NULL };
	char *env[8];
	execve(path, argv, environment(env));
	fprintf(stderr, "postrider: cannot execute %s: %s\n", path, strerror(errno));
	_exit(127);
}

static void say_hello(struct child *c)
{
	struct buf conf, peers, seals;
	struct ipc_hello h = { .role = (uint8_t)c->row->role, .instance = (uint8_t)c->instance, .single_user = c->m->single_user,
		.uid = c->uid, .gid = c->gid, .control_gid = c->m->control_gid };
	buf_init(&conf, 262144);
	buf_init(&peers, 65536);
	buf_init(&seals, 65536);
	conf_subset(c->m->conf, ipc_role_name(c->row->role), &conf);
	if (c->row->role == ROLE_HOST) {
		/* host hands them on to its images. */
		conf_subset(c->m->conf, ipc_role_name(ROLE_IMAPD), &conf);
		conf_subset(c->m->conf, ipc_role_name(ROLE_POP3D), &conf);
	}
	channels_hello(c, &peers, &h.peers.count, &seals, &h.seals.count);
	h.conf = buf_view(&conf);
	h.peers.bytes = buf_view(&peers);
	h.seals.bytes = buf_view(&seals);
	child_tell(c, IPC_HELLO, &h, &c->log_write, 1);
	mem_wipe(seals.mem, seals.cap);
	buf_fini(&conf);
	buf_fini(&peers);
	buf_fini(&seals);
}

/* log reads every child's pipe, those of the dead too. */
static void send_log_sources(struct child *log, const struct child *only)
{
	struct ipc_log_source own = { .role = ROLE_MASTER, .pid = (uint32_t)getpid() };
	if (only == NULL)
		child_tell(log, IPC_LOG_SOURCE, &own, &log->m->log_read, 1);
	for (size_t i = 0; log->link >= 0 && i < log->m->nchildren; i++) {
		struct child *c = &log->m->children[i];
		struct ipc_log_source s = { .role = (uint8_t)c->row->role, .instance = (uint8_t)c->instance, .pid = (uint32_t)c->pid };
		if (only == NULL || only == c)
			child_tell(log, IPC_LOG_SOURCE, &s, &c->log_read, 1);
	}
}

static void tell_log(struct child *c)
{
	if (c->row->role == ROLE_LOG) {
		send_log_sources(c, NULL);
		return;
	}
	for (size_t i = 0; i < c->m->nchildren; i++)
		if (c->m->children[i].row->role == ROLE_LOG)
			send_log_sources(&c->m->children[i], c);
}

static void on_link(void *arg, unsigned ready)
{
	struct child *c = arg;
	char word[LINK_READY_SIZE];
	(void)ready;
	ssize_t n = recv(c->link, word, sizeof word, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	io_want(c->io, 0);
	if (n != sizeof word || memcmp(word, LINK_READY, sizeof word) != 0)
		return;
	c->state = CHILD_READY;
	if (c->row->role == ROLE_LOG)
		log_to(c->m->log_write, (enum log_level)conf_num(c->m->conf, PARAM_LOG_LEVEL));
	/* Nothing more is read from it; its end is told by the kernel. */
	status_changed(c->m);
}

static void open_link(struct child *c, int fd)
{
	struct timeval t = { .tv_sec = TELL_TIMEOUT };
	c->link = fd;
	c->greeted = false;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	c->io = io_new(c->m->loop, fd, on_link, c);
	io_want(c->io, IO_READ);
}

static void close_link(struct child *c)
{
	io_free(c->io);
	c->io = NULL;
	fd_close(&c->link);
}

void child_start(struct child *c)
{
	int fds[2];
	if (c->m->phase > 0 || c->state != CHILD_DOWN)
		return;
	INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	log_flush();
	pid_t pid = fork();
	if (pid == 0)
		become_child(c, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		log_error("cannot_fork", LS("process", c->row->name), LERRNO("errno", errno));
		close(fds[0]);
		timer_set(c->timer, WAIT_MOST);
		return;
	}
	c->pid = pid;
	c->state = CHILD_STARTING;
	c->started = loop_now(c->m->loop);
	open_link(c, fds[0]);
	say_hello(c);
	users_send(c);
	tell_log(c);
	(void)listeners_send(c);
	channels_connect(c);
	status_changed(c->m);
}

void child_tell(struct child *c, enum ipc_kind kind, const void *msg, const int *fds, size_t nfds)
{
	if (c->link < 0)
		return;
	int err = link_send(c->link, ROLE_MASTER, &c->greeted, kind, msg, fds, nfds);
	if (err == ERR_OK)
		return;
	/* Dead already, or it does not read its link: its end comes as SIGCHLD. */
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}

void child_stop(struct child *c, bool now)
{
	struct ipc_stop s = { .now = now };
	timer_stop(c->timer);
	if (c->state == CHILD_DOWN)
		return;
	c->state = CHILD_STOPPING;
	child_tell(c, IPC_STOP, &s, NULL, 0);
}

struct child *child_of_pid(struct master *m, pid_t pid)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].pid == pid)
			return &m->children[i];
	return NULL;
}

void child_exited(struct child *c, int status)
{
	uint64_t lived = loop_now(c->m->loop) - c->started;
	bool wanted = c->state == CHILD_STOPPING || c->m->phase > 0;
	close_link(c);
	c->state = CHILD_DOWN;
	c->pid = 0;
	status_changed(c->m);
	if (wanted)
		return;
	c->restarts++;
	c->wait = lived >= LIVED ? 0 : c->wait == 0 ? WAIT_FIRST : c->wait * 2 > WAIT_MOST ? WAIT_MOST : c->wait * 2;
	log_error("process_died", LS("process", c->row->name), LU("instance", c->instance),
		LI("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0), LI("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
		LU("lived_ms", lived), LU("again_in_ms", c->wait));
	timer_set(c->timer, c->wait);
}
