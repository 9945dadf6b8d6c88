/* SPDX-License-Identifier: ISC */
/* The backend over a directory of a local POSIX file system: an object is a file. postrider-journal(5), Streams and files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/backend.h"
#include "journal/seam.h"
#include "sys/boot.h"
#include "sys/clock.h"
#include "sys/file.h"

#define NAME_SIZE 48
#define NEW_PREFIX "new."
#define LOCK_NAME "lock"
#define MARK_SIZE 24u /* the mark, the start of the machine, the sum of both, zero */
#define MARK_SUMMED 16u
#define PAGE 4096u /* the smallest that the kernel has */
/* A directory changed less than this ago may change again without a new time stamp: the kernel's tick is at most 10 ms. */
#define UNSETTLED_NS 30000000
/* Names in the directory: of a stream that nobody compacts; and where others may fill it, what is soon looked through. */
#define NAMES_MAX 262144u
#define NAMES_MAX_OWN 16384u

struct file_backend {
	struct backend b;
	int dirfd, lockfd;
	bool write, own;
	uid_t uid;  /* whose files are read and written, with own */
	int opening; /* flags of every opening: O_NOATIME, where only own files are opened, for which it may be asked */
	mode_t mode;
	uint64_t unsettled;
	const struct journal_seam *seam;
};

struct file_object {
	struct object o;
	int fd;
	char name[NAME_SIZE];
};

static struct file_backend *backend_of(struct backend *b) { return (struct file_backend *)(void *)b; }
static struct file_object *object_of(struct object *o) { return (struct file_object *)(void *)o; }
static struct file_backend *owner_of(struct object *o) { return backend_of(o->backend); }

/* 0 or -1 with errno, as a system call. */
static int seam_before(const struct file_backend *b, struct seam_call *c)
{
	int e = b->seam != NULL && b->seam->before != NULL ? b->seam->before(b->seam->arg, c) : 0;

	if (e == 0)
		return 0;
	errno = e;
	return -1;
}

static long seam_after(const struct file_backend *b, const struct seam_call *c, long result)
{
	int e = errno;

	if (b->seam != NULL && b->seam->after != NULL)
		b->seam->after(b->seam->arg, c, result);
	errno = e;
	return result;
}

static void name_text(const struct object_name *name, char out[NAME_SIZE])
{
	if (name->generation == 0)
		(void)snprintf(out, NAME_SIZE, "%016llx", (unsigned long long)name->first);
	else
		(void)snprintf(out, NAME_SIZE, "%016llx-%016llx.%lu", (unsigned long long)name->first,
			(unsigned long long)name->limit, (unsigned long)name->generation);
}

static bool name_parse(const char *text, struct object_name *name)
{
	struct view v = view_of(text), part;
	uint64_t g;
	char again[NAME_SIZE];

	memset(name, 0, sizeof(*name));
	if (v.n < 16 || !num_hex64(view_head(v, 16), &name->first))
		return false;
	v = view_skip(v, 16);
	if (v.n > 0) {
		if (v.p[0] != '-')
			return false;
		v = view_skip(v, 1);
		if (!view_cut(&v, '.', &part) || !num_hex64(part, &name->limit) || !num_u64(v, UINT32_MAX, &g) || g == 0)
			return false;
		name->generation = (uint32_t)g;
	}
	name_text(name, again);
	return strcmp(again, text) == 0;
}

struct listing {
	void (*fn)(void *arg, const struct object_name *name);
	void *arg;
	unsigned left;
};

static int list_one(const char *text, void *arg)
{
	struct listing *l = arg;
	struct object_name name;

	if (l->left-- == 0)
		return ERR_LIMIT;
	if (name_parse(text, &name))
		l->fn(l->arg, &name);
	return ERR_OK;
}

static int file_list_objects(struct backend *b, void (*fn)(void *arg, const struct object_name *name), void *arg)
{
	struct listing l = { fn, arg, backend_of(b)->own ? NAMES_MAX_OWN : NAMES_MAX };

	return file_list_here(backend_of(b)->dirfd, list_one, &l);
}

static int file_watch(struct backend *b, uint64_t *serial)
{
	struct file_backend *f = backend_of(b);
	struct stat st;
	int64_t changed, now;
	uint32_t ns;

	if (fstat(f->dirfd, &st) != 0)
		return err_of_errno(errno);
	changed = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	now = clock_wall(&ns) * 1000000000;
	now += ns;
	if (now - changed < UNSETTLED_NS)
		*serial = UINT64_C(1) << 63 | ++f->unsettled;
	else
		*serial = (uint64_t)changed;
	return ERR_OK;
}

