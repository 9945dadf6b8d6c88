/* SPDX-License-Identifier: ISC */
#include "sys/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/file.h"

/* The kernel's interface, written out: the headers of the build may be older than the kernel that we meet. */
enum { CALL_CREATE = 444, CALL_ADD = 445, CALL_RESTRICT = 446, ASK_ABI = 1, PATH_BENEATH = 1 };

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	/* What a rule for something that is no directory may hold. */
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	NET_TCP = 3,        /* bind and connect */
	SCOPE_ABSTRACT = 1, /* abstract UNIX sockets of processes that are not confined as we are */
};

struct ruleset {
	uint64_t fs, net, scoped;
};

struct beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* What each version of the kernel's interface added, and how long its struct is. */
static const struct {
	int abi;
	size_t size;
	uint64_t fs, net, scoped;
} versions[] = {
	{ 1, 8, FS_REFER - 1, 0, 0 },
	{ 2, 8, FS_REFER, 0, 0 },
	{ 3, 8, FS_TRUNCATE, 0, 0 },
	{ 4, 16, 0, NET_TCP, 0 },
	{ 5, 16, FS_IOCTL_DEV, 0, 0 },
	{ 6, 24, 0, 0, SCOPE_ABSTRACT },
};

static size_t handled(int abi, bool deny_tcp, struct ruleset *r)
{
	size_t size = 0;

	*r = (struct ruleset){ 0 };
	for (size_t i = 0; i < sizeof versions / sizeof versions[0] && versions[i].abi <= abi; i++) {
		r->fs |= versions[i].fs;
		r->net |= deny_tcp ? versions[i].net : 0;
		r->scoped |= versions[i].scoped;
		size = versions[i].size;
	}
	return size;
}

static uint64_t rights_of(unsigned rights)
{
	static const struct {
		unsigned right;
		uint64_t fs;
	} rows[] = {
		{ PRIV_READ, FS_READ_FILE | FS_READ_DIR },
		{ PRIV_WRITE, FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE },
		{ PRIV_EXEC, FS_EXECUTE | FS_READ_FILE },
		{ PRIV_SOCKET, FS_MAKE_SOCK | FS_REMOVE_FILE },
	};
	uint64_t fs = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		fs |= rights & rows[i].right ? rows[i].fs : 0;
	return fs;
}

static int add_rule(int ruleset, int fd, uint64_t fs)
{
	struct beneath b = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_of_errno(errno);
	b.allowed = S_ISDIR(st.st_mode) ? fs : fs & FS_OF_FILES;
	/* A rule that allows nothing is refused by the kernel, and says nothing. */
	if (b.allowed == 0)
		return ERR_OK;
	return syscall(CALL_ADD, ruleset, PATH_BENEATH, &b, 0U) < 0 ? err_of_errno(errno) : ERR_OK;
}

static int allow(int ruleset, const struct priv_path *p, uint64_t known)
{
	uint64_t fs = rights_of(p->rights) & known;

	if (!p->path)
		return add_rule(ruleset, p->fd, fs);
	int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_of_errno(errno);
	int err = add_rule(ruleset, fd, fs);
	fd_close(&fd);
	return err;
}

static int restrict_to(int ruleset, const struct priv_path *paths, size_t n, uint64_t known)
{
	int err = ERR_OK;

	for (size_t i = 0; i < n && !err; i++)
		err = allow(ruleset, &paths[i], known);
#ifdef SANITIZERS /* they read their own maps when they report */
	if (!err)
		err = allow(ruleset, &(struct priv_path){ .path = "/proc", .rights = PRIV_READ }, known);
#endif
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
		err = err_of_errno(errno);
	if (!err && syscall(CALL_RESTRICT, ruleset, 0U) < 0)
		err = err_of_errno(errno);
	return err;
}

int priv_landlock(const struct priv_path *paths, size_t n, bool deny_tcp, int *abi)
{
	struct ruleset r;
	long version = syscall(CALL_CREATE, NULL, (size_t)0, ASK_ABI);

	*abi = version < 0 ? 0 : (int)version;
	/* Not built in, or not switched on. */
	if (version < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? ERR_OK : err_of_errno(errno);
	size_t size = handled(*abi, deny_tcp, &r);
	int fd = (int)syscall(CALL_CREATE, &r, size, 0U);
	if (fd < 0)
		return err_of_errno(errno);
	int err = restrict_to(fd, paths, n, r.fs);
	fd_close(&fd);
	return err;
}
