/* SPDX-License-Identifier: ISC */
#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/clock.h"

enum { SLURP_CHUNK = 64 * 1024, NAMES_CHUNK = 16 * 1024 };

static int result(int rc)
{
	return rc < 0 ? err_of_errno(errno) : ERR_OK;
}

static int open_at(int dirfd, const char *name, int flags, mode_t mode, int *fd)
{
	do
		*fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
	while (*fd < 0 && errno == EINTR);
	return result(*fd);
}

int file_open_dir(int dirfd, const char *name, int *fd)
{
	return open_at(dirfd, name, O_RDONLY | O_DIRECTORY, 0, fd);
}

/* O_NONBLOCK: the open of a FIFO must not wait for a writer; regular files do not heed it. */
static int open_regular(int dirfd, const char *name, int flags, int *fd)
{
	struct stat st;
	int err = open_at(dirfd, name, flags | O_NONBLOCK, 0, fd);

	if (err)
		return err;
	err = result(fstat(*fd, &st));
	if (!err && !S_ISREG(st.st_mode))
		err = ERR_INVALID;
	if (err)
		fd_close(fd);
	return err;
}

int file_open_read(int dirfd, const char *name, int *fd)
{
	return open_regular(dirfd, name, O_RDONLY, fd);
}

int file_open_edit(int dirfd, const char *name, int *fd)
{
	return open_regular(dirfd, name, O_RDWR, fd);
}

int file_create(int dirfd, const char *name, mode_t mode, int *fd)
{
	return open_at(dirfd, name, O_RDWR | O_CREAT | O_EXCL, mode, fd);
}

int file_mkdir(int dirfd, const char *name, mode_t mode)
{
	struct stat st;

	if (mkdirat(dirfd, name, mode) == 0)
		return ERR_OK;
	if (errno != EEXIST)
		return err_of_errno(errno);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return ERR_OK;
	return ERR_EXISTS;
}

/* What remains of a transfer after one call's outcome; true while there is more to do. */
static bool went_on(ssize_t went, const char **p, size_t *n, int *err)
{
	if (went < 0 && errno == EINTR)
		return true;
	if (went <= 0) {
		*err = went < 0 ? err_of_errno(errno) : ERR_FULL;
		return false;
	}
	*p += went;
	*n -= (size_t)went;
	return *n > 0;
}

int file_write(int fd, const void *p, size_t n)
{
	const char *from = p;
	int err = ERR_OK;

	while (n && went_on(write(fd, from, n), &from, &n, &err))
		;
	return err;
}

/* After a short count the next call says why: ENOSPC and EDQUOT are ERR_FULL. */
int file_pwrite(int fd, const void *p, size_t n, off_t at)
{
	const char *from = p;
	int err = ERR_OK;

	while (n && went_on(pwrite(fd, from, n, at + (from - (const char *)p)), &from, &n, &err))
		;
	return err;
}

int file_pread(int fd, void *p, size_t n, off_t at)
{
	char *to = p;

	while (n) {
		ssize_t got = pread(fd, to, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? err_of_errno(errno) : ERR_END;
		to += got;
		at += got;
		n -= (size_t)got;
	}
	return ERR_OK;
}

/* One read into b; ERR_END at the end of the file, ERR_TOO_BIG when b is full and the file is not at its end. */
static int slurp_some(int fd, struct buf *b)
{
	size_t room = b->max - b->n < SLURP_CHUNK ? b->max - b->n : SLURP_CHUNK;
	char probe, *to = room ? buf_room(b, room) : &probe;
	ssize_t got;

	do
		got = read(fd, to, room ? room : 1);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? err_of_errno(errno) : ERR_END;
	if (!room)
		return ERR_TOO_BIG;
	buf_commit(b, (size_t)got);
	return ERR_OK;
}

int file_slurp(int dirfd, const char *name, struct buf *b)
{
	size_t before = buf_len(b);
	int fd, err = file_open_read(dirfd, name, &fd);

	if (err)
		return err;
	do
		err = slurp_some(fd, b);
	while (err == ERR_OK);
	fd_close(&fd);
	if (err == ERR_END)
		return ERR_OK;
	buf_cut(b, before);
	return err;
}

/* The directory that the last component of name lies in, for flushing it, and that component. */
static int open_parent(int dirfd, const char *name, const char **last, int *fd)
{
	char parent[4096];
	const char *slash = strrchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) + 1 : 0;

	*last = name + n;
	if (n >= sizeof parent || **last == '\0')
		return ERR_INVALID;
	memcpy(parent, name, n);
	parent[n] = '\0';
	/* The parent may be reached by links: only the last component may not be one. */
	do
		*fd = openat(dirfd, n ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (*fd < 0 && errno == EINTR);
	return result(*fd);
}

static int write_new(int dir, const char *name, struct view content, mode_t mode)
{
	int fd, err = file_create(dir, name, 0600, &fd);

	if (err)
		return err;
	err = file_write(fd, content.p, content.n);
	if (!err)
		err = result(fchmod(fd, mode));
	if (!err)
		err = file_flush(fd);
	fd_close(&fd);
	return err;
}

int file_replace(int dirfd, const char *name, struct view content, mode_t mode)
{
	char temporary[64];
	const char *last;
	int dir, err = open_parent(dirfd, name, &last, &dir);

	if (err)
		return err;
	snprintf(temporary, sizeof temporary, ".new.%016llx", (unsigned long long)random_u64());
	err = write_new(dir, temporary, content, mode);
	if (!err)
		err = result(renameat(dir, temporary, dir, last));
	if (err) {
		int saved = errno;
		unlinkat(dir, temporary, 0);
		errno = saved;
	} else {
		err = file_flush(dir);
	}
	fd_close(&dir);
	return err;
}

int file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_of_errno(errno);
	*size = (uint64_t)st.st_size;
	return ERR_OK;
}