static struct object *object_new(struct file_backend *f, int fd, const char *name)
{
	struct file_object *o = mem_new(sizeof(*o));

	o->o.backend = &f->b;
	atomic_fetch_add(&f->b.refs, 1);
	atomic_init(&o->o.refs, 1);
	INVARIANT(pthread_mutex_init(&o->o.turn, NULL) == 0);
	o->fd = fd;
	(void)snprintf(o->name, sizeof(o->name), "%s", name);
	return &o->o;
}

static void file_close_object(struct object *o)
{
	struct file_object *f = object_of(o);

	fd_close(&f->fd);
	(void)pthread_mutex_destroy(&o->turn);
	backend_unref(o->backend);
	free(f);
}

/* What was opened counts: a regular file, and ours where others may put theirs. A second name of it, a backup's, is no harm. */
static int check_file(const struct file_backend *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_of_errno(errno);
	if (!S_ISREG(st.st_mode))
		return ERR_INVALID;
	return f->own && st.st_uid != f->uid ? ERR_DENIED : ERR_OK;
}

static int file_open_object(struct backend *b, const struct object_name *name, bool write, struct object **out)
{
	struct file_backend *f = backend_of(b);
	char text[NAME_SIZE];
	int fd, r;

	name_text(name, text);
	fd = openat(f->dirfd, text, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | f->opening);
	if (fd < 0)
		return err_of_errno(errno);
	r = check_file(f, fd);
	if (r != ERR_OK) {
		fd_close(&fd);
		return r;
	}
	*out = object_new(f, fd, text);
	return ERR_OK;
}

static int create_named(struct file_backend *f, const char *text, struct object **out)
{
	struct seam_call c = { .op = SEAM_CREATE, .name = text };
	int fd;

	if (seam_before(f, &c) != 0)
		return err_of_errno(errno);
	fd = openat(f->dirfd, text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, f->mode);
	if (seam_after(f, &c, fd < 0 ? -1 : 0) < 0)
		return err_of_errno(errno);
	*out = object_new(f, fd, text);
	return ERR_OK;
}

static int write_all(struct object *o, uint64_t at, struct iovec *iov, int n, size_t *done);

static int unlink_named(struct file_backend *f, const char *text)
{
	struct seam_call c = { .op = SEAM_UNLINK, .name = text };
	int r;

	if (seam_before(f, &c) != 0)
		return err_of_errno(errno);
	r = unlinkat(f->dirfd, text, 0);
	return seam_after(f, &c, r) < 0 ? err_of_errno(errno) : ERR_OK;
}

static int file_create_object(struct backend *b, const struct object_name *name, struct view head, struct object **out)
{
	char text[NAME_SIZE];
	struct iovec iov = { (void *)(uintptr_t)head.p, head.n };
	size_t done;
	int r;

	name_text(name, text);
	r = create_named(backend_of(b), text, out);
	if (r != ERR_OK)
		return r;
	r = write_all(*out, 0, &iov, 1, &done);
	if (r != ERR_OK) {
		/* Without its head it is nothing; should the unlinking fail too, it is state S9. */
		(void)unlink_named(backend_of(b), text);
		object_unref(*out);
		*out = NULL;
	}
	return r;
}

static int file_create_new(struct backend *b, struct object **out)
{
	char text[NAME_SIZE];

	(void)snprintf(text, sizeof(text), NEW_PREFIX "%016llx", (unsigned long long)random_u64());
	return create_named(backend_of(b), text, out);
}

static int file_publish(struct object *o, const struct object_name *name)
{
	struct file_backend *f = owner_of(o);
	struct file_object *fo = object_of(o);
	char text[NAME_SIZE];
	struct seam_call c = { .op = SEAM_RENAME, .name = fo->name, .to = text };
	int r;

	name_text(name, text);
	if (seam_before(f, &c) != 0)
		return err_of_errno(errno);
	r = renameat(f->dirfd, fo->name, f->dirfd, text);
	if (seam_after(f, &c, r) < 0)
		return err_of_errno(errno);
	memcpy(fo->name, text, sizeof(text));
	return ERR_OK;
}

static int discard_one(const char *text, void *arg)
{
	return strncmp(text, NEW_PREFIX, sizeof(NEW_PREFIX) - 1) == 0 ? unlink_named(arg, text) : ERR_OK;
}

static int file_discard(struct backend *b, struct object *o)
{
	if (o != NULL)
		return unlink_named(backend_of(b), object_of(o)->name);
	return file_list_here(backend_of(b)->dirfd, discard_one, b);
}

