/* SPDX-License-Identifier: ISC */
/* Confinement by the process' row. For the skeletons alone. */
#ifndef POSTRIDER_DAEMON_CONFINE_H
#define POSTRIDER_DAEMON_CONFINE_H

#include "base/err.h"
#include "daemon/processes.h"
#include "sys/priv.h"

#define CONFINE_SAME 0xffffffffu /* no uid to change to */
/* Processes and threads of one user, where it has one of its own: what is captured shall not take the host's last process number. */
#define CONFINE_PROCESSES 256

/* Becomes uid:gid with the row's capabilities. */
MUST_CHECK int confine_user(const struct process_row *row, uint32_t uid, uint32_t gid);
/* The uids and gids that a process with PRIV_SYS_SETID may become. */
struct confine_uids {
	uint32_t first, last;
};
/*
 * no-new-privileges, limits, Landlock to these paths, seccomp with the row's groups. What the kernel lacks is logged. uids may be NULL where
 * the row has no PRIV_SYS_SETID, and where there is no uid to change to.
 */
MUST_CHECK int confine_process(const struct process_row *row, const struct priv_path *paths, size_t n, const struct confine_uids *uids);

#endif
