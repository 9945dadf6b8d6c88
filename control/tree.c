/* SPDX-License-Identifier: ISC */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

#define CHUNK (256u << 10)

static int give(int fd, uid_t uid, gid_t gid, mode_t mode)
{
	if (geteuid() == 0 && fchown(fd, uid, gid) != 0)
		return err_of_errno(errno);
	return fchmod(fd, mode & 07777) == 0 ? ERR_OK : err_of_errno(errno);
}

static int status(int fd, struct stat *st) { return fstat(fd, st) == 0 ? ERR_OK : err_of_errno(errno); }

int tree_make_like(int from, int to, const char *name, int *fd)
{
	struct stat st;
	int err = status(from, &st);

	if (err != ERR_OK)
		return err;
	if (mkdirat(to, name, 0700) != 0)
		return err_of_errno(errno);
	err = file_open_dir(to, name, fd);
	if (err != ERR_OK)
		return err;
	err = give(*fd, st.st_uid, st.st_gid, st.st_mode);
	if (err != ERR_OK)
		fd_close(fd);
	return err;
}

static int copy_octets(int in, int out)
{
	char *p = mem_new(CHUNK);
	int err = ERR_OK;
	ssize_t n = 1;

	while (err == ERR_OK && n > 0) {
		n = read(in, p, CHUNK);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			err = err_of_errno(errno);
		else
			err = file_write(out, p, (size_t)n);
	}
	free(p);
	return err;
}

static int copy_as(int from, const char *name, int to, const struct tree_owner *owner)
{
	struct stat st;
	int in, out, err = file_open_read(from, name, &in);

	if (err != ERR_OK)
		return err;
	err = file_create(to, name, 0600, &out);
	if (err == ERR_OK) {
		err = status(in, &st);
		if (err == ERR_OK)
			err = copy_octets(in, out);
		if (err == ERR_OK && !owner)
			err = give(out, st.st_uid, st.st_gid, st.st_mode);
		else if (err == ERR_OK)
			err = give(out, owner->account && st.st_uid == owner->account ? st.st_uid : owner->uid,
				owner->account && st.st_gid == owner->account ? st.st_gid : owner->gid, st.st_mode);
		fd_close(&out);
	}
	fd_close(&in);
	return err;
}

int tree_copy_file(int from, const char *name, int to) { return copy_as(from, name, to, NULL); }

struct walk {
	int from, to;
	const struct tree_owner *owner;
	int (*fn)(int from, const char *name, int to);
};

static int each_one(const char *name, void *arg)
{
	const struct walk *w = arg;
	struct stat st;

	if (fstatat(w->from, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return ERR_OK;
	int err = w->fn(w->from, name, w->to);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

int tree_each(int from, int to, int (*fn)(int from, const char *name, int to))
{
	struct walk w = { .from = from, .to = to, .fn = fn };

	return file_list(from, each_one, &w);
}

static int copy_directory(const struct walk *w, const char *name)
{
	struct stat st;
	int from, to, err = file_open_dir(w->from, name, &from);

	if (err != ERR_OK)
		return err;
	err = status(from, &st);
	if (err == ERR_OK)
		err = file_mkdir(w->to, name, 0700);
	if (err == ERR_OK)
		err = file_open_dir(w->to, name, &to);
	if (err == ERR_OK) {
		const struct tree_owner *o = w->owner;

		err = tree_copy(from, to, o);
		if (err == ERR_OK)
			err = give(to, o->account && st.st_uid == o->account ? st.st_uid : o->uid,
				o->account && st.st_gid == o->account ? st.st_gid : o->gid, st.st_mode);
		fd_close(&to);
	}
	fd_close(&from);
	return err;
}

static int copy_one(const char *name, void *arg)
{
	const struct walk *w = arg;
	struct stat st;

	if (fstatat(w->from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_of_errno(errno);
	if (S_ISDIR(st.st_mode))
		return copy_directory(w, name);
	return S_ISREG(st.st_mode) ? copy_as(w->from, name, w->to, w->owner) : ERR_OK;
}

int tree_copy(int from, int to, const struct tree_owner *owner)
{
	struct walk w = { .from = from, .to = to, .owner = owner };

	return file_list(from, copy_one, &w);
}

static int remove_one(const char *name, void *arg)
{
	const int *dir = arg;
	struct stat st;

	if (fstatat(*dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_of_errno(errno);
	if (S_ISDIR(st.st_mode))
		return tree_remove(*dir, name);
	return unlinkat(*dir, name, 0) == 0 ? ERR_OK : err_of_errno(errno);
}

int tree_remove(int dirfd, const char *name)
{
	int fd, err = file_open_dir(dirfd, name, &fd);

	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = file_list(fd, remove_one, &fd);
	fd_close(&fd);
	return err == ERR_OK && unlinkat(dirfd, name, AT_REMOVEDIR) != 0 ? err_of_errno(errno) : err;
}

int tree_set_aside(int dirfd, const char *name, const char *aside)
{
	int fd, err;

	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_OK : err_of_errno(errno);
	err = file_mkdir(dirfd, aside, 0700);
	if (err == ERR_OK)
		err = file_open_dir(dirfd, aside, &fd);
	if (err != ERR_OK)
		return err;
	if (renameat(dirfd, name, fd, name) != 0)
		err = err_of_errno(errno);
	fd_close(&fd);
	return err;
}
