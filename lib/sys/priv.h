/* SPDX-License-Identifier: ISC */
/*
 * Privileges: becoming a user, keeping few capabilities, and confinement (no-new-privileges, Landlock, seccomp,
 * resource limits). What the kernel lacks is reported to the caller, who logs it once; what exists and fails is an error.
 */
#ifndef POSTRIDER_SYS_PRIV_H
#define POSTRIDER_SYS_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Capabilities as bits, by their kernel numbers. */
#define PRIV_CAP(n) (UINT64_C(1) << (n))

/*
 * Becomes uid:gid for good, with these supplementary groups (none: ngroups 0), keeping exactly caps (permitted, effective,
 * inheritable, ambient, bounding); with caps 0 all are gone. As non-root only the capability part is done.
 */
MUST_CHECK int priv_become(uid_t uid, gid_t gid, const gid_t *groups, int ngroups, uint64_t caps);
/* Reduces the calling process to caps without changing the uid; ambient ones too when ambient is true. */
MUST_CHECK int priv_keep_caps(uint64_t caps, bool ambient);

/* Sets no-new-privileges, core limit 0, and non-dumpable when hide is true. */
MUST_CHECK int priv_no_new_privs(bool hide);
/*
 * Soft and hard limits: open files as near to the wish as the hard limit lets, octets of address space, processes of the
 * user; 0 leaves one as it is.
 */
MUST_CHECK int priv_limits(uint64_t files, uint64_t address_space, uint64_t processes);

/* Landlock. Rights that one path is given, with everything below it. */
enum {
	PRIV_READ = 1,   /* read files, list directories */
	PRIV_WRITE = 2,  /* write, create, remove, rename (and truncate) regular files and directories */
	PRIV_EXEC = 4,   /* execute (programs and libraries' mappings do not ask it; execve does) */
	PRIV_SOCKET = 8, /* make UNIX sockets */
};
struct priv_path {
	const char *path; /* or NULL: use fd */
	int fd;
	unsigned rights;
};
/*
 * Confines the process to these paths (none: no file system at all) and, where the ABI has it and deny_tcp is set, forbids TCP bind
 * and connect; abstract UNIX sockets of others too, where it has that. It holds for the calling thread and those that it starts later. *abi is the kernel's Landlock ABI, 0 when there is none (then nothing is confined and ERR_OK is given).
 */
MUST_CHECK int priv_landlock(const struct priv_path *paths, size_t n, bool deny_tcp, int *abi);

/* seccomp: groups of system calls that a role may use beyond the base (memory, time, read/write on held descriptors, epoll, futex, exit). */
enum {
	PRIV_SYS_FILES = 1 << 0,   /* open, stat, rename, unlink, mkdir, getdents, fsync … */
	PRIV_SYS_FLUSH = 1 << 1,   /* fsync, fdatasync, syncfs on held descriptors */
	PRIV_SYS_ACCEPT = 1 << 2,  /* accept4, getpeername, setsockopt … */
	PRIV_SYS_CONNECT = 1 << 3, /* socket, connect */
	PRIV_SYS_THREADS = 1 << 4, /* clone as a thread */
	PRIV_SYS_FORK = 1 << 5,    /* clone as a process, wait */
	PRIV_SYS_SETID = 1 << 6,   /* setresuid, setresgid, setgroups, capset, prctl, limited to uid_min..uid_max where those are set */
	PRIV_SYS_CONFINE = 1 << 7, /* landlock_*, seccomp: for processes whose children confine themselves further */
	PRIV_SYS_CHOWN = 1 << 8,   /* fchown, fchownat */
	PRIV_SYS_SOCKET = 1 << 9,  /* socketpair(AF_UNIX): one that is alone could send datagrams to any name */
	PRIV_SYS_EXEC = 1 << 10,   /* execve */
	PRIV_SYS_KILL = 1 << 11,   /* kill, tgkill to others */
};
/*
 * Unknown calls get ENOSYS; execve, ptrace, io_uring_* and signals to others kill the process (unless granted), and no memory
 * becomes executable unless PRIV_SYS_EXEC is granted: load libraries before. All threads are filtered. uid_min..uid_max bounds what PRIV_SYS_SETID may become, uids and
 * gids, and supplementary groups may then only be none (0,0: anything). ERR_UNSUPPORTED when the kernel has no seccomp filters.
 */
MUST_CHECK int priv_seccomp(unsigned groups, uid_t uid_min, uid_t uid_max);

#endif
