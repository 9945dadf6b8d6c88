/* SPDX-License-Identifier: ISC */
/* The blocking side of a control socket, for postrider(1). */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

struct ipc_client {
	int fd;
	enum ipc_role peer;
	bool said;  /* our greeting */
	bool heard; /* the server's */
	size_t consumed; /* of the message that was given last */
	struct buf in;
	union ipc_any message;
};

int ipc_client_open(const char *path, enum ipc_role peer, struct ipc_client **out)
{
	int fd;
	int err = sock_connect_unix(path, &fd);
	if (err != ERR_OK)
		return err;
	struct ipc_client *c = mem_new(sizeof *c);
	c->fd = fd;
	c->peer = peer;
	buf_init(&c->in, IPC_FRAME_MAX + (1u << 20));
	*out = c;
	return ERR_OK;
}

void ipc_client_close(struct ipc_client *c)
{
	if (c == NULL)
		return;
	fd_close(&c->fd);
	buf_fini(&c->in);
	free(c);
}

static int wait_for(int fd, short events, uint64_t deadline)
{
	uint64_t now = clock_mono_ms();
	struct pollfd p = { .fd = fd, .events = events };
	if (now >= deadline)
		return ERR_TIMEOUT;
	uint64_t left = deadline - now;
	int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
	return n >= 0 ? ERR_OK : ERR_AGAIN;
}

int ipc_client_send(struct ipc_client *c, enum ipc_kind kind, const void *m)
{
	struct buf b;
	buf_init(&b, IPC_FRAME_MAX + 64);
	if (!c->said)
		ipc_greeting_put(&b, ROLE_CONTROL);
	int err = ipc_frame_put(&b, kind, m, 0);
	uint64_t deadline = clock_mono_ms() + 30000;
	while (err == ERR_OK && buf_len(&b) > 0) {
		size_t put = 0;
		err = sock_write(c->fd, buf_view(&b), &put);
		buf_consume(&b, put);
		if (err == ERR_AGAIN)
			err = wait_for(c->fd, POLLOUT, deadline);
	}
	c->said = true;
	buf_fini(&b);
	return err;
}

/* ERR_AGAIN: not yet all there. The server's greeting is what comes first. */
static int take(struct ipc_client *c, enum ipc_kind *kind)
{
	buf_consume(&c->in, c->consumed);
	c->consumed = 0;
	struct view v = buf_view(&c->in);
	struct ipc_frame f;
	int err = ipc_frame_get(v, &f);
	if (err != ERR_OK)
		return err;
	if (v.n < IPC_FRAME_HEADER + (size_t)f.length)
		return ERR_AGAIN;
	c->consumed = IPC_FRAME_HEADER + (size_t)f.length;
	*kind = f.kind;
	if (!ipc_permitted(f.kind, c->peer, ROLE_CONTROL) || f.nfds != 0)
		return ERR_PROTOCOL;
	return ipc_kinds[f.kind].get(view_head(view_skip(v, IPC_FRAME_HEADER), f.length), &c->message);
}

static int more(struct ipc_client *c, uint64_t deadline)
{
	size_t got;
	int err = sock_read(c->fd, &c->in, 65536, &got);
	if (err == ERR_AGAIN)
		return wait_for(c->fd, POLLIN, deadline);
	return err == ERR_END ? ERR_LOST : err;
}

static int greet(struct ipc_client *c, uint64_t deadline)
{
	enum ipc_role role;
	int err;
	while ((err = ipc_greeting_get(buf_view(&c->in), &role)) == ERR_AGAIN)
		if ((err = more(c, deadline)) != ERR_OK && err != ERR_AGAIN)
			return err;
	if (err == ERR_OK && role != c->peer)
		err = ERR_PROTOCOL;
	if (err == ERR_OK)
		buf_consume(&c->in, IPC_GREETING);
	return err;
}

int ipc_client_receive(struct ipc_client *c, enum ipc_kind *kind, const void **m, int ms)
{
	uint64_t deadline = clock_mono_ms() + (uint64_t)ms;
	int err = c->heard ? ERR_OK : greet(c, deadline);
	if (err != ERR_OK)
		return err;
	c->heard = true;
	while ((err = take(c, kind)) == ERR_AGAIN)
		if ((err = more(c, deadline)) != ERR_OK && err != ERR_AGAIN)
			return err;
	*m = &c->message;
	return err;
}
