/* SPDX-License-Identifier: ISC */
/*
 * What every daemon's main() shares. A daemon is one const struct daemon_hooks and `return daemon_main(argc, argv, &hooks)`.
 * The order: master's hello (configuration, seal keys) is read → init (still free: open files, load libraries) → the
 * process confines itself as its row in processes.c says → start → ready is told to master → the loop.
 * Channels come up afterwards, one by one; a request sent before waits as its table row says.
 */
#ifndef POSTRIDER_DAEMON_DAEMON_H
#define POSTRIDER_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "event/loop.h"
#include "ipc/channel.h"
#include "sys/sock.h"
#include "tls/seal.h"

struct daemon {
	struct loop *loop;
	const struct conf *conf;   /* this role's parameters; replaced at reload */
	enum ipc_role role;
	const char *name;          /* "smtpd-mx" */
	unsigned instance;         /* 0… */
	void *user;                /* the daemon's one context */
	bool confined;
	bool stopping;
	struct keys *keys;         /* daemon/keys.h, where the role serves TLS */
	struct daemon_state *state; /* the skeleton's own */
};

struct daemon_hooks {
	enum ipc_role role;
	/* As whom master started us, before the user is changed: only to open what that user cannot reach. May be NULL. */
	int (*prepare)(struct daemon *d);
	/* Before confinement. An error ends the process (the text was logged). */
	int (*init)(struct daemon *d);
	/* After confinement, before ready. */
	int (*start)(struct daemon *d);
	/* New parameters are in d->conf. May be NULL: then nothing of this role is reloadable. */
	void (*reload)(struct daemon *d);
	/* Asked to stop (SIGTERM, or end-of-file from master): finish what is in hand and call daemon_exit; the loop ends by itself
	 * after `stop_timeout`. NULL: ends at once. */
	void (*stop)(struct daemon *d);
	/* A client connected to the listener called name ("smtp", "submissions", "control" …); fd is the hook's. May be NULL. */
	void (*accepted)(struct daemon *d, const char *listener, int fd, const struct sock_addr *peer);
	/* Messages, and what happens to channels (ipc/channel.h); arg is the struct daemon. */
	const struct ipc_handler *handlers;
	void (*on_lost)(void *d, struct ipc_channel *c, enum ipc_kind kind, uint64_t id);
	void (*on_up)(void *d, struct ipc_channel *c);
	void (*on_down)(void *d, struct ipc_channel *c);
	void (*on_credit)(void *d, struct ipc_channel *c);
};

int daemon_main(int argc, char **argv, const struct daemon_hooks *hooks);
/* Ends the loop; main returns 0. */
void daemon_exit(struct daemon *d);

/*
 * The channel to a peer role: NULL when the table of channels gives this role none. With several instances, `key` picks one (always the
 * same for the same key while their number stays): pass a connection's or an account's number.
 */
struct ipc_channel *daemon_channel(struct daemon *d, enum ipc_role peer, uint64_t key);
/* How many instances the peer role has, and the i-th channel. */
unsigned daemon_channels(struct daemon *d, enum ipc_role peer);
struct ipc_channel *daemon_channel_at(struct daemon *d, enum ipc_role peer, unsigned i);
/* The key under which issuer seals for consumer; this process must be one of the two. NULL where the table has no such seal. */
const struct seal_key *daemon_seal_key(struct daemon *d, enum ipc_role issuer, enum ipc_role consumer);

/* Stop accepting on all listeners of this process for now (out of credit, too many clients); and again. */
void daemon_accept(struct daemon *d, bool on);
/* A directory that this role's row names ("spool", "mail", "keys", "tables", "log"), opened before confinement; -1 when it has none. */
int daemon_dir(struct daemon *d, const char *name);
/* Clients of a control socket: gives the connection a channel with this daemon's handlers, freed when the client goes. */
void daemon_control_client(struct daemon *d, int fd);
/* Where this process' log lines go: for host, which gives it on to its images. */
int daemon_log_fd(const struct daemon *d);
/* True when the suite runs as one ordinary user: no uids to change to. */
bool daemon_single_user(const struct daemon *d);

#endif
