/* SPDX-License-Identifier: ISC */
/*
 * host: makes homes, opens them, and has the account's process forked for a sealed log-in. It has the capabilities to change owners and
 * users, and so it reads nothing that a user sent: only sealed log-ins, numbers of accounts, and descriptors that it hands on.
 */
#ifndef POSTRIDER_HOST_H
#define POSTRIDER_HOST_H

#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "daemon/daemon.h"

#define IMAGES 2
#define SHARDS 256u /* directories of homes, by the last eight bits of the uid */

/* A program's initialised process, from which accounts' processes are forked. */
struct image {
	enum ipc_role role;
	const char *program;
	int file;            /* the program, opened before the user was changed; -1 when it runs */
	pid_t pid;
	int link;
	bool greeted;
	struct io *io;
};

/* All homes, one after the other (upkeep.c). */
struct sweep {
	struct timer *timer;
	unsigned first, done, shard; /* directories */
	uint32_t *uids;              /* of the homes in this one that are still to come */
	size_t n, cap;
	uint64_t homes;
};

struct host {
	struct daemon *d;
	int mail;                  /* the mail root */
	uid_t mail_uid;            /* of local-delivery, who writes the incoming streams */
	gid_t mail_gid;
	uint32_t uid_first, uid_last;
	bool unsynced;             /* a home may stand there whose name is not on stable storage */
	struct image images[IMAGES];
	struct map64 *running[IMAGES];  /* uid → struct account_process, for each image */
	struct map64 *nonces;      /* of log-ins used in the last minute → second of use */
	uint64_t nonces_cleaned;
	struct list wanted;        /* homes asked for in this turn: struct home_request */
	struct later make;
	struct map64 *held;        /* uids whose homes are about to be exchanged → this host */
	struct list neglected;     /* accounts to look after, the longest-waiting first (upkeep.c) */
	struct map64 *noted;       /* uid → one of these */
	struct timer *upkeep;
	struct sweep sweep;
};

/* homes.c. `<mail>/<two hex digits>/<uid>`: the account's directory, with `incoming` in it, which local-delivery writes. */
struct home {
	uint32_t uid;       /* asked for */
	int err;            /* given back: ERR_DENIED for a uid that is no virtual account's */
	bool fresh;         /* there was none */
	char temporary[64];
};
/* Makes those that are not there; when it returns they are on stable storage. */
void homes_make(struct host *h, struct home *homes, size_t n);
/*
 * An O_PATH descriptor of the home, made when there is none, and the inode of the directory that it stands in; ERR_DENIED when it is not the
 * account's, ERR_BUSY when it is held.
 */
MUST_CHECK int home_open(struct host *h, uint32_t uid, int *fd, uint64_t *shard);

/* The names of what stands in one of the directories of homes; ERR_NOT_FOUND: there is none. */
MUST_CHECK int homes_list(struct host *h, unsigned shard, int (*fn)(const char *name, void *arg), void *arg);

/* images.c */
MUST_CHECK int images_open(struct host *h);
/* Waits until they are ready. */
MUST_CHECK int images_start(struct host *h);
void images_watch(struct host *h);
/* shard: where the home stood when it was opened. fds: the home, and the new process' end of its channel. */
MUST_CHECK int image_fork(struct image *i, uint32_t uid, uint64_t shard, const int fds[2]);

/* sessions.c: handlers; arg is the struct daemon. */
void host_session_start(void *daemon, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
void host_news(void *daemon, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
/* Has the account's mail looked after: starts its imapd without a session, unless it runs and does so by itself. */
void session_keep(struct host *h, uint32_t uid);
/* Ends the account's processes, whose clients are told. */
void sessions_end(struct host *h, uint32_t uid);

/* holds.c: homes that are about to be exchanged. Handler; arg is the struct daemon. */
void host_home_hold(void *daemon, struct ipc_channel *from, const void *m, int *fds, size_t nfds);
/* A local-delivery came: it learns which homes are held. */
void holds_tell(struct host *h, struct ipc_channel *delivery);
/* accounts, which has them held, is gone. */
void holds_drop(struct host *h);

/* upkeep.c. Begins with all homes a while after the start. */
void upkeep_init(struct host *h);
/* Something happened to this account that may leave work: it is looked after an interval from now. Cheap, and harmless when noted already. */
void upkeep_want(struct host *h, uint32_t uid);

#endif