int file_flush_data(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

int file_flush(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static int lock(int fd, short type, bool wait)
{
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };
	int rc;

	do
		rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &whole);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && (errno == EAGAIN || errno == EACCES))
		return ERR_BUSY;
	return result(rc);
}

int file_lock(int fd, bool exclusive, bool wait)
{
	return lock(fd, exclusive ? F_WRLCK : F_RDLCK, wait);
}

int file_unlock(int fd)
{
	return lock(fd, F_UNLCK, false);
}

/* The header that declares flock() has the name of ours. */
int file_lock_dir(int fd)
{
	int rc = (int)syscall(SYS_flock, fd, LOCK_EX | LOCK_NB);

	return rc < 0 && errno == EWOULDBLOCK ? ERR_BUSY : result(rc);
}

/*
 * Who opens the file for writing while the lease is held makes the kernel signal us. SIGIO, the default, would end the
 * process; SIGURG is ignored by default.
 */
bool file_no_writers(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return false;
	return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

/* The kernel's answer is rows of names; a position in the directory goes with the description. */
static int each_name(const char *rows, size_t n, int (*fn)(const char *name, void *arg), void *arg)
{
	for (size_t at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(rows + at);

		at += e->d_reclen;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		int rc = fn(e->d_name, arg);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* Not by readdir: its own look at the descriptor costs more than a small directory. */
static int walk(int fd, int (*fn)(const char *name, void *arg), void *arg)
{
	_Alignas(struct dirent64) char rows[NAMES_CHUNK];

	for (;;) {
		ssize_t n = getdents64(fd, rows, sizeof rows);
		if (n <= 0)
			return n == 0 ? ERR_OK : err_of_errno(errno);
		int rc = each_name(rows, (size_t)n, fn, arg);
		if (rc)
			return rc;
	}
}

int file_list(int dirfd, int (*fn)(const char *name, void *arg), void *arg)
{
	int fd, rc = file_open_dir(dirfd, ".", &fd);

	if (rc)
		return rc;
	rc = walk(fd, fn, arg);
	fd_close(&fd);
	return rc;
}

int file_list_here(int fd, int (*fn)(const char *name, void *arg), void *arg)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? err_of_errno(errno) : walk(fd, fn, arg);
}

bool file_stands_in(int dirfd, uint64_t inode)
{
	struct stat st;

	return fstatat(dirfd, "..", &st, 0) == 0 && st.st_ino == inode;
}

/* Linux releases the number even when close says EINTR: it is never tried again. */
void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_of_errno(errno);
	return flags & O_NONBLOCK ? ERR_OK : result(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

void fd_expect(size_t n)
{
	int fd = open("/", O_PATH | O_CLOEXEC), high = -1;

	/* The limit may be lower than was thought. */
	for (; fd >= 0 && high < 0 && n > 64; n /= 2)
		high = fcntl(fd, F_DUPFD_CLOEXEC, n > INT_MAX ? INT_MAX : (int)n - 1);
	fd_close(&high);
	fd_close(&fd);
}

int fd_cloexec(int fd, bool on)
{
	return result(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}

int fd_memfd(const char *name, struct view content, int *fd)
{
	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return err_of_errno(errno);
	int err = file_pwrite(*fd, content.p, content.n, 0);
	if (!err)
		err = result(fcntl(*fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	if (err)
		fd_close(fd);
	return err;
}
