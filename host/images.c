/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/link.h"
#include "host.h"
#include "log/log.h"
#include "sys/file.h"

__attribute__((noreturn)) static void become_image(const char *path, const char *name, int link)
{
	char program[4096], role[64];
	snprintf(program, sizeof program, "%s", path);
	snprintf(role, sizeof role, "%s", name);
	char *argv[] = { program, role, NULL };
	if (link == LINK_FD)
		(void)fcntl(link, F_SETFD, 0);
	else
		(void)dup2(link, LINK_FD);
	execv(program, argv);
	_exit(127);
}

/* Programs stand beside this one. */
static int program_path(const char *program, char path[4096])
{
	ssize_t n = readlink("/proc/self/exe", path, 4000);
	if (n <= 0)
		return ERR_NOT_FOUND;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	snprintf(slash + 1, 64, "%s", program);
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
	char path[4096];
	int err = program_path(i->program, path);
	if (err != ERR_OK || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return err != ERR_OK ? err : err_of_errno(errno);
	log_flush();
	i->pid = fork();
	if (i->pid == 0)
		become_image(path, i->program, fds[1]);
	close(fds[1]);
	i->link = fds[0];
	return i->pid < 0 ? err_of_errno(errno) : say_hello(h, i);
}

int images_start(struct host *h)
{
	static const struct image programs[2] = { { .role = ROLE_IMAPD, .program = "imapd" }, { .role = ROLE_POP3D, .program = "pop3d" } };
	int err = ERR_OK;
	/* They are reaped by the kernel; their end shows on their links. */
	signal(SIGCHLD, SIG_IGN);
	for (size_t k = 0; err == ERR_OK && k < 2; k++) {
		h->images[k] = programs[k];
		err = start_one(h, &h->images[k]);
		if (err != ERR_OK)
			log_error("image_not_started", LS("program", programs[k].program), LERR("error", err));
	}
	return err;
}

/* `ready`, eight octets, or the end. Without its images host is of no use: master starts all anew. */
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
	for (size_t k = 0; k < 2; k++) {
		h->images[k].io = io_new(h->d->loop, h->images[k].link, on_link, &h->images[k]);
		io_want(h->images[k].io, IO_READ);
	}
}

int image_fork(struct image *i, uint32_t uid, const int fds[2])
{
	struct ipc_session_fork m = { .uid = uid, .gid = uid };
	return link_send(i->link, ROLE_HOST, &i->greeted, IPC_SESSION_FORK, &m, fds, 2);
}
