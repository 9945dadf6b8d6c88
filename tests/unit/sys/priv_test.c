/* SPDX-License-Identifier: ISC */
#include "sys/priv.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"

enum { SOME_UID = 54321, SOME_GID = 54322 };

/* A line of /proc/self/status as a number. */
static uint64_t status_line(const char *name)
{
	char line[256];
	unsigned long long u = UINT64_MAX;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ": %llx", &u);
	if (f)
		fclose(f);
	return u;
}

static bool all_sets_are(uint64_t caps)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };

	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		if (status_line(sets[i]) != caps)
			return false;
	return true;
}

static bool is_some_user(void)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == SOME_UID && e == SOME_UID && s == SOME_UID &&
	       rg == SOME_GID && eg == SOME_GID && sg == SOME_GID;
}

static int loses_all(void)
{
	NEED(priv_become(SOME_UID, SOME_GID, NULL, 0, 0) == ERR_OK);
	NEED(is_some_user() && getgroups(0, NULL) == 0);
	NEED(all_sets_are(0));
	NEED(setuid(0) < 0 && setgid(0) < 0 && setgroups(0, NULL) < 0);
	NEED(open("/etc/shadow", O_RDONLY) < 0);
	return 0;
}

static int keeps_some(void)
{
	const uint64_t caps = PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_SETGID) | PRIV_CAP(CAP_CHOWN);
	const gid_t groups[] = { 7, 8 };
	gid_t got[3];

	NEED(priv_become(SOME_UID, SOME_GID, groups, 2, caps) == ERR_OK);
	NEED(is_some_user() && all_sets_are(caps));
	NEED(getgroups(3, got) == 2 && got[0] == 7 && got[1] == 8);
	NEED(prctl(PR_GET_KEEPCAPS) == 0);
	/* It works, and goes: a child of host becomes the user whom it serves. */
	NEED(priv_become(SOME_UID + 1, SOME_GID, NULL, 0, 0) == ERR_OK);
	NEED(getuid() == SOME_UID + 1 && getgroups(0, NULL) == 0);
	NEED(status_line("CapPrm") == 0 && status_line("CapEff") == 0 && status_line("CapAmb") == 0 && status_line("CapInh") == 0);
	NEED(setuid(SOME_UID) < 0);
	return 0;
}

static int reduces_root(void)
{
	const uint64_t caps = PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_KILL);

	NEED(priv_keep_caps(caps, false) == ERR_OK);
	NEED(getuid() == 0);
	NEED(status_line("CapPrm") == caps && status_line("CapEff") == caps && status_line("CapBnd") == caps);
	NEED(status_line("CapAmb") == 0 && status_line("CapInh") == 0);
	/* What is gone cannot be had again. */
	NEED(priv_keep_caps(caps | PRIV_CAP(CAP_CHOWN), false) == ERR_DENIED);
	return 0;
}

static int as_non_root(void)
{
	NEED(setresgid(SOME_GID, SOME_GID, SOME_GID) == 0 && setresuid(SOME_UID, SOME_UID, SOME_UID) == 0);
	NEED(priv_become(1, 1, NULL, 0, 0) == ERR_OK);
	NEED(getuid() == SOME_UID);
	NEED(priv_keep_caps(PRIV_CAP(CAP_CHOWN), false) == ERR_DENIED);
	NEED(priv_become(1, 1, NULL, -1, 0) == ERR_INVALID);
	return 0;
}

static int no_new_privs(void)
{
	struct rlimit core;

	NEED(priv_no_new_privs(false) == ERR_OK);
	NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 1);
	NEED(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	NEED(priv_no_new_privs(true) == ERR_OK);
#ifndef SANITIZERS
	NEED(prctl(PR_GET_DUMPABLE) == 0);
#endif
	return 0;
}

static int limits(void)
{
	struct rlimit r;

	NEED(priv_limits(100, 0, 50) == ERR_OK);
	NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == 100 && r.rlim_max == 100);
	NEED(getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur == 50);
	NEED(geteuid() != 0 || priv_keep_caps(0, false) == ERR_OK);
	/* More than the hard limit: as near as it lets. */
	NEED(priv_limits(1000, 0, 0) == ERR_OK);
	NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == 100);