static int file_drop(struct backend *b, const struct object_name *name)
{
	char text[NAME_SIZE];

	name_text(name, text);
	return unlink_named(backend_of(b), text);
}

/* Another name of the file itself, whatever it is: who opens it looks. */
static int file_share(struct backend *b, const struct object_name *name, struct backend *to)
{
	char text[NAME_SIZE];

	name_text(name, text);
	if (linkat(backend_of(b)->dirfd, text, backend_of(to)->dirfd, text, 0) == 0)
		return ERR_OK;
	return errno == ENOENT || errno == EEXIST ? err_of_errno(errno) : ERR_UNSUPPORTED;
}

/* One pwritev, no more than c->n octets of it. */
static ssize_t write_some(struct file_object *o, struct seam_call *c, off_t at)
{
	struct file_backend *f = owner_of(&o->o);
	size_t whole = c->n;
	ssize_t k;

	if (f->seam == NULL)
		return pwritev(o->fd, c->iov, c->iovs, at);
	if (seam_before(f, c) != 0)
		return -1;
	if (c->n == whole) {
		k = pwritev(o->fd, c->iov, c->iovs, at);
	} else {
		size_t left = c->n, put = 0;

		k = 0;
		for (int i = 0; i < c->iovs && left > 0 && k >= 0; i++) {
			size_t one = c->iov[i].iov_len < left ? c->iov[i].iov_len : left;

			k = pwrite(o->fd, c->iov[i].iov_base, one, at + (off_t)put);
			left -= one;
			put += one;
		}
		k = k < 0 ? -1 : (ssize_t)c->n;
	}
	return seam_after(f, c, k);
}

static void iov_skip(struct iovec **iov, int *n, size_t k)
{
	while (*n > 0 && k >= (*iov)->iov_len) {
		k -= (*iov)->iov_len;
		++*iov;
		--*n;
	}
	if (k > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + k;
		(*iov)->iov_len -= k;
	}
}

#define IOV_CALL 1024

static int write_all(struct object *o, uint64_t at, struct iovec *iov, int n, size_t *done)
{
	struct file_object *f = object_of(o);

	*done = 0;
	while (n > 0) {
		struct seam_call c = { .op = SEAM_WRITE, .name = f->name, .at = at + *done, .iov = iov,
			.iovs = n < IOV_CALL ? n : IOV_CALL };
		ssize_t k;

		for (int i = 0; i < c.iovs; i++)
			c.n += iov[i].iov_len;
		k = write_some(f, &c, (off_t)(at + *done));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_of_errno(errno);
		if (k == 0 && c.n > 0)
			return ERR_FULL;
		*done += (size_t)k;
		iov_skip(&iov, &n, (size_t)k);
	}
	return ERR_OK;
}

static int file_read(struct object *o, uint64_t at, void *p, size_t n, size_t *got)
{
	struct file_object *f = object_of(o);
	struct seam_call c = { .op = SEAM_READ, .name = f->name, .at = at, .n = n };

	*got = 0;
	while (*got < n) {
		ssize_t k;

		if (seam_before(owner_of(o), &c) != 0)
			return err_of_errno(errno);
		k = pread(f->fd, (char *)p + *got, n - *got, (off_t)(at + *got));
		if (k == 0)
			break;
		if (k < 0 && errno != EINTR)
			return err_of_errno(errno);
		if (k > 0)
			*got += (size_t)k;
	}
	return ERR_OK;
}

static int file_object_size(struct object *o, uint64_t *octets, uint64_t *allocated)
{
	struct stat st;

	if (fstat(object_of(o)->fd, &st) != 0)
		return err_of_errno(errno);
	*octets = (uint64_t)st.st_size;
	*allocated = (uint64_t)st.st_blocks * 512;
	return ERR_OK;
}

static void file_reserve(struct object *o, uint64_t upto)
{
	struct file_object *f = object_of(o);
	struct seam_call c = { .op = SEAM_RESERVE, .name = f->name, .at = upto };
	struct stat st;

	if (fstat(f->fd, &st) != 0 || (uint64_t)st.st_size >= upto || seam_before(owner_of(o), &c) != 0)
		return;
	/* Not posix_fallocate: where the file system cannot, glibc would write, beside the thread that appends. */
	(void)seam_after(owner_of(o), &c, fallocate(f->fd, 0, st.st_size, (off_t)upto - st.st_size));
}

/* Elsewhere what is written over goes to a new place all the same, or nothing goes to a disk at all. */
static bool overwrites_in_place(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 && (s.f_type == EXT4_SUPER_MAGIC || s.f_type == XFS_SUPER_MAGIC);
}

