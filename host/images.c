/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/link.h"
#include "host.h"
#include "log/log.h"
#include "sys/file.h"

#define READY_MS 20000 /* that an image may take to be ready */

static const struct image programs[IMAGES] = {
	{ .role = ROLE_IMAPD, .program = "imapd", .file = -1 },
	{ .role = ROLE_POP3D, .program = "pop3d", .file = -1 },
};

/* By descriptor: the way to the program may be closed to host's user. */
__attribute__((noreturn)) static void become_image(const struct image *i, int link)
{
	char name[64];
	snprintf(name, sizeof name, "%s", i->program);
	char *argv[] = { name, name, NULL };
	if (link == LINK_FD)
		(void)fcntl(link, F_SETFD, 0);
	else
		(void)dup2(link, LINK_FD);
	execveat(i->file, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

/* Programs stand beside this one. */
int images_open(struct host *h)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, 4000);
	if (n <= 0)
		return ERR_NOT_FOUND;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	for (size_t k = 0; k < IMAGES; k++) {
		h->images[k] = programs[k];
		snprintf(slash + 1, 64, "%s", programs[k].program);
		h->images[k].file = open(path, O_PATH | O_CLOEXEC);
		if (h->images[k].file < 0) {
			log_error("image_not_opened", LS("path", path), LERRNO("errno", errno));
			return err_of_errno(errno);
		}
	}
	return ERR_OK;
}

static int say_hello(struct host *h, struct image *i)
{
	struct buf conf;
	struct ipc_hello m = { .role = (uint8_t)i->role, .single_user = daemon_single_user(h->d), .uid = UINT32_MAX, .gid = UINT32_MAX,
		.control_gid = UINT32_MAX };
	int log = daemon_log_fd(h->d);
	buf_init(&conf, 262144);
	conf_subset(h->d->conf, ipc_role_name(i->role), &conf);
	m.conf = buf_view(&conf);
	int err = link_send(i->link, ROLE_HOST, &i->greeted, IPC_HELLO, &m, &log, 1);
	buf_fini(&conf);
	return err;
}

static int start_one(struct host *h, struct image *i)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return err_of_errno(errno);
	log_flush();
	i->pid = fork();
	if (i->pid == 0)
		become_image(i, fds[1]);
	close(fds[1]);
	fd_close(&i->file);
	i->link = fds[0];
	return i->pid < 0 ? err_of_errno(errno) : say_hello(h, i);
}

static int await_ready(const struct image *i)
{
	char word[LINK_READY_SIZE];
	struct pollfd p = { .fd = i->link, .events = POLLIN };
	if (poll(&p, 1, READY_MS) <= 0)
		return ERR_TIMEOUT;
	ssize_t n = recv(i->link, word, sizeof word, MSG_DONTWAIT);
	return n == LINK_READY_SIZE && memcmp(word, LINK_READY, LINK_READY_SIZE) == 0 ? ERR_OK : ERR_LOST;
}

int images_start(struct host *h)
{
	int err = ERR_OK;
	/* They are reaped by the kernel; their end shows on their links. */
	signal(SIGCHLD, SIG_IGN);
	for (size_t k = 0; err == ERR_OK && k < IMAGES; k++)
		err = start_one(h, &h->images[k]);
	/* host is ready when its images are. */
	for (size_t k = 0; err == ERR_OK && k < IMAGES; k++)
		err = await_ready(&h->images[k]);
	if (err != ERR_OK)
		log_error("images_not_started", LERR("error", err));
	return err;
}

/* The end. Without its images host is of no use: master starts all anew. */
static void on_link(void *arg, unsigned ready)
{
	struct image *i = arg;
	char word[LINK_READY_SIZE];
	(void)ready;
	ssize_t n = recv(i->link, word, sizeof word, MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_error("image_died", LS("program", i->program));
	log_flush();
	_exit(1);
}

void images_watch(struct host *h)
{
	for (size_t k = 0; k < IMAGES; k++) {
		h->images[k].io = io_new(h->d->loop, h->images[k].link, on_link, &h->images[k]);
		io_want(h->images[k].io, IO_READ);
	}
}

int image_fork(struct image *i, uint32_t uid, uint64_t shard, const int fds[2])
{
	struct ipc_session_fork m = { .uid = uid, .gid = uid, .shard = shard };
	return link_send(i->link, ROLE_HOST, &i->greeted, IPC_SESSION_FORK, &m, fds, 2);
}