#ifndef SANITIZERS
	NEED(priv_limits(0, UINT64_C(1) << 32, 0) == ERR_OK);
	NEED(getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur == UINT64_C(1) << 32);
#endif
	return 0;
}

static void privileges(void **state)
{
	(void)state;
	assert_child_ok(no_new_privs);
	assert_child_ok(limits);
	if (geteuid() != 0)
		skip();
	assert_child_ok(loses_all);
	assert_child_ok(keeps_some);
	assert_child_ok(reduces_root);
	assert_child_ok(as_non_root);
}

static char place[] = "/tmp/postrider-priv-XXXXXX";

static bool can(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", place, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool can_make_socket(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", place, name);
	return mknod(path, S_IFSOCK | 0600, 0) == 0;
}

static int paths_only(void)
{
	char from[128], to[128], write_dir[128];
	int abi, read_dir = open(place, O_PATH | O_CLOEXEC);

	snprintf(write_dir, sizeof write_dir, "%s/w", place);
	const struct priv_path paths[] = { { .fd = read_dir, .rights = PRIV_READ }, { .path = write_dir, .rights = PRIV_WRITE },
		/* A file's rule holds no rights of directories. */
		{ .path = "/etc/hostname", .rights = PRIV_READ | PRIV_WRITE | PRIV_SOCKET } };
	NEED(priv_landlock(paths, 3, false, &abi) == ERR_OK);
	if (abi == 0)
		return 0;
	NEED(can("f", O_RDONLY) && !can("f", O_WRONLY) && !can("new", O_WRONLY | O_CREAT));
	NEED(can("w/f", O_RDWR) && can("w/new", O_WRONLY | O_CREAT));
	NEED(abi < 3 || (can("w/f", O_WRONLY | O_TRUNC) && truncate("/etc/passwd", 1 << 20) < 0));
	NEED(!can("w/../../../etc/passwd", O_RDONLY) && !can_make_socket("w/s"));
	snprintf(from, sizeof from, "%s/w/new", place);
	snprintf(to, sizeof to, "%s/w/d/new", place);
	NEED(abi < 2 || rename(from, to) == 0);
	NEED(open("/etc/hostname", O_RDONLY) >= 0 || access("/etc/hostname", F_OK) < 0);
	NEED(open("/", O_RDONLY | O_DIRECTORY) < 0);
	return 0;
}

static int no_path(void)
{
	int abi, held = open(place, O_RDONLY | O_CLOEXEC);

	NEED(priv_landlock(NULL, 0, true, &abi) == ERR_OK);
	if (abi == 0)
		return 0;
	NEED(!can("f", O_RDONLY) && openat(held, "f", O_RDONLY) < 0);
#ifndef SANITIZERS
	NEED(open("/proc/self/status", O_RDONLY) < 0);
#endif
	return 0;
}

static int sockets(void)
{
	char dir[128];
	int abi;

	snprintf(dir, sizeof dir, "%s/w", place);
	NEED(priv_landlock(&(struct priv_path){ .path = dir, .rights = PRIV_SOCKET }, 1, false, &abi) == ERR_OK);
	NEED(abi == 0 || (can_make_socket("w/socket") && !can("w/file", O_WRONLY | O_CREAT)));
	return 0;
}

static int missing_path(void)
{
	int abi;
	int err = priv_landlock(&(struct priv_path){ .path = "/nonexistent/x", .rights = PRIV_READ }, 1, false, &abi);

	NEED(abi == 0 ? err == ERR_OK : err == ERR_NOT_FOUND);
	return 0;
}

static void landlock(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(place));
	assert_true(can("f", O_CREAT | O_RDWR));
	snprintf(path, sizeof path, "%s/w", place);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/w/d", place);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(can("w/f", O_CREAT | O_RDWR));
	assert_child_ok(paths_only);
	assert_child_ok(no_path);
	assert_child_ok(sockets);
	assert_child_ok(missing_path);
	static const char *const left[] = { "f", "w/f", "w/new", "w/d/new", "w/socket" };
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", place, left[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/w/d", place);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof path, "%s/w", place);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(place), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges),
		cmocka_unit_test(landlock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
