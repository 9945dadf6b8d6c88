/* SPDX-License-Identifier: ISC */
#include "sys/priv.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(int rc)
{
	return rc < 0 ? err_of_errno(errno) : ERR_OK;
}

static int control(int what, unsigned long a, unsigned long b)
{
	return prctl(what, a, b, 0UL, 0UL);
}

static int caps_get(struct __user_cap_data_struct sets[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &head, sets);
}

static int caps_set(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	for (int i = 0; i < 2; i++) {
		sets[i].permitted = sets[i].effective = (uint32_t)(permitted >> 32 * i);
		sets[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	return (int)syscall(SYS_capset, &head, sets);
}

static bool effective(unsigned cap)
{
	struct __user_cap_data_struct sets[2];

	return caps_get(sets) == 0 && sets[cap / 32].effective >> cap % 32 & 1;
}

/* The kernel may know more capabilities than the headers did: its EINVAL ends the row. */
static int drop_bounding(uint64_t caps)
{
	/* Who may not do it has nothing to lose either: what is not permitted comes only with execve of a set-uid file. */
	if (!effective(CAP_SETPCAP))
		return ERR_OK;
	for (unsigned cap = 0; cap < 64 && control(PR_CAPBSET_READ, cap, 0) >= 0; cap++)
		if (!(caps & PRIV_CAP(cap)) && control(PR_CAPBSET_DROP, cap, 0) < 0)
			return err_of_errno(errno);
	return ERR_OK;
}

static int raise_ambient(uint64_t caps)
{
	for (unsigned cap = 0; cap < 64; cap++)
		if (caps & PRIV_CAP(cap) && control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap) < 0)
			return err_of_errno(errno);
	return ERR_OK;
}

int priv_keep_caps(uint64_t caps, bool ambient)
{
	int err = drop_bounding(caps);

	if (!err)
		err = result(control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0));
	if (!err)
		err = result(caps_set(caps, ambient ? caps : 0));
	if (!err && ambient)
		err = raise_ambient(caps);
	return err;
}

static bool is_user(uid_t uid, gid_t gid)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	return getresuid(&ru, &eu, &su) == 0 && getresgid(&rg, &eg, &sg) == 0 && ru == uid && eu == uid && su == uid &&
	       rg == gid && eg == gid && sg == gid;
}

/* With caps to keep they must survive the change of uid, as permitted ones; priv_keep_caps makes them effective again. */
static int change_user(uid_t uid, gid_t gid, const gid_t *groups, int ngroups, bool keep)
{
	if (control(PR_SET_KEEPCAPS, keep, 0) < 0)
		return err_of_errno(errno);
	if (setgroups((size_t)ngroups, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_of_errno(errno);
	if (control(PR_SET_KEEPCAPS, 0, 0) < 0)
		return err_of_errno(errno);
	return is_user(uid, gid) ? ERR_OK : ERR_DENIED;
}

/* By the effective CAP_SETUID, not by uid 0: host is not root, and its children become what they serve. */
int priv_become(uid_t uid, gid_t gid, const gid_t *groups, int ngroups, uint64_t caps)
{
	int err = ERR_OK;

	if (ngroups < 0)
		return ERR_INVALID;
	if (geteuid() == 0 || effective(CAP_SETUID)) {
		/* While CAP_SETPCAP is still effective. */
		err = drop_bounding(caps);
		if (!err)
			err = change_user(uid, gid, groups, ngroups, caps != 0);
	}
	return err ? err : priv_keep_caps(caps, true);
}

int priv_no_new_privs(bool hide)
{
	if (control(PR_SET_NO_NEW_PRIVS, 1, 0) < 0)
		return err_of_errno(errno);
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0)
		return err_of_errno(errno);
#ifdef SANITIZERS /* who is hidden cannot look for its own leaks */
	hide = false;
#endif
	return hide ? result(control(PR_SET_DUMPABLE, 0, 0)) : ERR_OK;
}

static int limit_files(uint64_t files)
{
	struct rlimit now, wish = { files, files };

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return err_of_errno(errno);
	if (files <= now.rlim_max || setrlimit(RLIMIT_NOFILE, &wish) == 0)
		return result(setrlimit(RLIMIT_NOFILE, &wish));
	wish.rlim_cur = wish.rlim_max = now.rlim_max;
	return result(setrlimit(RLIMIT_NOFILE, &wish));
}

/* Never above the hard limit that is in force. */
static int limit(int what, uint64_t n)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return err_of_errno(errno);
	if (n > now.rlim_max)
		n = now.rlim_max;
	return result(setrlimit(what, &(struct rlimit){ n, n }));
}

int priv_limits(uint64_t files, uint64_t address_space, uint64_t processes)
{
	int err = files ? limit_files(files) : ERR_OK;

#ifdef SANITIZERS /* whose shadow memory takes terabytes of addresses */
	address_space = 0;
#endif
	if (!err && address_space)
		err = limit(RLIMIT_AS, address_space);
	if (!err && processes)
		err = limit(RLIMIT_NPROC, processes);
	return err;
}
