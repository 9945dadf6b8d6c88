/* SPDX-License-Identifier: ISC */
#include "sys/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/view.h"

/*
 * The calls by name, so that one that the library at hand does not know is skipped. Each row is allowed where one of its
 * groups is granted; BASE stands for every role. Calls whose arguments are asked stand in a table of their own.
 */
#define BASE 0U
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
	unsigned groups;
	const char *names; /* divided by blanks */
} allowed[] = {
	{ BASE, "brk munmap mremap madvise mincore membarrier mlock munlock" },
	{ BASE, "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile" },
	{ BASE, "sendmsg sendmmsg sendto recvmsg recvmmsg recvfrom shutdown" },
	{ BASE, "getsockopt setsockopt getsockname getpeername" },
	{ BASE, "close close_range dup dup2 dup3 fcntl fstat ftruncate fallocate fadvise64 pipe2 memfd_create" },
	{ BASE, "epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 eventfd2" },
	{ BASE, "timerfd_create timerfd_settime timerfd_gettime signalfd4" },
	{ BASE, "futex futex_waitv rseq set_robust_list get_robust_list sched_yield sched_getaffinity getcpu" },
	{ BASE, "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getitimer setitimer alarm" },
	{ BASE, "getrandom getrusage getrlimit uname sysinfo" },
	{ BASE, "getpid getppid gettid getpgrp getuid geteuid getgid getegid getresuid getresgid getgroups capget" },
	{ BASE, "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause" },
	{ BASE, "exit exit_group restart_syscall" },
	{ PRIV_SYS_FILES, "open openat openat2 creat access faccessat faccessat2 readlink readlinkat" },
	{ PRIV_SYS_FILES, "stat lstat newfstatat statx statfs fstatfs getdents64 getcwd chdir fchdir" },
	{ PRIV_SYS_FILES, "rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link linkat symlink symlinkat" },
	{ PRIV_SYS_FILES, "chmod fchmod fchmodat truncate utimensat utime utimes umask flock copy_file_range splice" },
	{ PRIV_SYS_FILES, "inotify_init1 inotify_add_watch inotify_rm_watch fgetxattr fsetxattr" },
	{ PRIV_SYS_FILES | PRIV_SYS_FLUSH, "fsync fdatasync syncfs sync_file_range msync" },
	{ PRIV_SYS_ACCEPT, "accept accept4 listen" },
	{ PRIV_SYS_CONNECT, "connect bind" },
	{ PRIV_SYS_FORK, "fork vfork wait4 waitid pidfd_open tgkill setsid setpgid" },
	{ PRIV_SYS_SETID, "capset setgroups setresuid setresgid prctl" },
	{ PRIV_SYS_CONFINE, "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp prctl" },
	{ PRIV_SYS_CONFINE, "prlimit64 setrlimit" },
	{ PRIV_SYS_CHOWN, "fchown fchownat" },
	{ PRIV_SYS_EXEC, "execve arch_prctl set_tid_address mmap mprotect prlimit64" },
	{ PRIV_SYS_KILL, "kill tgkill tkill pidfd_open pidfd_send_signal" },
};

/*
 * No role has a use for these, and who tries them is no longer ours. execve and signals are granted by some roles; a name
 * that is allowed above is passed over.
 */
static const char fatal[] =
	"execve execveat ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp "
	"io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd "
	"kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct "
	"mount umount2 pivot_root chroot move_mount fsopen fsmount open_tree setns unshare "
	"keyctl add_key request_key open_by_handle_at iopl ioperm modify_ldt settimeofday clock_settime "
	"tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal";

