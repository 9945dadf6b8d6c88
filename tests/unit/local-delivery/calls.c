/* SPDX-License-Identifier: ISC */
#include "tests/unit/local-delivery/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"

#define FDS 4096

static struct {
	struct disk *disk;
	const struct calls *hooks;
	struct map64 *nodes;   /* inode → node */
	struct map64 *inodes;  /* node → the inode that it had first, for a directory */
	struct map64 *left;    /* inode of what was left → that of what it comes from */
	bool off;
	unsigned who, owner[FDS], told[FDS], told_all[FDS]; /* told: of failed flushes (disk_flush) */
} calls;

/* ---- the kernel's own ---- */

int __real_openat(int dirfd, const char *name, int flags, ...);
int __real_dup(int fd);
int __real_close(int fd);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t at);
int __real_ftruncate(int fd, off_t size);
int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __real_renameat(int from, const char *name, int todir, const char *to);
int __real_unlinkat(int dirfd, const char *name, int flags);
int __real_mkdirat(int dirfd, const char *name, mode_t mode);
int __real_fstatat(int dirfd, const char *name, struct stat *st, int flags);

/* What is wrapped: the linker calls these. */
int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __wrap___openat_2(int dirfd, const char *name, int flags);
int __wrap_dup(int fd);
int __wrap_close(int fd);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
int __wrap_renameat(int from, const char *name, int todir, const char *to);
int __wrap_renameat2(int from, const char *name, int todir, const char *to, unsigned flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_mkdirat(int dirfd, const char *name, mode_t mode);
int __wrap_linkat(int from, const char *name, int todir, const char *to, int flags);
int __wrap_fstatat(int dirfd, const char *name, struct stat *st, int flags);

/* ---- which node ---- */

static void know(int fd, struct disk_node *o)
{
	struct stat st;

	INVARIANT(fstat(fd, &st) == 0);
	(void)map64_set(calls.nodes, st.st_ino, o);
	(void)map64_set(calls.inodes, (uint64_t)(uintptr_t)o, (void *)(uintptr_t)st.st_ino);
}

static void forget_maps(void)
{
	map64_free(calls.nodes);
	map64_free(calls.inodes);
	map64_free(calls.left);
	calls.nodes = calls.inodes = calls.left = NULL;
}

void calls_follow(struct disk *d, int dirfd, const struct calls *hooks)
{
	if (calls.disk != NULL)
		forget_maps();
	calls.disk = d;
	calls.hooks = hooks;
	calls.off = false;
	if (d == NULL)
		return;
	calls.nodes = map64_new();
	calls.inodes = map64_new();
	calls.left = map64_new();
	know(dirfd, disk_root(d));
}

void calls_off(bool off) { calls.off = off; }

static struct disk_node *node_of(int fd)
{
	struct stat st;

	if (calls.disk == NULL || calls.off || fstat(fd, &st) != 0)
		return NULL;
	return map64_get(calls.nodes, st.st_ino);
}

/* The directory in which the last part of name stands, and that part. */
static struct disk_node *dir_of(int dirfd, const char *name, const char **last)
{
	const char *slash = strrchr(name, '/');
	char head[128];
	int fd;

	*last = slash != NULL ? slash + 1 : name;
	if (calls.disk == NULL || calls.off || slash == NULL)
		return node_of(dirfd);
	INVARIANT((size_t)(slash - name) < sizeof(head));
	memcpy(head, name, (size_t)(slash - name));
	head[slash - name] = '\0';
	fd = __real_openat(dirfd, head, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct disk_node *o = node_of(fd);
	(void)__real_close(fd);
	return o;
}

/* 0 or -1 with errno, as a system call. */
static int before(struct seam_call *c)
{
	int e = calls.hooks->before(calls.hooks->arg, c);

	if (e == 0)
		return 0;
	errno = e;
	return -1;
}

static void after(void)
{
	int e = errno;

	calls.hooks->after(calls.hooks->arg);
	errno = e;
}

/* ---- descriptors ---- */

unsigned calls_work_for(unsigned who)
{
	unsigned was = calls.who;

	calls.who = who;
	return was;
}

static int own(int fd)
{
	if (fd >= 0 && fd < FDS)
		calls.owner[fd] = calls.who;
	return fd;
}

static int opened(int fd)
{
	const struct disk_node *o = fd >= 0 ? node_of(fd) : NULL;

	if (fd >= 0 && fd < FDS)
		calls.told[fd] = o != NULL ? disk_told(o) : 0;
	if (fd >= 0 && fd < FDS && calls.disk != NULL)
		calls.told_all[fd] = disk_told_all(calls.disk);
	return own(fd);
}

int __wrap_close(int fd)
{
	if (fd >= 0 && fd < FDS)
		calls.owner[fd] = 0;
	return __real_close(fd);
}

void calls_close_all_of(unsigned who)
{
	for (int fd = 0; fd < FDS; fd++)
		if (calls.owner[fd] == who)
			(void)__wrap_close(fd);
}

/* One description: what either is told of, both should be; nobody here flushes by both. */
int __wrap_dup(int fd)
{
	int copy = own(__real_dup(fd));

	if (copy >= 0 && copy < FDS && fd < FDS) {
		calls.told[copy] = calls.told[fd];
		calls.told_all[copy] = calls.told_all[fd];
	}
	return copy;
}

static int create(struct disk_node *dir, const char *last, int dirfd, const char *name, int flags, mode_t mode)
{
	struct seam_call c = { .op = SEAM_CREATE, .name = last };
	int fd;

	if (before(&c) != 0)
		return -1;
	fd = opened(__real_openat(dirfd, name, flags, mode));
	if (fd >= 0)
		know(fd, disk_create(calls.disk, dir, last, false));
	after();
	return fd;
}

int __wrap_openat(int dirfd, const char *name, int flags, ...)
{
	const char *last;
	va_list ap;

	if ((flags & O_CREAT) == 0)
		return opened(__real_openat(dirfd, name, flags));
	va_start(ap, flags);
	mode_t mode = va_arg(ap, mode_t);
	va_end(ap);
	struct disk_node *dir = dir_of(dirfd, name, &last);
	if (dir == NULL || disk_find(dir, last) != NULL)
		return opened(__real_openat(dirfd, name, flags, mode));
	return create(dir, last, dirfd, name, flags, mode);
}

/* What a hardened glibc makes of an openat that makes nothing. */
int __wrap___openat_2(int dirfd, const char *name, int flags) { return opened(__real_openat(dirfd, name, flags)); }

/* ---- octets ---- */

/* The first n octets of them: iov is cut. */
static int head_of(struct iovec *to, const struct iovec *iov, int n, size_t octets)
{
	int k = 0;

	for (; k < n && octets > 0; k++) {
		to[k] = iov[k];
		if (to[k].iov_len > octets)
			to[k].iov_len = octets;
		octets -= to[k].iov_len;
	}
	return k;
}

/* Octets over others within a sector: no kernel writes some of them. */
static bool is_whole(int fd, off_t at, size_t n)
{
	struct stat st;

	return n > 0 && fstat(fd, &st) == 0 && at + (off_t)n <= st.st_size && at / 512 == (at + (off_t)n - 1) / 512;
}

static ssize_t put(struct disk_node *o, int fd, const struct iovec *iov, int n, off_t at)
{
	struct seam_call c = { .op = SEAM_WRITE, .at = (uint64_t)at, .iov = iov, .iovs = n };
	ssize_t k = -1;

	for (int i = 0; i < n; i++)
		c.n += iov[i].iov_len;
	size_t whole = is_whole(fd, at, c.n) ? c.n : 0;
	if (before(&c) == 0) {
		c.n = whole > 0 ? whole : c.n;
		struct iovec *head = mem_array((size_t)n + 1, sizeof(*head));

		k = __real_pwritev(fd, head, head_of(head, iov, n, c.n), at);
		free(head);
		if (k > 0)
			disk_write(o, iov, n, c.at, (size_t)k);
		after();
	}
	return k;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	struct disk_node *o = node_of(fd);

	return o == NULL ? __real_pwritev(fd, iov, n, at) : put(o, fd, iov, n, at);
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };

	return __wrap_pwritev(fd, &iov, 1, at);
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct disk_node *o = node_of(fd);
	ssize_t k;

	if (o == NULL)
		return __real_write(fd, p, n);
	k = put(o, fd, &iov, 1, lseek(fd, 0, SEEK_CUR));
	if (k > 0)
		INVARIANT(lseek(fd, k, SEEK_CUR) >= 0);
	return k;
}

int __wrap_ftruncate(int fd, off_t size)
{
	struct disk_node *o = node_of(fd);
	struct seam_call c = { .op = SEAM_TRUNCATE, .at = (uint64_t)size };
	int r = -1;

	if (o == NULL)
		return __real_ftruncate(fd, size);
	if (before(&c) == 0) {
		r = __real_ftruncate(fd, size);
		if (r == 0)
			disk_truncate(o, c.at);
		after();
	}
	return r;
}

/* Room that is not used costs nothing here: a hole. */
static int reserve(int fd, off_t end)
{
	struct disk_node *o = node_of(fd);
	struct seam_call c = { .op = SEAM_RESERVE, .at = (uint64_t)end };
	struct stat st;
	int r = -1;

	if (o != NULL && before(&c) != 0)
		return -1;
	if (fstat(fd, &st) == 0)
		r = st.st_size < end ? __real_ftruncate(fd, end) : 0;
	if (o != NULL && r == 0)
		disk_reserve(o, c.at);
	if (o != NULL)
		after();
	return r;
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
	INVARIANT(mode == 0);
	return reserve(fd, at + n);
}

int __wrap_posix_fallocate(int fd, off_t at, off_t n) { return reserve(fd, at + n) == 0 ? 0 : errno; }

/* ---- flushes ---- */

static int flush(int fd)
{
	struct disk_node *o = node_of(fd);
	char link[32], path[256];
	struct seam_call c = { .op = SEAM_FLUSH, .name = path };

	if (o == NULL)
		return 0;
	INVARIANT(fd < FDS);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (before(&c) != 0) {
		disk_flush_failed(calls.disk, o, &calls.told[fd]);
		return -1;
	}
	int r = disk_flush(o, &calls.told[fd]) ? 0 : -1;
	if (r != 0)
		errno = EIO;
	after();
	return r;
}

int __wrap_fdatasync(int fd) { return flush(fd); }
int __wrap_fsync(int fd) { return flush(fd); }

int __wrap_syncfs(int fd)
{
	struct seam_call c = { .op = SEAM_FLUSH, .name = "all" };

	if (node_of(fd) == NULL)
		return 0;
	if (before(&c) != 0) {
		disk_flush_all_failed(calls.disk, &calls.told_all[fd]);
		return -1;
	}
	int r = disk_flush_all(calls.disk, &calls.told_all[fd]) ? 0 : -1;
	if (r != 0)
		errno = EIO;
	after();
	return r;
}

/* ---- names ---- */

int __wrap_renameat(int from, const char *name, int todir, const char *to)
{
	const char *last, *tolast;
	struct disk_node *dir = dir_of(from, name, &last);
	struct seam_call c = { .op = SEAM_RENAME };
	int r = -1;

	if (dir == NULL)
		return __real_renameat(from, name, todir, to);
	INVARIANT(dir_of(todir, to, &tolast) == dir);
	c.name = last;
	c.to = tolast;
	if (before(&c) == 0) {
		r = __real_renameat(from, name, todir, to);
		if (r == 0)
			disk_rename(dir, last, tolast);
		after();
	}
	return r;
}

int __wrap_renameat2(int from, const char *name, int todir, const char *to, unsigned flags)
{
	struct stat st;

	INVARIANT(flags == 1); /* not over what is there */
	if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return __wrap_renameat(from, name, todir, to);
}

int __wrap_unlinkat(int dirfd, const char *name, int flags)
{
	const char *last;
	struct disk_node *dir = dir_of(dirfd, name, &last);
	struct seam_call c = { .op = SEAM_UNLINK };
	int r = -1;

	c.name = last;
	if (dir == NULL || disk_find(dir, last) == NULL)
		return __real_unlinkat(dirfd, name, flags);
	if (before(&c) == 0) {
		r = __real_unlinkat(dirfd, name, flags);
		if (r == 0)
			disk_unlink(dir, last);
		after();
	}
	return r;
}

int __wrap_mkdirat(int dirfd, const char *name, mode_t mode)
{
	const char *last;
	struct disk_node *dir = dir_of(dirfd, name, &last);
	struct seam_call c = { .op = SEAM_CREATE };
	int fd, r = -1;

	c.name = last;
	if (dir == NULL || disk_find(dir, last) != NULL)
		return __real_mkdirat(dirfd, name, mode);
	if (before(&c) == 0) {
		r = __real_mkdirat(dirfd, name, mode);
		if (r == 0) {
			fd = __real_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			INVARIANT(fd >= 0);
			know(fd, disk_create(calls.disk, dir, last, true));
			(void)__real_close(fd);
		}
		after();
	}
	return r;
}

/* Nobody here makes second names; who begins to, teaches the disk first. */
int __wrap_linkat(int from, const char *name, int todir, const char *to, int flags)
{
	(void)name;
	(void)to;
	(void)flags;
	INVARIANT(node_of(from) == NULL && node_of(todir) == NULL);
	errno = ENOSYS;
	return -1;
}

/* ---- what is left ---- */

static void made(void *arg, const struct disk_node *o, int fd)
{
	struct stat st;

	(void)arg;
	INVARIANT(fstat(fd, &st) == 0);
	(void)map64_set(calls.left, st.st_ino, map64_get(calls.inodes, (uint64_t)(uintptr_t)o));
}

void calls_leave(struct disk *d, struct rnd *r, unsigned keep, int to)
{
	map64_free(calls.left);
	calls.left = map64_new();
	disk_leave(d, r, keep, to, made, NULL);
}

int __wrap_fstatat(int dirfd, const char *name, struct stat *st, int flags)
{
	int r = __real_fstatat(dirfd, name, st, flags);
	uintptr_t was = r == 0 && calls.off ? (uintptr_t)map64_get(calls.left, st->st_ino) : 0;

	if (was != 0)
		st->st_ino = was;
	return r;
}
