/* SPDX-License-Identifier: ISC */
/* The skeletons' own state: shared by daemon.c and session.c alone. */
#ifndef POSTRIDER_DAEMON_STATE_H
#define POSTRIDER_DAEMON_STATE_H

#include "daemon/confine.h"
#include "daemon/daemon.h"
#include "daemon/link.h"
#include "daemon/processes.h"
#include "sys/priv.h"

#define DAEMON_CHANNELS 64
#define DAEMON_LISTENERS 32
#define DAEMON_SEALS 8
#define DAEMON_DIRS 4

struct daemon_listener {
	struct daemon *d;
	char name[65];
	int fd;
	struct io *io;
};

struct daemon_state {
	const struct daemon_hooks *hooks;
	const struct process_row *row;
	struct link link;
	struct io *link_io;
	struct ipc_channel *channels[DAEMON_CHANNELS];
	size_t nchannels;
	struct daemon_listener listeners[DAEMON_LISTENERS];
	size_t nlisteners;
	bool accepting;
	struct timer *accept_pause, *stop_deadline;
	struct {
		enum ipc_role issuer, consumer;
		struct seal_key key;
	} seals[DAEMON_SEALS];
	size_t nseals;
	struct {
		const char *name;
		int fd;
		unsigned rights;
	} dirs[DAEMON_DIRS];
	size_t ndirs;
	uint32_t uid, gid, control_gid;
	bool single_user;
	int log_fd;
};

/* The parts of the start that both skeletons share: the hello from the link is in `state` and d->conf; errors were logged. */
MUST_CHECK int daemon_hello(struct daemon *d, const struct process_row *row, enum ipc_role from);
/* The loop, the random seed of the maps, log lines flushed at the end of each turn. */
void daemon_loop(struct daemon *d);
/* A slot for a channel, with the hooks' handlers. */
struct ipc_channel *daemon_add_channel(struct daemon *d, enum ipc_role peer, unsigned instance);

#endif
