/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "master.h"
#include "sys/file.h"

#define USERS_DIR "/etc"
#define USERS_NAME "passwd"

void users_send(struct child *c)
{
	struct ipc_users u = { 0 };
	struct stat st;
	int fd;
	if (c->row->role != ROLE_SMTPD_LOCAL || c->state == CHILD_DOWN)
		return;
	int err = file_open_read(AT_FDCWD, USERS_DIR "/" USERS_NAME, &fd);
	if (err != ERR_OK) {
		log_warn("users_not_read", LS("file", USERS_DIR "/" USERS_NAME), LERR("error", err));
		return;
	}
	if (fstat(fd, &st) == 0)
		u.size = (uint64_t)st.st_size;
	child_tell(c, IPC_USERS, &u, &fd, 1);
	fd_close(&fd);
}

/* Whether one of the events that stand to be read is about the file itself. */
static bool is_about_users(int fd)
{
	_Alignas(struct inotify_event) char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	bool found = false;
	ssize_t n;
	while ((n = read(fd, events, sizeof events)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)(events + at);
			/* Where the kernel lost events, any may have been ours. */
			found = found || (e->mask & IN_Q_OVERFLOW) || (e->len > 0 && strcmp(e->name, USERS_NAME) == 0);
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
	return found;
}

static void on_change(void *arg, unsigned ready)
{
	struct master *m = arg;
	(void)ready;
	if (!is_about_users(m->users_fd))
		return;
	for (size_t i = 0; i < m->nchildren; i++)
		users_send(&m->children[i]);
}

void users_watch(struct master *m)
{
	m->users_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* Programs that add a user put a new file in the place of the old one; editors may write into it. */
	if (m->users_fd < 0 || inotify_add_watch(m->users_fd, USERS_DIR, IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
		log_warn("users_not_watched", LS("directory", USERS_DIR), LS("hint", "after adding a user of this host, reload"));
		fd_close(&m->users_fd);
		return;
	}
	m->users_io = io_new(m->loop, m->users_fd, on_change, m);
	io_want(m->users_io, IO_READ);
}
