/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"

#define NAME_SIZE 64

static void home_names(uint32_t uid, char shard[8], char name[NAME_SIZE])
{
	snprintf(shard, 8, "%02x", uid & 0xff);
	snprintf(name, NAME_SIZE, "%u", uid);
}

static int open_shard(struct host *h, const char *shard, bool make, int *fd)
{
	int err = ERR_OK;
	if (make && mkdirat(h->mail, shard, 0711) == 0) {
		/* The mode again: the umask took some of it. Others only cross it. */
		if (fchmodat(h->mail, shard, 0711, 0) != 0)
			return err_of_errno(errno);
	} else if (make && errno != EEXIST) {
		return err_of_errno(errno);
	}
	err = file_open_dir(h->mail, shard, fd);
	return err;
}

/* Fills the new home, which is still host's own and has a name that nobody looks for. */
static int fill(struct host *h, int home, uint32_t uid)
{
	int incoming = -1;
	bool alone = daemon_single_user(h->d);
	int err = file_mkdir(home, "incoming", 0770);
	if (err == ERR_OK)
		err = file_open_dir(home, "incoming", &incoming);
	/* Its files belong to local-delivery and, by the directory's set-gid bit, to the account's group, which reads them. */
	if (err == ERR_OK && fchmod(incoming, alone ? 0700 : 02770) != 0)
		err = err_of_errno(errno);
	if (err == ERR_OK && !alone && fchown(incoming, h->mail_uid, uid) != 0)
		err = err_of_errno(errno);
	fd_close(&incoming);
	if (err != ERR_OK)
		return err;
	if (fchmod(home, alone ? 0700 : 0710) != 0 || (!alone && fchown(home, uid, h->mail_gid) != 0))
		return err_of_errno(errno);
	return ERR_OK;
}

static int make_in(struct host *h, int shard, const char *name, uint32_t uid)
{
	char temporary[NAME_SIZE];
	int home = -1;
	snprintf(temporary, sizeof temporary, ".new-%016llx", (unsigned long long)random_u64());
	int err = file_mkdir(shard, temporary, 0700);
	if (err == ERR_OK)
		err = file_open_dir(shard, temporary, &home);
	if (err == ERR_OK)
		err = fill(h, home, uid);
	if (err == ERR_OK)
		err = file_flush(home);
	fd_close(&home);
	if (err == ERR_OK && renameat2(shard, temporary, shard, name, RENAME_NOREPLACE) != 0)
		err = errno == EEXIST ? ERR_EXISTS : err_of_errno(errno);
	if (err == ERR_OK)
		return file_flush(shard);
	if (unlinkat(shard, temporary, AT_REMOVEDIR) != 0 && errno != ENOENT) {
		/* Not empty: it holds `incoming`. What cannot be removed is never a home: no number begins with a dot. */
		char inner[NAME_SIZE * 2];
		snprintf(inner, sizeof inner, "%s/incoming", temporary);
		(void)unlinkat(shard, inner, AT_REMOVEDIR);
		(void)unlinkat(shard, temporary, AT_REMOVEDIR);
	}
	return err == ERR_EXISTS ? ERR_OK : err;
}

int home_make(struct host *h, uint32_t uid)
{
	char shard_name[8], name[NAME_SIZE];
	struct stat st;
	int shard = -1;
	if (uid < h->uid_first || uid > h->uid_last)
		return ERR_DENIED;
	home_names(uid, shard_name, name);
	int err = open_shard(h, shard_name, true, &shard);
	if (err == ERR_OK && fstatat(shard, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		err = errno == ENOENT ? make_in(h, shard, name, uid) : err_of_errno(errno);
	fd_close(&shard);
	if (err != ERR_OK)
		log_error("home_not_made", LU("uid", uid), LERR("error", err));
	return err;
}

static int open_existing(struct host *h, uint32_t uid, int *fd)
{
	char shard_name[8], name[NAME_SIZE];
	struct stat st;
	int shard = -1;
	home_names(uid, shard_name, name);
	int err = open_shard(h, shard_name, false, &shard);
	if (err != ERR_OK)
		return err;
	*fd = openat(shard, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = *fd < 0 ? err_of_errno(errno) : ERR_OK;
	fd_close(&shard);
	if (err == ERR_OK && fstat(*fd, &st) != 0)
		err = err_of_errno(errno);
	if (err == ERR_OK && !daemon_single_user(h->d) && st.st_uid != uid)
		err = ERR_DENIED;
	if (err != ERR_OK)
		fd_close(fd);
	return err;
}

int home_open(struct host *h, uint32_t uid, int *fd)
{
	*fd = -1;
	if (uid < h->uid_first || uid > h->uid_last)
		return ERR_DENIED;
	int err = open_existing(h, uid, fd);
	if (err != ERR_NOT_FOUND)
		return err;
	err = home_make(h, uid);
	return err == ERR_OK ? open_existing(h, uid, fd) : err;
}