/* Calls that are allowed, where the group is granted, only with an argument that is, under the mask, the value. */
static const struct {
	unsigned groups;
	const char *name;
	unsigned arg;
	uint64_t mask, value;
} limited[] = {
	/* Nothing may become code: no library is loaded after confinement. */
	{ BASE, "mmap", 2, PROT_EXEC, 0 },
	{ BASE, "mprotect", 2, PROT_EXEC, 0 },
	{ BASE, "pkey_mprotect", 2, PROT_EXEC, 0 },
	/* What fstat has become: a descriptor and no name. The flag does not forbid a name, but nothing is opened by it. */
	{ BASE, "newfstatat", 3, AT_EMPTY_PATH, AT_EMPTY_PATH },
	{ BASE, "statx", 2, AT_EMPTY_PATH, AT_EMPTY_PATH },
	{ BASE, "ioctl", 1, UINT32_MAX, FIONREAD },
	{ BASE, "ioctl", 1, UINT32_MAX, FIONBIO },
	{ BASE, "ioctl", 1, UINT32_MAX, TCGETS },
	/* Reads limits: there is no new one. */
	{ BASE, "prlimit64", 2, UINT64_MAX, 0 },
	{ BASE, "prctl", 0, UINT32_MAX, PR_SET_NAME },
	{ BASE, "prctl", 0, UINT32_MAX, PR_GET_NAME },
	{ BASE, "prctl", 0, UINT32_MAX, PR_GET_DUMPABLE },
	{ BASE, "prctl", 0, UINT32_MAX, PR_SET_PDEATHSIG },
	{ BASE, "prctl", 0, UINT32_MAX, 0x53564d41 /* PR_SET_VMA: malloc names its heaps */ },
	{ PRIV_SYS_THREADS, "clone", 0, CLONE_THREAD, CLONE_THREAD },
	{ PRIV_SYS_FORK, "clone", 0,
		CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, 0 },
	{ PRIV_SYS_CONNECT, "socket", 0, UINT32_MAX, AF_INET },
	{ PRIV_SYS_CONNECT, "socket", 0, UINT32_MAX, AF_INET6 },
	{ PRIV_SYS_SOCKET, "socketpair", 0, UINT32_MAX, AF_UNIX },
};

#ifdef SANITIZERS
/* The sanitizers read /proc, map code and stop their own threads by ptrace when they look for leaks. */
static const char for_sanitizers[] =
	"open openat readlink readlinkat getdents getdents64 access newfstatat stat lstat statx mmap mprotect prctl prlimit64 clone "
	"ptrace process_vm_readv wait4 kill tgkill personality arch_prctl sched_getscheduler sched_setaffinity unlink ioctl setrlimit";
#endif

static bool granted(unsigned row, unsigned groups)
{
	return row == BASE || row & groups;
}

static bool lists(const char *names, struct view name)
{
	struct view rest = view_of(names), word;

	while (view_word(&rest, &word))
		if (view_eq(word, name))
			return true;
	return false;
}

static bool is_allowed(struct view name, unsigned groups)
{
#ifdef SANITIZERS
	if (lists(for_sanitizers, name))
		return true;
#endif
	for (size_t i = 0; i < COUNT(allowed); i++)
		if (granted(allowed[i].groups, groups) && lists(allowed[i].names, name))
			return true;
	return false;
}

/* The number of a call, or __NR_SCMP_ERROR where the library has none. */
static int number_of(struct view name)
{
	static const struct {
		const char *name;
		int number;
	} young[] = { /* the same on every machine */
		{ "landlock_create_ruleset", 444 }, { "landlock_add_rule", 445 }, { "landlock_restrict_self", 446 } };
	char text[40] = "";

	if (name.n >= sizeof text)
		return __NR_SCMP_ERROR;
	memcpy(text, name.p, name.n);
	int number = seccomp_syscall_resolve_name(text);
	for (size_t i = 0; i < COUNT(young) && number == __NR_SCMP_ERROR; i++)
		if (strcmp(young[i].name, text) == 0)
			number = young[i].number;
	return number;
}

/* What the machine has no such call for, or what stands already in the same or a wider form, is no error. */
static int add(scmp_filter_ctx ctx, uint32_t action, struct view name, unsigned n, const struct scmp_arg_cmp *cmp)
{
	int number = number_of(name);
	int rc = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(ctx, action, number, n, cmp);

	return rc == -EEXIST || rc == -EDOM ? 0 : rc;
}

static int add_allowed(scmp_filter_ctx ctx, const char *names)
{
	struct view rest = view_of(names), name;
	int rc = 0;

	while (!rc && view_word(&rest, &name))
		rc = add(ctx, SCMP_ACT_ALLOW, name, 0, NULL);
	return rc;
}

static int add_fatal(scmp_filter_ctx ctx, unsigned groups)
{
	struct view rest = view_of(fatal), name;
	int rc = 0;

	while (!rc && view_word(&rest, &name))
		if (!is_allowed(name, groups))
			rc = add(ctx, SCMP_ACT_KILL_PROCESS, name, 0, NULL);
	return rc;
}