static int file_zero(struct object *o, uint64_t from, uint64_t to)
{
	static const uint8_t page[4096];
	struct iovec iov[128];

	if (owner_of(o)->seam == NULL && !overwrites_in_place(object_of(o)->fd))
		return ERR_UNSUPPORTED;
	while (from < to) {
		size_t done;
		int n = 0, r;

		for (uint64_t at = from; at < to && n < 128; at += iov[n++].iov_len)
			iov[n] = (struct iovec){ (void *)(uintptr_t)page, to - at < sizeof(page) ? (size_t)(to - at) : sizeof(page) };
		r = write_all(o, from, iov, n, &done);
		if (r != ERR_OK)
			return r;
		from += done;
	}
	return ERR_OK;
}

static void file_seal(struct object *o, uint64_t size)
{
	struct file_object *f = object_of(o);
	struct seam_call c = { .op = SEAM_TRUNCATE, .name = f->name, .at = size };
	struct stat st;

	if (fstat(f->fd, &st) != 0 || (uint64_t)st.st_size <= size || seam_before(owner_of(o), &c) != 0)
		return;
	(void)seam_after(owner_of(o), &c, ftruncate(f->fd, (off_t)size));
}

/* Whether a page is in the kernel's memory: one that is not would have to be waited for. */
static bool is_cached(int fd, uint64_t at)
{
	uint8_t b;
	struct iovec iov = { &b, 1 };
	ssize_t k = preadv2(fd, &iov, 1, (off_t)at, RWF_NOWAIT);

	return k > 0 || (k < 0 && errno != EAGAIN);
}

/*
 * The flush writes what is dirty. What a failed one left clean and never wrote goes with the other clean pages: of the whole file, for the kernel
 * keeps them in bigger pieces, and drops no part of one. Looked at are they from the last to the first, so that what the kernel reads ahead of one
 * is not taken for what was never let go.
 */
static int file_forget(struct object *o, uint64_t from, uint64_t to)
{
	int fd = object_of(o)->fd;
	int r = o->backend->ops->flush(o);

	if (r == ERR_OK && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		r = ERR_BUSY;
	from = from / PAGE * PAGE;
	for (uint64_t at = (to - 1) / PAGE * PAGE + PAGE; r == ERR_OK && at > from; at -= PAGE)
		if (is_cached(fd, at - PAGE))
			r = ERR_BUSY;
	return r;
}

static int file_flush_object(struct object *o)
{
	struct file_object *f = object_of(o);
	struct seam_call c = { .op = SEAM_FLUSH, .name = f->name };
	int r;

	if (seam_before(owner_of(o), &c) != 0)
		return err_of_errno(errno);
	r = file_flush_data(f->fd);
	(void)seam_after(owner_of(o), &c, r == ERR_OK ? 0 : -1);
	return r;
}

static int file_flush_names(struct backend *b)
{
	struct file_backend *f = backend_of(b);
	struct seam_call c = { .op = SEAM_FLUSH_DIR, .name = "." };
	int r;

	if (seam_before(f, &c) != 0)
		return err_of_errno(errno);
	r = file_flush(f->dirfd);
	(void)seam_after(f, &c, r == ERR_OK ? 0 : -1);
	return r;
}

/* A reader may come before the first writer; it looks again each time. */
static void open_lock_file(struct file_backend *f)
{
	f->lockfd = openat(f->dirfd, LOCK_NAME, (f->write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | f->opening,
		f->mode);
}

static int file_lock_octet(struct backend *b, enum backend_lock which, bool exclusive, bool wait)
{
	struct flock l = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)which, .l_len = 1 };
	int r;

	if (backend_of(b)->lockfd < 0)
		open_lock_file(backend_of(b));
	if (backend_of(b)->lockfd < 0)
		return err_of_errno(errno);
	do
		r = fcntl(backend_of(b)->lockfd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (r != 0 && errno == EINTR);
	if (r == 0)
		return ERR_OK;
	return errno == EAGAIN || errno == EACCES ? ERR_BUSY : err_of_errno(errno);
}

static void file_unlock_octet(struct backend *b, enum backend_lock which)
{
	struct flock l = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)which, .l_len = 1 };

	INVARIANT(fcntl(backend_of(b)->lockfd, F_OFD_SETLK, &l) == 0);
}

