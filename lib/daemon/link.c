/* SPDX-License-Identifier: ISC */
#include "daemon/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "sys/file.h"
#include "sys/sock.h"

void link_init(struct link *l, int fd, enum ipc_role from, enum ipc_role self)
{
	memset(l, 0, sizeof *l);
	l->fd = fd;
	l->from = from;
	l->self = self;
	buf_init(&l->in, IPC_FRAME_MAX + (1u << 20));
	if (fd_nonblock(fd) != ERR_OK)
		l->fd = -1; /* no socket: the first read says so */
}

static int more(struct link *l, bool wait)
{
	int fds[SOCK_FDS_MAX];
	size_t nfds = 0, got;
	int err = sock_recv_fds(l->fd, &l->in, 65536, fds, &nfds, &got);
	for (size_t i = 0; i < nfds; i++) {
		if (l->nfds < sizeof l->fds / sizeof *l->fds)
			l->fds[l->nfds++] = fds[i];
		else
			close(fds[i]);
	}
	if (err != ERR_AGAIN || !wait)
		return err;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	(void)poll(&p, 1, -1);
	return ERR_OK;
}

static int take(struct link *l, enum ipc_kind *kind, const void **m, int fds[IPC_FDS_MAX])
{
	buf_consume(&l->in, l->consumed);
	l->consumed = 0;
	if (!l->greeted) {
		enum ipc_role role;
		int err = ipc_greeting_get(buf_view(&l->in), &role);
		if (err != ERR_OK)
			return err;
		if (role != l->from)
			return ERR_PROTOCOL;
		buf_consume(&l->in, IPC_GREETING);
		l->greeted = true;
	}
	struct view v = buf_view(&l->in);
	struct ipc_frame f;
	int err = ipc_frame_get(v, &f);
	if (err != ERR_OK)
		return err;
	if (v.n < IPC_FRAME_HEADER + (size_t)f.length || l->nfds < f.nfds)
		return ERR_AGAIN;
	if (!ipc_permitted(f.kind, l->from, l->self) || f.nfds > IPC_FDS_MAX)
		return ERR_PROTOCOL;
	memcpy(fds, l->fds, f.nfds * sizeof *fds);
	l->nfds -= f.nfds;
	memmove(l->fds, l->fds + f.nfds, l->nfds * sizeof *fds);
	l->consumed = IPC_FRAME_HEADER + (size_t)f.length;
	*kind = f.kind;
	*m = &l->message;
	return ipc_kinds[f.kind].get(view_head(view_skip(v, IPC_FRAME_HEADER), f.length), &l->message);
}

int link_next(struct link *l, bool wait, enum ipc_kind *kind, const void **m, int fds[IPC_FDS_MAX])
{
	int err;
	while ((err = take(l, kind, m, fds)) == ERR_AGAIN)
		if ((err = more(l, wait)) != ERR_OK)
			return err;
	return err;
}

int link_ready(struct link *l)
{
	size_t put;
	int err = sock_write(l->fd, VIEW(LINK_READY), &put);
	return err == ERR_OK && put != LINK_READY_SIZE ? ERR_IO : err;
}

int link_send(int fd, enum ipc_role self, bool *greeted, enum ipc_kind kind, const void *m, const int *fds, size_t nfds)
{
	struct buf b;
	buf_init(&b, IPC_FRAME_MAX + 64);
	if (!*greeted)
		ipc_greeting_put(&b, self);
	*greeted = true;
	int err = ipc_frame_put(&b, kind, m, nfds);
	while (err == ERR_OK && buf_len(&b) > 0) {
		size_t put = 0;
		err = sock_send_fds(fd, buf_view(&b), fds, nfds, &put);
		if (err == ERR_OK)
			nfds = 0;
		buf_consume(&b, put);
	}
	buf_fini(&b);
	return err;
}