static int add_limited(scmp_filter_ctx ctx, unsigned groups)
{
	int rc = 0;

	for (size_t i = 0; i < COUNT(limited) && !rc; i++) {
		struct scmp_arg_cmp cmp = SCMP_CMP64(limited[i].arg, SCMP_CMP_MASKED_EQ, limited[i].mask, limited[i].value);
		struct view name = view_of(limited[i].name);
		if (granted(limited[i].groups, groups) && !is_allowed(name, groups))
			rc = add(ctx, SCMP_ACT_ALLOW, name, 1, &cmp);
	}
	return rc;
}

static struct scmp_arg_cmp compare(unsigned arg, enum scmp_compare how, uint64_t with)
{
	return (struct scmp_arg_cmp){ .arg = arg, .op = how, .datum_a = with };
}

/* abort and raise signal the process itself; another one is nobody's business. */
static int add_signals(scmp_filter_ctx ctx, unsigned groups)
{
	static const char *const names[] = { "kill", "tgkill" };
	struct scmp_arg_cmp self = compare(0, SCMP_CMP_EQ, (uint32_t)getpid());
	struct scmp_arg_cmp other = compare(0, SCMP_CMP_NE, (uint32_t)getpid());
	int rc = 0;

	for (size_t i = 0; i < COUNT(names) && !rc; i++) {
		if (is_allowed(view_of(names[i]), groups))
			continue;
		rc = add(ctx, SCMP_ACT_ALLOW, view_of(names[i]), 1, &self);
		if (!rc)
			rc = add(ctx, SCMP_ACT_KILL_PROCESS, view_of(names[i]), 1, &other);
	}
	return rc;
}

static int add_all(scmp_filter_ctx ctx, unsigned groups)
{
	int rc = 0;

#ifdef SANITIZERS
	rc = add_allowed(ctx, for_sanitizers);
#endif
	for (size_t i = 0; i < COUNT(allowed) && !rc; i++)
		if (granted(allowed[i].groups, groups))
			rc = add_allowed(ctx, allowed[i].names);
	if (!rc)
		rc = add_limited(ctx, groups);
	if (!rc)
		rc = add_signals(ctx, groups);
	return rc ? rc : add_fatal(ctx, groups);
}

/*
 * A filter of its own, which lets everything else through: of several filters the kernel heeds the strictest, and one
 * rule can ask an argument only once. Supplementary groups cannot be looked at, so there may be none.
 */
static int add_bounds(scmp_filter_ctx ctx, uint32_t least, uint32_t most)
{
	static const char *const names[] = { "setresuid", "setresgid" };
	struct scmp_arg_cmp some = compare(0, SCMP_CMP_NE, 0);
	int rc = add(ctx, SCMP_ACT_KILL_PROCESS, VIEW("setgroups"), 1, &some);

	for (size_t i = 0; i < COUNT(names); i++) {
		for (unsigned arg = 0; arg < 3 && !rc; arg++) {
			struct scmp_arg_cmp below = compare(arg, SCMP_CMP_LT, least);
			struct scmp_arg_cmp above = compare(arg, SCMP_CMP_GT, most);
			rc = add(ctx, SCMP_ACT_KILL_PROCESS, view_of(names[i]), 1, &below);
			if (!rc)
				rc = add(ctx, SCMP_ACT_KILL_PROCESS, view_of(names[i]), 1, &above);
		}
	}
	return rc;
}

static scmp_filter_ctx filter_new(uint32_t otherwise)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);

	if (!ctx)
		return NULL;
	/* All threads; another machine's calls (i386, x32) end the process; a tree rather than a row (where known). */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) < 0 ||
		seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0) {
		seccomp_release(ctx);
		return NULL;
	}
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return ctx;
}

static int finish(scmp_filter_ctx ctx, int rc)
{
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc < 0 ? err_of_errno(-rc) : ERR_OK;
}

static int load_bounds(uid_t uid_min, uid_t uid_max)
{
	scmp_filter_ctx ctx = filter_new(SCMP_ACT_ALLOW);

	return ctx ? finish(ctx, add_bounds(ctx, uid_min, uid_max)) : ERR_LIMIT;
}

int priv_seccomp(unsigned groups, uid_t uid_min, uid_t uid_max)
{
	const uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;
	int err = ERR_OK;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) < 0)
		return ERR_UNSUPPORTED;
	if (groups & PRIV_SYS_SETID && (uid_min || uid_max))
		err = load_bounds(uid_min, uid_max);
	if (err)
		return err;
	scmp_filter_ctx ctx = filter_new(SCMP_ACT_ERRNO(ENOSYS));
	return ctx ? finish(ctx, add_all(ctx, groups)) : ERR_LIMIT;
}
