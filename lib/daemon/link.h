/* SPDX-License-Identifier: ISC */
/*
 * The link: the one-way channel from master to a process (and from host to an image) on descriptor 3. Frames as on any channel. Back comes
 * only `ready`, eight octets.
 */
#ifndef POSTRIDER_DAEMON_LINK_H
#define POSTRIDER_DAEMON_LINK_H

#include "base/buf.h"
#include "ipc/channel.h"

#define LINK_FD 3
#define LINK_READY "PRready\n"
#define LINK_READY_SIZE 8

struct link {
	int fd;
	enum ipc_role from; /* whom this process takes messages from */
	enum ipc_role self;
	bool greeted;
	struct buf in;
	size_t consumed;
	int fds[8];
	size_t nfds;
	union ipc_any message;
};
void link_init(struct link *l, int fd, enum ipc_role from, enum ipc_role self);
/* Waits (when wait) for the next message. fds are the caller's; *m is valid until the next call. ERR_AGAIN, ERR_END, ERR_PROTOCOL. */
MUST_CHECK int link_next(struct link *l, bool wait, enum ipc_kind *kind, const void **m, int fds[IPC_FDS_MAX]);
MUST_CHECK int link_ready(struct link *l);

/* The other end: the first call also sends the greeting (*greeted is the caller's state). Blocks, bounded by the socket's SO_SNDTIMEO. */
MUST_CHECK int link_send(int fd, enum ipc_role self, bool *greeted, enum ipc_kind kind, const void *m, const int *fds, size_t nfds);

#endif
