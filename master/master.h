/* SPDX-License-Identifier: ISC */
/*
 * The supervisor's own header: its one context and what its files do for each other. master starts a child for each
 * instance of each row of lib/daemon/processes.c, gives each its link, hello, listeners and channels, and starts it again when it dies. From
 * a child it reads eight octets `ready`, nothing else.
 */
#ifndef POSTRIDER_MASTER_H
#define POSTRIDER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "daemon/processes.h"
#include "event/loop.h"
#include "tls/seal.h"

#define MASTER_CHILDREN 64
#define MASTER_LISTENERS 64

enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_READY, CHILD_STOPPING };

struct master;

struct child {
	struct master *m;
	const struct process_row *row;
	unsigned instance;
	enum child_state state;
	pid_t pid;
	int link;        /* our end; -1: none */
	bool greeted;
	struct io *io;
	int log_read, log_write; /* the pipe for its log lines lives longer than the child */
	uint32_t uid, gid;
	struct timer *timer;     /* until it is started again */
	uint64_t started;        /* ms, monotonic */
	uint64_t wait;           /* ms of back-off */
	unsigned restarts;
};

struct listener {
	char name[32];
	enum ipc_role role;
	int fd;
};

struct master {
	const char *file; /* of the configuration */
	struct conf *conf;
	const char *libexec;
	struct loop *loop;
	bool single_user;
	uint32_t control_gid;
	struct child children[MASTER_CHILDREN];
	size_t nchildren;
	struct listener listeners[MASTER_LISTENERS];
	size_t nlisteners;
	struct seal_key seals[8];
	int run_dir, pid_file, notify_fd;
	int exit_code;
	bool announced; /* that all are ready */
	unsigned phase; /* of stopping; 0: running */
	struct timer *phase_timer;
	struct later status;
	int log_read, log_write; /* the pipe for master's own lines */
	int users_fd; /* inotify of the directory of passwd(5); -1: none */
	struct io *users_io;
	unsigned reloads;
	char error[4096]; /* why the last reload was refused */
};

/* layout.c: directories with their owners, and the users that children become. Errors were logged. */
MUST_CHECK int layout_users(struct master *m);
MUST_CHECK int layout_directories(struct master *m);
uint32_t layout_control_group(const struct master *m);

/* listeners.c */
MUST_CHECK int listeners_open(struct master *m);
int listeners_send(struct child *c);
void listeners_remove(struct master *m);

/* child.c */
void children_make(struct master *m);
void child_start(struct child *c);
void child_exited(struct child *c, int status);
struct child *child_of_pid(struct master *m, pid_t pid);
/* Sends on the link; a child that does not take it is killed. */
void child_tell(struct child *c, enum ipc_kind kind, const void *msg, const int *fds, size_t nfds);
void child_stop(struct child *c, bool now);

/* channels.c: all pairs of a child that was just started with those that run. */
void channels_connect(struct child *c);
/* What the hello says of peers and seals. */
void channels_hello(const struct child *c, struct buf *peers, uint32_t *npeers, struct buf *seals, uint32_t *nseals);

/* status.c */
void status_changed(struct master *m);
void status_write(void *master);

/* users.c: who this host's users are, for smtpd-local. Begins to look when the file changes; where that cannot be, a reload tells. */
void users_watch(struct master *m);
/* Gives a child of that role the file as it is now; the others nothing. */
void users_send(struct child *c);

/* notify.c: the service manager's socket (sd_notify(3)'s protocol), where there is one. */
void notify_open(struct master *m);
void notify_tell(struct master *m, const char *state);

#endif
