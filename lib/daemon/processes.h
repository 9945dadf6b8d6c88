/* SPDX-License-Identifier: ISC */
/*
 * The processes: one const row each, the whole truth about a process (user, capabilities, directories, system calls, limits, listeners), and the
 * tables of channels and seals. master starts from it, the skeleton confines by it, the manual and the confinement test read it
 * (`postrider processes --json`).
 */
#ifndef POSTRIDER_DAEMON_PROCESSES_H
#define POSTRIDER_DAEMON_PROCESSES_H

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ipc/messages.h"

struct process_dir {
	const char *name;    /* for daemon_dir() */
	enum param_id path;  /* the parameter that holds the path */
	unsigned rights;     /* PRIV_READ … of sys/priv.h */
	bool optional;
};

struct process_row {
	enum ipc_role role;
	const char *name;      /* as people see it: "smtpd-mx" */
	const char *program;   /* below libexecdir */
	const char *user;      /* system user, NULL: master's */
	enum param_id count;   /* how many; PARAM_COUNT: one */
	uint64_t caps;         /* PRIV_CAP bits kept */
	unsigned sys;          /* PRIV_SYS_ groups */
	struct process_dir dirs[4];
	const char *listeners[6]; /* names of listeners: parameters `listen.NAME`, or "control" and "submit" sockets */
	uint64_t files;        /* limit of open files; 0: the hard limit */
	const char *text;      /* its job in one sentence, for the manual */
	bool later;            /* a place held for a process that is not built yet */
};
extern const struct process_row process_table[];
extern const size_t process_count;
const struct process_row *process_row(enum ipc_role role);

/* Who may talk to whom: master makes these pairs for all their instances and no other. The requester stands first. */
struct process_channel {
	enum ipc_role from, to;
};
extern const struct process_channel process_channels[];
extern const size_t process_channel_count;

struct process_seal {
	enum ipc_role issuer, consumer;
};
extern const struct process_seal process_seals[];
extern const size_t process_seal_count;

#endif
