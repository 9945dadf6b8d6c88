/* SPDX-License-Identifier: ISC */
/* Files and directories copied and set aside, for snapshots and restores. Paths are never followed through symbolic links. */
#ifndef POSTRIDER_CONTROL_TREE_H
#define POSTRIDER_CONTROL_TREE_H

#include <sys/types.h>

#include "base/err.h"

/* The directory `name` in `to`, made with the mode, and as root the owner, of the directory from; *fd is the caller's. ERR_EXISTS. */
MUST_CHECK int tree_make_like(int from, int to, const char *name, int *fd);
/* A regular file with mode and, as root, owner. */
MUST_CHECK int tree_copy_file(int from, const char *name, int to);
/* Each regular file of a directory, by fn; those that have gone meanwhile are passed over. */
MUST_CHECK int tree_each(int from, int to, int (*fn)(int from, const char *name, int to));

/* Whose the copied files are: those of `account` (0: nobody) stay its own, all others get uid and gid. */
struct tree_owner {
	uid_t account, uid;
	gid_t gid;
};
/* All that is below from into the directory to; as root with owners. Nothing else but directories and regular files is taken. */
MUST_CHECK int tree_copy(int from, int to, const struct tree_owner *owner);
/* Removes a directory and all that is below it, following no symbolic link. What is missing is removed already. */
MUST_CHECK int tree_remove(int dirfd, const char *name);
/* Moves an entry of a directory into the directory `aside` in it, which is made where it is missing. What is missing is passed over. */
MUST_CHECK int tree_set_aside(int dirfd, const char *name, const char *aside);

#endif
