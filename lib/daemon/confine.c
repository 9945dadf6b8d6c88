/* SPDX-License-Identifier: ISC */
#include "daemon/confine.h"

#include <unistd.h>

#include "log/log.h"

#define FILES_MAX (1u << 20) /* or the hard limit: the soft one is often 1024, for programs that use select(2) */

int confine_user(const struct process_row *row, uint32_t uid, uint32_t gid)
{
	int err = uid == CONFINE_SAME ? ERR_OK : priv_become(uid, gid, NULL, 0, row->caps);
	if (err != ERR_OK)
		log_error("cannot_change_user", LU("uid", uid), LU("gid", gid), LERR("error", err));
	return err;
}

static int landlock(const struct process_row *row, const struct priv_path *paths, size_t n)
{
	int abi = 0;
	/* An image's forks confine themselves to a home each: what the image may not reach, they could not either. */
	if (row->sys & PRIV_SYS_CONFINE)
		return ERR_OK;
	int err = priv_landlock(paths, n, !(row->sys & PRIV_SYS_CONNECT), &abi);
	if (err == ERR_OK && abi == 0)
		log_warn("confinement_lacking", LS("what", "landlock"), LS("why", "this kernel has none"));
	return err;
}

int confine_process(const struct process_row *row, const struct priv_path *paths, size_t n, const struct confine_uids *uids)
{
	const char *what = "limits";
	int err = priv_no_new_privs(true);
	if (err == ERR_OK)
		err = priv_limits(row->files != 0 ? row->files : FILES_MAX, 0, 0);
	if (err == ERR_OK) {
		what = "landlock";
		err = landlock(row, paths, n);
	}
	if (err == ERR_OK) {
		what = "seccomp";
		err = priv_seccomp(row->sys, uids != NULL ? uids->first : 0, uids != NULL ? uids->last : 0);
		if (err == ERR_UNSUPPORTED) {
			log_warn("confinement_lacking", LS("what", what), LS("why", "this kernel has none"));
			err = ERR_OK;
		}
	}
	if (err != ERR_OK)
		log_error("confinement_failed", LS("what", what), LERR("error", err));
	return err;
}