/* Where it cannot be told, somebody may have it. */
static bool file_locked_octet(struct backend *b, enum backend_lock which)
{
	struct file_backend *f = backend_of(b);
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)which, .l_len = 1 };

	if (f->lockfd < 0)
		open_lock_file(f);
	if (f->lockfd < 0)
		return errno != ENOENT;
	return fcntl(f->lockfd, F_OFD_GETLK, &l) != 0 || l.l_type != F_UNLCK;
}

static uint64_t file_mark_get(struct backend *b, enum backend_mark *when)
{
	struct file_backend *f = backend_of(b);
	uint8_t m[MARK_SIZE];
	uint64_t boot;

	*when = BACKEND_MARK_NONE;
	if (f->lockfd < 0)
		open_lock_file(f);
	if (f->lockfd < 0 || pread(f->lockfd, m, sizeof(m), 0) != (ssize_t)sizeof(m) || le32_get(m + MARK_SUMMED) != crc32c(0, m, MARK_SUMMED))
		return 0;
	boot = le64_get(m + 8);
	*when = boot != 0 && boot_id() != 0 && boot != boot_id() ? BACKEND_MARK_EARLIER : BACKEND_MARK_NOW;
	return le64_get(m);
}

static int file_mark_put(struct backend *b, uint64_t mark)
{
	struct file_backend *f = backend_of(b);
	uint8_t m[MARK_SIZE] = { 0 };
	struct iovec iov = { m, sizeof(m) };
	struct seam_call c = { .op = SEAM_WRITE, .name = LOCK_NAME, .iov = &iov, .iovs = 1, .n = sizeof(m) };
	long k;

	le64_put(m, mark);
	le64_put(m + 8, boot_id());
	le32_put(m + MARK_SUMMED, crc32c(0, m, MARK_SUMMED));
	if (seam_before(f, &c) != 0)
		return err_of_errno(errno);
	k = seam_after(f, &c, pwrite(f->lockfd, m, sizeof(m), 0));
	if (k < 0)
		return err_of_errno(errno);
	return k == (long)sizeof(m) ? ERR_OK : ERR_FULL;
}

static void file_free(struct backend *b)
{
	struct file_backend *f = backend_of(b);

	fd_close(&f->dirfd);
	fd_close(&f->lockfd);
	free(f);
}

static const struct backend_ops file_ops = {
	.list = file_list_objects,
	.watch = file_watch,
	.open = file_open_object,
	.create = file_create_object,
	.create_new = file_create_new,
	.publish = file_publish,
	.discard = file_discard,
	.drop = file_drop,
	.share = file_share,
	.close = file_close_object,
	.append = write_all,
	.read = file_read,
	.size = file_object_size,
	.reserve = file_reserve,
	.zero = file_zero,
	.seal = file_seal,
	.flush = file_flush_object,
	.forget = file_forget,
	.flush_names = file_flush_names,
	.lock = file_lock_octet,
	.unlock = file_unlock_octet,
	.locked = file_locked_octet,
	.mark_get = file_mark_get,
	.mark_put = file_mark_put,
	.free = file_free,
};

/* A lock or a flush over NFS does not mean what it must. */
static int local_file_system(int dirfd)
{
	struct statfs s;

	if (fstatfs(dirfd, &s) != 0)
		return err_of_errno(errno);
	return s.f_type == NFS_SUPER_MAGIC ? ERR_UNSUPPORTED : ERR_OK;
}

/* Reading would else make a directory and its files dirty, for the next flush to write what nobody asks for. */
static void open_directory(struct file_backend *f, int dirfd)
{
	f->opening = f->own ? O_NOATIME : 0;
	f->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | f->opening);
	if (f->dirfd >= 0 || errno != EPERM)
		return;
	f->opening = 0; /* somebody else's directory */
	f->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int backend_file_open(int dirfd, bool write, bool own, mode_t mode, const struct journal_seam *seam, struct backend **out)
{
	struct file_backend *f;
	int r = local_file_system(dirfd);

	if (r != ERR_OK)
		return r;
	f = mem_new(sizeof(*f));
	atomic_init(&f->b.refs, 1);
	f->b.ops = &file_ops;
	f->lockfd = -1;
	f->write = write;
	f->own = own;
	f->uid = geteuid();
	f->mode = mode;
	f->seam = seam;
	open_directory(f, dirfd);
	if (f->dirfd >= 0)
		open_lock_file(f);
	if (f->dirfd < 0 || (write && f->lockfd < 0))
		r = err_of_errno(errno);
	else if (f->lockfd >= 0)
		r = check_file(f, f->lockfd);
	if (r != ERR_OK) {
		backend_unref(&f->b);
		return r;
	}
	*out = &f->b;
	return ERR_OK;
}
